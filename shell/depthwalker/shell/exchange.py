"""The `exchange` command: a paper exchange in the foreground, so that `execute` can be tried without money.

Its one account's key is made anew each time, in a file that only its owner can read and that goes when the exchange goes.
"""

import asyncio
import os
import secrets
import shlex
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from depthwalker.core.book import Leg, ladders
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.tape import Tape, two_sided, window
from depthwalker.core.units import MILLION, SECOND, Micros, Money, format_count
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.ending import FAILED, OK, REFUSED
from depthwalker.shell.figures import short_price
from depthwalker.shell.paper import Account, Listing, PaperExchange
from depthwalker.shell.paper.server import PREFIX
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize
from depthwalker.shell.voice import complain, say

CASH: Final = Money(100_000 * MILLION)
NAME: Final = "paper"


@dataclass(frozen=True, slots=True)
class Stall:
    """What the command line asked for; `seed` None draws one, `port` 0 takes a free one."""

    profile: str
    data: Path | None
    seed: int | None
    seconds: int
    port: int


def run_exchange(stall: Stall) -> int:
    """Run a paper exchange until Ctrl-C and return the exit code."""
    seed = secrets.randbelow(MILLION) if stall.seed is None else stall.seed
    tape = _tape(stall, seed)
    if isinstance(tape, str):
        complain(tape)
        return REFUSED
    with _key_file() as (key, file):
        account = Account(NAME, NAME, key.public_key(), CASH)
        try:
            asyncio.run(_serve(tape, account, file, stall.port))
        except OSError as error:
            complain(f"port {stall.port} cannot be used: {error.strerror}; leave --port out for a free one")
            return FAILED
    return OK


def _tape(stall: Stall, seed: int) -> Tape | str:
    if stall.data is None:
        return synthesize(PROFILES[stall.profile], seed, stall.seconds)
    try:
        match load(stall.data):
            case Success(tape):
                stretches = two_sided(tape)
                start = stretches[0][0] if stretches else Micros(0)
                return window(tape, start, Micros(tape.span - start))
            case Failure(unplayable):
                return f"{stall.data} cannot be replayed: {unplayable.reason}"
    except OSError as error:
        return f"{stall.data} cannot be read: {error.strerror}; give the path of a recording"


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

    def __init__(self, tape: Tape, account: Account, port: int) -> None:
        super().__init__([Listing(tape)], [account], SystemClock(), SystemChance())
        self._port = port

    async def listen(self) -> str:
        """Return the base URL on the chosen port. Raises OSError where it cannot be had."""
        if self._port and self._runner is not None:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
            self.url = f"http://127.0.0.1:{self._port}{PREFIX}"
        return self.url


async def _serve(tape: Tape, account: Account, key_file: Path, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with _Exchange(tape, account, port) as exchange:
        say(*_welcome(await exchange.listen(), tape, key_file))
        await stopped.wait()
        left = exchange.resting(NAME)
        say(f"# stopped; {len(left)} orders were resting" if left else "# stopped; nothing was resting")


def _welcome(url: str, tape: Tape, key_file: Path) -> Iterator[str]:
    yield f"export DEPTHWALKER_BASE_URL={url}"
    yield f"export DEPTHWALKER_KEY_ID={NAME}"
    yield f"export DEPTHWALKER_KEY_FILE={shlex.quote(str(key_file))}"
    seen = ladders(tape.opening, Leg.YES)
    bid, offer = (
        f"{short_price(side[0][0])} x {format_count(side[0][1])}" if side else "none"
        for side in (seen.queue, seen.offers)
    )
    yield f"# {tape.ticker} opens with the best YES bid {bid} and offer {offer}, and plays for {tape.span // SECOND} s"
    target = seen.offers[0][0] if seen.offers else seen.queue[0][0] if seen.queue else tape.grid.lowest()
    yield "# set these in another terminal, then for example"
    yield f"# depthwalker execute {tape.ticker} --outcome yes --action buy --count 20 --target {short_price(target)}"
    yield "# Ctrl-C ends it"
