"""The `exchange` command: a paper exchange in the foreground, so that `execute` can be tried without money.

Its one account's key is made anew each time, in a file that only its owner can read and that goes when the exchange goes.
"""

import asyncio
import json
import os
import secrets
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from depthwalker.core.book import Leg, ladders
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.tape import Tape, hastened, two_sided, window
from depthwalker.core.units import MILLION, SECOND, Micros, Money, format_count
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.figures import short_price
from depthwalker.shell.interrupt import until_interrupted
from depthwalker.shell.paper import Account, Listing, PaperExchange, Side
from depthwalker.shell.paper.reply import Refusal
from depthwalker.shell.paper.server import PREFIX
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize
from depthwalker.shell.voice import Unwritten, complain, say
from depthwalker.shell.wire import read_error

CASH: Final = Money(100_000 * MILLION)
NAME: Final = "paper"


@dataclass(frozen=True, slots=True)
class Stall:
    """What the command line asked for: `seed` None draws one, `port` 0 takes a free one, `speed` in thousandths.

    `faults` are told as the control endpoint's POST /faults is; `skew` is in milliseconds.
    """

    profile: str
    data: tuple[Path, ...]
    seed: int | None
    seconds: int
    port: int
    speed: int = 1_000
    faults: tuple[Mapping[str, object], ...] = ()
    partition: str = ""
    skew: int = 0
    as_json: bool = False


def run_exchange(stall: Stall) -> int:
    """Run a paper exchange until Ctrl-C and return the exit code."""
    tapes = _tapes(stall)
    with _key_file() as (key, file):
        account = Account(NAME, NAME, key.public_key(), CASH)
        try:
            asyncio.run(_serve(tapes, account, file, stall))
        except (BrokenPipeError, Unwritten):  # of the output
            raise
        except OSError as error:
            raise Ended(
                FAILED, f"port {stall.port} cannot be used: {error.strerror}; leave --port out for a free one"
            ) from error
        except Refusal as refused:
            said = read_error(refused.reply.body).detail or "it is not one that can be planned"
            raise Wrong(f"--fault: {said}") from refused
    return OK


def _tapes(stall: Stall) -> list[Tape]:
    """Return what is played. Raises Wrong."""
    if not stall.data:
        seed = secrets.randbelow(MILLION) if stall.seed is None else stall.seed
        tapes = [synthesize(PROFILES[stall.profile], seed, stall.seconds)]
    else:
        tapes = [playable(file) for file in stall.data]
    names = [tape.ticker for tape in tapes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Wrong(f"two of the recordings are of {twice}: a market can be played once")
    return tapes if stall.speed == 1_000 else [hastened(tape, stall.speed) for tape in tapes]


def playable(file: Path) -> Tape:
    """Return what a recording plays, from where its book first has both sides. Raises Wrong."""
    try:
        match load(file):
            case Success(tape):
                stretches = two_sided(tape)
                start = stretches[0][0] if stretches else Micros(0)
                return window(tape, start, Micros(tape.span - start))
            case Failure(unplayable):
                raise Wrong(f"{file} cannot be replayed: {unplayable.reason}")
    except OSError as error:
        raise Wrong(f"{file} cannot be read: {error.strerror}; give the path of a recording") from error


@contextmanager
def _key_file() -> Iterator[tuple[Ed25519PrivateKey, Path]]:
    key = Ed25519PrivateKey.generate()
    handle, name = tempfile.mkstemp(prefix="depthwalker-paper-", suffix=".pem")  # mode 600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield key, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


class _Exchange(PaperExchange):
    """A paper exchange that listens on a chosen port as well."""

    def __init__(self, tapes: Iterable[Tape], account: Account, port: int) -> None:
        super().__init__([_listed(tape) for tape in tapes], [account], SystemClock(), SystemChance())
        self._port = port

    async def open_port(self) -> str:
        """Return the base URL on the chosen port. Raises OSError where it cannot be had."""
        if self._port and self._listener is not None:
            await self._listener.listen("127.0.0.1", self._port)
            self.url = f"http://127.0.0.1:{self._port}{PREFIX}"
        return self.url


def _listed(tape: Tape) -> Listing:
    """Return a market that stays open for as long as its tape plays, at least the usual day."""
    usual = Listing(tape)
    return replace(usual, closes_after=max(usual.closes_after, tape.span))


async def _serve(tapes: list[Tape], account: Account, key_file: Path, stall: Stall) -> None:
    stopped = until_interrupted()
    async with _Exchange(tapes, account, stall.port) as exchange:
        for fault in stall.faults:
            exchange.plan(fault)
        if stall.partition:
            exchange.faults.partition(Side(stall.partition))
        exchange.faults.skew = Micros(stall.skew * 1_000)
        url = await exchange.open_port()
        told = _as_json if stall.as_json else _welcome
        say(*told(url, exchange.control_url, tapes, key_file))
        await stopped.wait()
        left = exchange.resting(NAME)
        (complain if stall.as_json else say)(
            f"# stopped; {len(left)} orders were resting" if left else "# stopped; nothing was resting"
        )


def _welcome(url: str, control_url: str, tapes: list[Tape], key_file: Path) -> Iterator[str]:
    yield f"export DEPTHWALKER_BASE_URL={url}"
    yield f"export DEPTHWALKER_KEY_ID={NAME}"
    yield f"export DEPTHWALKER_KEY_FILE={shlex.quote(str(key_file))}"
    for tape in tapes:
        yield _described(tape)
    first = tapes[0]
    seen = ladders(first.opening, Leg.YES)
    target = seen.offers[0][0] if seen.offers else seen.queue[0][0] if seen.queue else first.grid.lowest()
    yield "# set these in another terminal, then for example"
    yield (
        f"# depthwalker execute {first.ticker} --outcome yes --action buy --count 20 --target {short_price(target)} "
        "--algorithm dynamic_depth_walker"
    )
    yield f"# what can be made to go wrong meanwhile: curl {control_url}"
    yield "# Ctrl-C ends it"


def _as_json(url: str, control_url: str, tapes: list[Tape], key_file: Path) -> Iterator[str]:
    """Yield one line: what to set, by the variables' names, what is played, and where faults are planned."""
    yield json.dumps(
        {
            "environment": {
                "DEPTHWALKER_BASE_URL": url,
                "DEPTHWALKER_KEY_ID": NAME,
                "DEPTHWALKER_KEY_FILE": str(key_file),
            },
            "control_url": control_url,
            "markets": [{"ticker": tape.ticker, "seconds": tape.span // SECOND} for tape in tapes],
        }
    )


def _described(tape: Tape) -> str:
    seen = ladders(tape.opening, Leg.YES)
    bid, offer = (
        f"{short_price(side[0][0])} x {format_count(side[0][1])}" if side else "none"
        for side in (seen.queue, seen.offers)
    )
    return f"# {tape.ticker} opens with the best YES bid {bid} and offer {offer}, and plays for {tape.span // SECOND} s"
