"""Settings come from a file and the environment, and say what is wrong with them without showing a secret."""

import ast
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest

from depthwalker.core.units import SECOND
from depthwalker.shell import settings as module
from depthwalker.shell.settings import Settings, SettingsError, Strays, kept_installation

DEMO = "https://external-api.demo.kalshi.co/trade-api/v2"
PROD = "https://external-api.kalshi.com/trade-api/v2"


def settings(**keys: object) -> Settings:
    return Settings.of(**{"installation": "0a1b2c3d", **keys})


def complaint(**keys: object) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**keys)
    return str(caught.value)


def test_the_defaults_are_the_demo_exchange_and_the_specifications_numbers() -> None:
    found = settings()

    assert (found.base_url, found.key_id, found.key_file, found.database_url) == (DEMO, None, None, None)
    assert (found.max_concurrent, found.calls_per_minute, found.account) == (5, None, "default")
    assert (found.book_interval, found.snapshot_interval, found.wind_down) == (SECOND, SECOND, 4 * SECOND)
    assert (found.thin, found.liquid) == (5_000, 10_000)


def test_every_setting_is_obeyed_by_somebody() -> None:
    home = Path(module.__file__)
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in home.parent.rglob("*.py") if file != home]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {one.name for one in fields(Settings)} - read == set()


@pytest.mark.parametrize(
    ("given", "url"),
    [("prod", PROD), ("demo", DEMO), ("http://127.0.0.1:8000/trade-api/v2/", "http://127.0.0.1:8000/trade-api/v2")],
)
def test_an_exchange_is_named_or_given_by_its_url(given: str, url: str) -> None:
    assert settings(base_url=given).base_url == url


@pytest.mark.parametrize(
    ("given", "exchange"),
    [
        ("prod", "prod"),
        ("https://api.elections.kalshi.com/trade-api/v2", "prod"),
        ("demo", "demo"),
        ("https://demo-api.kalshi.co/trade-api/v2", "demo"),
        ("https://not-kalshi.com/trade-api/v2", "https://not-kalshi.com/trade-api/v2"),
        ("http://127.0.0.1:8000/trade-api/v2", "http://127.0.0.1:8000/trade-api/v2"),
    ],
)
def test_an_exchange_is_the_same_by_whatever_address(given: str, exchange: str) -> None:
    assert settings(base_url=given).exchange == exchange
    assert replace(settings(base_url=given), account="mine paper").exchange == ""


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "depthwalker.toml"
    file.write_text('base_url = "prod"\ninstallation = "0a1b2c3d"\nbook_interval_seconds = 0.25\nthin_contracts = 100.5\n'
                    "liquid_contracts = 3000\n")  # fmt: skip

    found = Settings.load(
        environment={
            "DEPTHWALKER_CONFIG": str(file),
            "DEPTHWALKER_BASE_URL": "demo",
            "DEPTHWALKER_KEY_ID": "key-1",
            "DEPTHWALKER_KEY_FILE": "~/key.pem",
            "DEPTHWALKER_CALLS_PER_MINUTE": "90",
            "DEPTHWALKER_ACCOUNT": "",
            "DEPTHWALKER_SOMETHING_ELSE": "kept for others",
            "DATABASE_URL": "postgresql://me:hush@db/trades",
        }
    )

    assert (found.base_url, found.installation) == (DEMO, "0a1b2c3d")
    assert (found.book_interval, found.thin, found.liquid) == (SECOND // 4, 10_050, 300_000)
    assert (found.key_id, found.key_file) == ("key-1", Path.home() / "key.pem")
    assert (found.calls_per_minute, found.account) == (90, "default")
    assert found.database_url == "postgresql://me:hush@db/trades"
    assert "hush" not in repr(found)
    assert "key-1" not in repr(found)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("base_url", "staging", '"prod", "demo", or an http or https URL'),
        ("base_url", "ftp://host/", '"prod", "demo", or an http or https URL'),
        ("base_url", "https://me:hush@host/", '"prod", "demo", or an http or https URL'),
        ("base_url", "https://host:99999/", '"prod", "demo", or an http or https URL'),
        ("base_url", 7, '"prod", "demo", or an http or https URL'),
        ("database_url", "mysql://me:hush@host/", "a postgresql:// URL"),
        ("database_url", "postgresql://me:hu%sh@host/", "percent-encoded"),
        ("database_url", "postgresql://me:hush@[::1/db", "percent-encoded"),
        ("database_url", "postgresql://me:hush@[]/db", "percent-encoded"),
        ("database_url", "postgresql://me:hu sh@host/", "percent-encoded"),
        ("installation", "x0a1b2c3d", "8 hexadecimal digits"),
        ("account", "a b", "1 to 64 letters"),
        ("max_concurrent", 0, "a whole number from 1 to 1000"),
        ("book_interval_seconds", 0, "seconds from 0.05 to 3600"),
        ("wind_down_seconds", "soon", "seconds from 0.05 to 3600"),
        ("thin_contracts", 0.001, "at most 2 decimals"),
        ("thin_contracts", 200, "at most liquid_contracts"),
        ("calls_per_minute", 0, "a whole number from 1"),
        ("key_file", "", "the path of a PEM file"),
        ("key_file", "~nobody-of-this-name/key.pem", "the path of a PEM file"),
        ("key_file", "key.pem", "both or neither"),
        ("key_id", "key-1", "both or neither"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(key: str, value: object, allowed: str) -> None:
    said = complaint(**{key: value})

    assert said.startswith("settings.")
    assert allowed in said
    assert "hush" not in said


def test_what_earlier_versions_took_is_refused_with_what_to_do(tmp_path: Path) -> None:
    said = complaint(order_interval_seconds=2)
    assert said == "settings.order_interval_seconds: nothing obeyed it, and it is gone; allowed is to leave it out"
    former = {"DEPTHWALKER_HOME": str(tmp_path)}
    with pytest.raises(
        SettingsError, match="DEPTHWALKER_HOME: it is called otherwise now; allowed is DEPTHWALKER_STATE"
    ):
        Settings.load(environment=former)
    both = {**former, "DEPTHWALKER_STATE_DIRECTORY": str(tmp_path / "here")}
    assert Settings.load(environment=both).state_directory == tmp_path / "here"


def test_an_unknown_setting_is_refused_with_the_nearest_one() -> None:
    assert "settings.base_ur: there is no such key (did you mean base_url?)" in complaint(base_ur="prod")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("GUARD_MAX_SLIPAGE_PERCENT", "guard_max_slippage_percent"),
        ("CALLS_PER_MINUT", "calls_per_minute"),
        ("BASEURL", "base_url"),
        ("STRAY", "strays"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused_too(variable: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=rf"settings\.{variable.lower()}: .*did you mean {meant}\?"):
        Settings.load(environment={f"DEPTHWALKER_{variable}": "0.02"})


def test_a_variable_that_is_gone_is_refused_as_its_key_is() -> None:
    with pytest.raises(SettingsError, match="nothing obeyed it, and it is gone"):
        Settings.load(environment={"DEPTHWALKER_ORDER_INTERVAL_SECONDS": "2"})


def test_variables_of_others_that_begin_alike_are_left_alone(tmp_path: Path) -> None:
    """Kubernetes sets these of services called `depthwalker` and `depthwalker-database`, users what they like.

    Ours beside the settings are read where they are needed.
    """
    others = (
        "SERVICE_HOST SERVICE_PORT PORT PORT_9464_TCP PORT_9464_TCP_ADDR "
        "DATABASE_SERVICE_HOST DATABASE_SERVICE_PORT DATABASE_PORT DATABASE_PORT_5432_TCP DATABASE_PORT_5432_TCP_ADDR "
        "TEST_DATABASE_URL ACCOUNT_ID CONFIG LOG TRACEBACK SERVE_TOKEN PG_BIN PG_USER"
    )
    environment = {f"DEPTHWALKER_{name}": "" if name == "CONFIG" else "anything" for name in others.split()}
    assert (
        Settings.load(environment={**environment, "DEPTHWALKER_STATE_DIRECTORY": str(tmp_path)}).strays is Strays.REPORT
    )


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: it cannot be read: No such file"):
        Settings.load(tmp_path / "none.toml", {})
    (tmp_path / "bad.toml").write_text("base_url =")
    with pytest.raises(SettingsError, match=r"bad\.toml: it is not TOML"):
        Settings.load(tmp_path / "bad.toml", {})


def test_an_installation_is_drawn_once_and_kept(tmp_path: Path) -> None:
    first = Settings.of(state_directory=str(tmp_path / "new" / "state")).installation

    assert len(bytes.fromhex(first)) == 4
    assert Settings.of(state_directory=tmp_path / "new" / "state").installation == first
    assert [file.name for file in (tmp_path / "new" / "state").iterdir()] == ["installation"]


def test_processes_that_start_at_once_agree_on_the_installation(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(kept_installation, [tmp_path] * 32))) == 1


def test_an_installation_file_that_holds_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "installation").write_text("my notes")

    with pytest.raises(SettingsError, match="holds something else"):
        kept_installation(tmp_path)
    assert (tmp_path / "installation").read_text() == "my notes"


def test_a_state_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"settings\.state_directory"):
        kept_installation(tmp_path / "file")


@pytest.mark.parametrize(
    "other",
    ["https://external-api.kalshi.com", "https://api.elections.kalshi.com/trade-api/v2"],
    ids=["short", "older"],
)
def test_one_exchange_by_two_addresses_is_one_budget_one_queue_and_one_set_of_groups(
    tmp_path: Path, other: str
) -> None:
    one, two = (Settings.of(base_url=url, installation="0123abcd", state_directory=tmp_path) for url in ("prod", other))
    assert one.exchange == two.exchange  # each takes up what the other left
    assert one.trading_account == two.trading_account
