"""What one installation runs with: exchange, key, database, rates, intervals.

Read from an optional TOML file (DEPTHWALKER_CONFIG, or given), then from the environment, which wins: each key's variable is
DEPTHWALKER_ and the key in capitals, and DATABASE_URL stands for database_url. An empty variable counts as unset. Key id and
database URL appear in no repr and no error.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from depthwalker.core.outcome import Failure, Success
from depthwalker.core.units import Count, Micros
from depthwalker.shell.exact import ConfigError, ConfigErrors, Table, member, optional, parse_table, whole
from depthwalker.shell.postgres import default_folder
from depthwalker.shell.private import make_folder

NAME: Final = "settings"
PREFIX: Final = "DEPTHWALKER_"
FILE_VARIABLE: Final = "DEPTHWALKER_CONFIG"
PAPER: Final = " paper"  # behind an account's name: no account of real orders can be called so
DATABASE_VARIABLE: Final = "DATABASE_URL"
# What earlier versions took: unheeded, the first would leave what it holds behind, as a pulled kill switch, without a word.
FORMER_FOLDER: Final = "DEPTHWALKER_HOME"
NEARLY: Final = 0.85  # as `difflib` measures: a letter or two of a setting's name, no word of it
GONE: Final = {"order_interval_seconds": "nothing obeyed it, and it is gone"}

HOSTS: Final = {
    "prod": "https://external-api.kalshi.com/trade-api/v2",
    "demo": "https://external-api.demo.kalshi.co/trade-api/v2",
}
DOMAINS: Final = {"prod": ".kalshi.com", "demo": ".kalshi.co"}
INSTALLATION: Final = r"^[0-9a-f]{8}$"


class Recovering(Enum):
    """What an engine does with unfinished executions that nobody runs any more."""

    CONTINUE = "continue"
    WIND_DOWN = "wind_down"
    OFF = "off"


class Strays(Enum):
    """What an engine does with orders of its installation that rest and belong to no unfinished execution."""

    REPORT = "report"
    CANCEL = "cancel"


class SettingsError(ValueError):
    """Settings that cannot be used; its text names every wrong key and what is allowed there."""

    def __init__(self, errors: ConfigErrors) -> None:
        super().__init__(errors.in_words())
        self.errors = errors


def _base_url(given: object) -> str:
    text = given if isinstance(given, str) else ""
    url = urlsplit(HOSTS.get(text, text))
    assert url.port != 0, "a port outside its range raises by itself"
    if url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc or url.query or url.fragment:
        raise ValueError("not a URL")
    return url.geturl().rstrip("/")


def _database_url(given: object) -> str | None:
    """Return a URL that libpq can read: what it cannot it repeats word by word, the password too."""
    if given is None:
        return None
    from psycopg.conninfo import conninfo_to_dict

    if not isinstance(given, str) or not given.startswith(("postgresql://", "postgres://")):
        raise ValueError("not a postgresql URL")
    try:
        conninfo_to_dict(given)
    except Exception:  # noqa: BLE001 - whatever it is, its text holds the URL
        raise ValueError("not a URL that PostgreSQL's client can read") from None
    return given


def _truth(given: object) -> bool:
    known = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    if not isinstance(given, (bool, str)) or given not in known:
        raise ValueError("neither true nor false")
    return known[given]


def _path(given: object) -> Path:
    if not isinstance(given, (str, Path)) or not str(given):
        raise ValueError("not a path")
    try:
        return Path(given).expanduser()
    except RuntimeError as nobody:
        raise ValueError("the home of nobody that is known here") from nobody


SPAN: Final = "seconds from 0.05 to 3600"
CONTRACTS: Final = "contracts from 0 to 1000000000 with at most 2 decimals"
_Seconds = Annotated[int, BeforeValidator(whole(6, "0.05", "3600"))]
_Contracts = Annotated[int, BeforeValidator(whole(2, "0", "1000000000"))]


class _Keys(Table):
    base_url: Annotated[
        str,
        BeforeValidator(_base_url),
        Field(
            description='"prod", "demo", or an http or https URL such as http://127.0.0.1:8000/trade-api/v2', repr=False
        ),
    ] = HOSTS["demo"]
    key_id: Annotated[
        str | None, Field(min_length=1, description="the id of an API key, together with key_file", repr=False)
    ] = None
    key_file: Annotated[
        Path | None,
        BeforeValidator(optional(_path)),
        Field(description="the path of a PEM file that only you can read, together with key_id"),
    ] = None
    database_url: Annotated[
        str | None,
        BeforeValidator(_database_url),
        Field(
            description="a postgresql:// URL (DATABASE_URL), percent-encoded; without one an embedded server runs",
            repr=False,
        ),
    ] = None
    account: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, - or _: whose orders these are"),
    ] = "default"
    installation: Annotated[
        str | None,
        Field(pattern=INSTALLATION, description="8 hexadecimal digits; left out, they are drawn once and kept"),
    ] = None
    state_directory: Annotated[
        Path, BeforeValidator(_path), Field(description="the path of a directory that can be written")
    ] = Field(default_factory=default_folder)
    max_concurrent: Annotated[
        int,
        BeforeValidator(whole(0, "1", "1000")),
        Field(
            description="a whole number from 1 to 1000: executions of the account at once by other algorithms than simple_limit, "
            "which runs beyond that"
        ),
    ] = 5
    book_interval_seconds: Annotated[
        _Seconds, Field(description=f"{SPAN}: between two looks at a book that no websocket keeps current")
    ] = 1_000_000
    wind_down_seconds: Annotated[
        _Seconds,
        Field(
            description=f"{SPAN}: how long before its time-out an execution begins to cancel and confirm, at most a quarter of "
            "that"
        ),
    ] = 4_000_000
    snapshot_interval_seconds: Annotated[
        _Seconds, Field(description=f"{SPAN}: at least between two snapshots that are kept of a market's book")
    ] = 1_000_000
    thin_contracts: Annotated[
        _Contracts,
        Field(
            description=f"{CONTRACTS}, at most liquid_contracts: with fewer within five cents of the best price, on the weaker "
            "side, a market is thin"
        ),
    ] = 5_000
    liquid_contracts: Annotated[
        _Contracts, Field(description=f"{CONTRACTS}: with as many there it is liquid, with fewer moderate")
    ] = 10_000
    websocket: Annotated[
        bool, BeforeValidator(_truth), Field(description="true or false: whether to use the websocket beside polling")
    ] = True
    recovery: Annotated[
        Recovering,
        BeforeValidator(member(Recovering)),
        Field(description='"continue", "wind_down" or "off": what becomes of executions that a dead process left'),
    ] = Recovering.CONTINUE
    strays: Annotated[
        Strays,
        BeforeValidator(member(Strays)),
        Field(description='"report" or "cancel": what becomes of our orders that belong to nothing'),
    ] = Strays.REPORT
    order_groups: Annotated[
        bool,
        BeforeValidator(_truth),
        Field(description="true or false: whether orders belong to an order group of the process that sends them"),
    ] = True
    metrics_host: Annotated[
        str, Field(min_length=1, description="the address that /metrics is served on, such as 127.0.0.1")
    ] = "127.0.0.1"
    metrics_port: Annotated[
        int | None,
        BeforeValidator(optional(whole(0, "0", "65535"))),
        Field(description="the port that /metrics is served on, 0 for a free one; left out, there are no metrics"),
    ] = None
    spans: Annotated[
        bool, BeforeValidator(_truth), Field(description="true or false: whether to make OpenTelemetry spans")
    ] = False
    guard_max_slippage_percent: Annotated[
        int,
        BeforeValidator(whole(6, "0", "1")),
        Field(
            description="a fraction of the target from 0 to 1: a rollout's walker that slips more is disabled at once"
        ),
    ] = 50_000
    calls_per_minute: Annotated[
        int | None,
        BeforeValidator(optional(whole(0, "1", "1000000"))),
        Field(
            description="a whole number from 1 to 1000000: the calls that all of the account's processes make together, such as "
            "the specification's 90; left out, the account's own limits are read"
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in the core's units. `thin` and `liquid` are contracts within 5 cents of the best price."""

    base_url: str
    key_id: str | None = field(repr=False)
    key_file: Path | None
    database_url: str | None = field(repr=False)
    account: str
    installation: str
    state_directory: Path
    max_concurrent: int
    book_interval: Micros
    wind_down: Micros
    snapshot_interval: Micros
    thin: Count
    liquid: Count
    websocket: bool
    order_groups: bool
    calls_per_minute: int | None
    guard_slippage: int
    metrics_host: str
    metrics_port: int | None
    spans: bool
    recovery: Recovering
    strays: Strays

    @property
    def paper(self) -> bool:
        """Return whether these are of `depthwalker paper`: whatever is executed is marked, and trades nothing."""
        return self.account.endswith(PAPER)

    @property
    def rollout_account(self) -> str:
        """Return whose rollout it is: on paper, of the account that it stands for."""
        return self.account.removesuffix(PAPER)

    @property
    def exchange(self) -> str:
        """Return which exchange executions are at, by whatever address; on paper none: each process has one of its own."""
        host = urlsplit(self.base_url).hostname or ""
        known = next((name for name, domain in DOMAINS.items() if host.endswith(domain)), self.base_url)
        return "" if self.paper else known

    def is_here(self, exchange: str) -> bool:
        """Return whether an execution kept with this exchange is ours to run: one on paper, or older than that, names none."""
        return exchange in {"", self.exchange}

    @property
    def trading_account(self) -> str:
        """Return the account and its exchange, by whatever address: an account of the same name elsewhere is another one."""
        return f"{self.account} {self.exchange or self.base_url}"

    @classmethod
    def load(cls, file: Path | None = None, environment: Mapping[str, str] | None = None) -> Self:
        """Return the settings of a TOML file and the environment. Raises SettingsError."""
        given = os.environ if environment is None else environment
        keys = _keys(file, given)
        if given.get(FORMER_FOLDER) and "state_directory" not in keys:
            raise SettingsError(_one(FORMER_FOLDER, "it is called otherwise now", f"{PREFIX}STATE_DIRECTORY"))
        return cls.of(**keys)

    @classmethod
    def of(cls, **keys: object) -> Self:
        """Return the settings of some keys, the rest at their defaults. Raises SettingsError."""
        gone = tuple(ConfigError(f"{NAME}.{key}", GONE[key], "to leave it out") for key in keys if key in GONE)
        if gone:
            raise SettingsError(ConfigErrors(gone))
        match parse_table(NAME, _Keys, keys):
            case Failure(errors):
                raise SettingsError(errors)
            case Success(found):
                wrong = _together(found)
                if wrong:
                    raise SettingsError(ConfigErrors(wrong))
                return cls(
                    base_url=found.base_url,
                    key_id=found.key_id,
                    key_file=found.key_file,
                    database_url=found.database_url,
                    account=found.account,
                    installation=found.installation or kept_installation(found.state_directory),
                    state_directory=found.state_directory,
                    max_concurrent=found.max_concurrent,
                    book_interval=Micros(found.book_interval_seconds),
                    wind_down=Micros(found.wind_down_seconds),
                    snapshot_interval=Micros(found.snapshot_interval_seconds),
                    thin=Count(found.thin_contracts),
                    liquid=Count(found.liquid_contracts),
                    websocket=found.websocket,
                    order_groups=found.order_groups,
                    calls_per_minute=found.calls_per_minute,
                    guard_slippage=found.guard_max_slippage_percent,
                    metrics_host=found.metrics_host,
                    metrics_port=found.metrics_port,
                    spans=found.spans,
                    recovery=found.recovery,
                    strays=found.strays,
                )


def named_database() -> str | None:
    """Return the database that is named, whatever else is wrong in the settings; None where none is, or that is wrong."""
    try:
        keys = _keys(None, os.environ)
    except SettingsError:  # of the file
        keys = {**_environment_keys(os.environ)}
    try:
        return _database_url(keys.get("database_url"))
    except ValueError:
        return None


def trades_live(base_url: str) -> bool:
    """Return whether orders sent there are of real money: anywhere but the demo exchange and this machine."""
    host = urlsplit(base_url).hostname or ""
    return not host.endswith(DOMAINS["demo"]) and host not in {"localhost", "127.0.0.1", "::1"}


def kept_installation(directory: Path) -> str:
    """Return the installation's 8 digits, drawing and keeping them the first time. Raises SettingsError.

    Two processes that start at once agree: the file appears whole, by a link that only the first can make.
    """
    file = directory / "installation"
    try:
        if not file.exists():
            _draw_installation(file)
        found = file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(_one(f"{NAME}.state_directory", f"{file}: {error}", "a directory to write in")) from error
    if not re.match(INSTALLATION, found):
        raise SettingsError(_one(f"{NAME}.installation", f"{file} holds something else", "8 hexadecimal digits"))
    return found


def _draw_installation(file: Path) -> None:
    drawn = secrets.token_hex(4)
    make_folder(file.parent)
    draft = file.with_name(f"installation.{secrets.token_hex(4)}")
    draft.touch(0o644, exist_ok=False)  # no secret, but nobody else's to change
    with draft.open("w", encoding="ascii") as opened:
        opened.write(f"{drawn}\n")
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):
        file.hardlink_to(draft)
    draft.unlink()


def _keys(file: Path | None, environment: Mapping[str, str]) -> dict[str, object]:
    named = file if file is not None else (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    return {**({} if named is None else _file_keys(named)), **_environment_keys(environment)}


def _file_keys(file: Path) -> Mapping[str, object]:
    allowed = "a TOML file of keys such as base_url"
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened, parse_float=Decimal)
    except OSError as error:
        raise SettingsError(_one(str(file), f"it cannot be read: {error.strerror}", allowed)) from error
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise SettingsError(_one(str(file), f"it is not TOML: {error}", allowed)) from error


def _environment_keys(environment: Mapping[str, str]) -> Mapping[str, object]:
    """Return what variables set, also those that are nearly called as a setting: as unknown keys they are refused.

    What else begins alike is somebody else's: Kubernetes sets such variables.
    """
    known = [key.upper() for key in (*_Keys.model_fields, *GONE)]
    own = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(PREFIX) and text and get_close_matches(name.removeprefix(PREFIX), known, 1, NEARLY)
    }
    database = environment.get(DATABASE_VARIABLE)
    return {"database_url": database, **own} if database else own


def _together(found: _Keys) -> tuple[ConfigError, ...]:
    """Return what is wrong with keys that are right one by one."""
    if (found.key_id is None) != (found.key_file is None):
        there, missing = ("key_file", "key_id") if found.key_id is None else ("key_id", "key_file")
        return _one(f"{NAME}.{missing}", f"it is missing beside {there}", "both or neither").errors
    if found.thin_contracts > found.liquid_contracts:
        return _one(f"{NAME}.thin_contracts", "it is above liquid_contracts", "at most liquid_contracts").errors
    return ()


def _one(path: str, given: str, allowed: str) -> ConfigErrors:
    return ConfigErrors((ConfigError(path, given, allowed),))
