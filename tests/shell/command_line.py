"""Commands as a terminal gives them, and a paper exchange in this process for them to trade at."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from depthwalker.core.book import Book
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Tape
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.paper import Account, Listing, PaperExchange

PROGRAM = [sys.executable, "-m", "depthwalker.shell"]
CASH = Money(1_000 * MILLION)
ACCOUNT = "cli"
FAST: dict[str, object] = {
    "algorithm": "dynamic_depth_walker",
    "max_slippage_percent": None,
    "max_slippage_dollars": "0.10",
    "order_timeout_seconds": 2,
    "dynamic_depth_walker": {"walk_interval_seconds": 0.2, "max_total_walks": 100},
}
SLOW = FAST | {"order_timeout_seconds": 60}


def levels(*pairs: tuple[int, int]) -> tuple[tuple[Price, Count], ...]:
    return tuple((Price(price), Count(count)) for price, count in pairs)


def still(ticker: str, yes: tuple[tuple[Price, Count], ...], no: tuple[tuple[Price, Count], ...]) -> Tape:
    return Tape(ticker, CENT_GRID, Book(yes, no, Micros(0)), (), Micros(3600 * SECOND))


BIDS, OTHERS = levels((4_500, 10_000), (4_400, 20_000)), levels((4_900, 10_000), (4_800, 20_000))
LISTINGS = (
    Listing(still("OPEN-1", BIDS, OTHERS)),
    Listing(still("CLOSED-1", BIDS, OTHERS), closes_after=Micros(0)),
    Listing(still("EMPTY-1", (), ())),
    Listing(still("BIDS-1", BIDS, ())),
    Listing(still("OFFERS-1", (), OTHERS)),
)


@dataclass(frozen=True)
class Venue:
    """A paper exchange in a thread of its own, and the environment that points a command at it."""

    exchange: PaperExchange
    loop: asyncio.AbstractEventLoop
    environment: dict[str, str]

    def resting(self) -> int:
        async def count() -> int:
            return len(self.exchange.resting(ACCOUNT))

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result()


@contextmanager
def running_exchange(folder: Path) -> Iterator[Venue]:
    key = Ed25519PrivateKey.generate()
    file = folder / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    account = Account(ACCOUNT, "key-id", key.public_key(), CASH)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    exchange = PaperExchange(LISTINGS, [account], SystemClock(), SystemChance())
    try:
        url = asyncio.run_coroutine_threadsafe(exchange.start(), loop).result()
        environment = {
            "DEPTHWALKER_BASE_URL": url,
            "DEPTHWALKER_KEY_ID": "key-id",
            "DEPTHWALKER_KEY_FILE": str(file),
            "DEPTHWALKER_STATE_DIRECTORY": str(folder / "state"),
        }
        yield Venue(exchange, loop, environment)
    finally:
        asyncio.run_coroutine_threadsafe(exchange.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def trading_at(folder: Path, monkeypatch: pytest.MonkeyPatch, database: str | None = None) -> Iterator[Venue]:
    """A running exchange that the commands of this process trade at, with a database of the tests' if one is given."""
    with running_exchange(folder) as opened:
        for name, value in (opened.environment | ({"DATABASE_URL": database} if database else {})).items():
            monkeypatch.setenv(name, value)
        yield opened


def method(file: Path, config: dict[str, object]) -> str:
    file.write_text(json.dumps(config))
    return str(file)


def order(ticker: str = "OPEN-1", **changes: str) -> list[str]:
    terms = {"outcome": "yes", "action": "buy", "count": "10", "target": "0.48"} | changes
    return ["execute", ticker, *(f"--{name}={value}" for name, value in terms.items())]


@contextmanager
def started(words: list[str], ready: str) -> "Iterator[subprocess.Popen[str]]":
    """A real process, once it has printed a line with `ready` in it; killed where the test does not end it."""
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(ready in line for line in process.stdout), "it ended early"
            yield process
        finally:
            process.kill()
