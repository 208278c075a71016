"""Other people's clients of the same exchange, put together as their documentation does it."""

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import pykalshi

from bench import scene
from depthwalker.core.units import CONTRACT, Count, Price, format_count, format_price
from depthwalker.core.view import LEVELS

PRICE: Final = Price(4_500)
COUNT: Final = Count(10 * CONTRACT)
Placing: TypeAlias = Callable[[int], Awaitable[None]]
Reading: TypeAlias = Callable[[Path, str, tuple[str, ...]], Callable[[], None]]  # key file, snapshot, deltas


@dataclass(frozen=True, slots=True)
class Rival:
    """A client: how it reads frames until the touch, or ten levels a side, are there, and how it places one order."""

    name: str
    best: Reading
    ten: Reading
    placing: Callable[[str, Path], AbstractAsyncContextManager[Placing]]


def present() -> tuple[Rival, ...]:
    """Return the clients that this interpreter has; kalshi-sdk needs Python 3.12."""
    found = (
        Rival("pykalshi", partial(_pykalshi_read, _pykalshi_best), partial(_pykalshi_read, _pykalshi_ten), _pykalshi),
    )
    if not _has_sdk():
        return found
    from bench import sdk

    return (*found, Rival("kalshi-sdk", sdk.best, sdk.ten, sdk.placing))


def absent() -> str:
    """Return which client this interpreter cannot have, or nothing."""
    return "" if _has_sdk() else "kalshi-sdk needs Python 3.12: `make bench PYTHON=python3.12 VENV=.venv-3.12`."


def _has_sdk() -> bool:
    return importlib.util.find_spec("kalshi") is not None


# pykalshi


def _pykalshi_read(
    ask: Callable[[pykalshi.OrderbookManager], object], key: Path, snapshot: str, deltas: tuple[str, ...]
) -> Callable[[], None]:
    client = pykalshi.KalshiClient(api_key_id="bench", private_key_path=str(key), api_base="http://127.0.0.1")
    feed, manager = client.feed(), pykalshi.OrderbookManager(scene.TICKER)

    def handle(message: pykalshi.OrderbookSnapshotMessage | pykalshi.OrderbookDeltaMessage) -> None:
        if isinstance(message, pykalshi.OrderbookDeltaMessage):
            manager.apply_delta(message.side, message.price_dollars, message.delta_fp)
            ask(manager)
        else:
            manager.apply_snapshot(message.yes_dollars, message.no_dollars)

    feed.on("orderbook_delta", handle)

    def run() -> None:
        feed._dispatch(snapshot)  # noqa: SLF001 - the way of a frame, without a socket
        for text in deltas:
            feed._dispatch(text)  # noqa: SLF001

    return run


def _pykalshi_best(manager: pykalshi.OrderbookManager) -> object:
    return manager.best_bid, manager.best_ask


def _pykalshi_ten(manager: pykalshi.OrderbookManager) -> object:
    return manager.bid_depth(LEVELS), manager.ask_depth(LEVELS)


@asynccontextmanager
async def _pykalshi(base: str, key: Path) -> AsyncIterator[Placing]:
    client = pykalshi.AsyncKalshiClient(api_key_id="bench", private_key_path=str(key), api_base=base, max_retries=0)
    async with client:

        async def place(number: int) -> None:
            placed = await client.portfolio.place_order(
                scene.TICKER,
                book_side="bid",
                price_dollars=format_price(PRICE),
                count_fp=format_count(COUNT),
                client_order_id=f"pykalshi-{number}",
                post_only=True,
            )
            assert placed.order_id

        yield place
