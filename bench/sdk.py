"""kalshi-sdk, which needs Python 3.12; see `rivals`."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from kalshi import AsyncKalshiClient, CreateOrderV2Request
from kalshi.models.markets import Orderbook
from kalshi.ws.models.orderbook_delta import OrderbookDeltaMessage, OrderbookSnapshotMessage
from kalshi.ws.orderbook import OrderbookManager

from bench import scene
from bench.rivals import COUNT, PRICE, Placing
from depthwalker.core.units import format_count, format_price
from depthwalker.core.view import LEVELS

ONE: Final = Decimal(1)


def _read(
    ask: Callable[[Orderbook], object],
    _: Path,
    snapshot: str,
    deltas: tuple[str, ...],
) -> Callable[[], None]:
    """Return the run through its models and its book: what its receiving loop does with a frame, without a socket."""
    manager = OrderbookManager()

    def run() -> None:
        manager.apply_snapshot(OrderbookSnapshotMessage.model_validate(json.loads(snapshot)))
        for text in deltas:
            book = manager.apply_delta(OrderbookDeltaMessage.model_validate(json.loads(text)))
            assert book is not None
            ask(book)

    return run


def _touch(book: Orderbook) -> object:
    return book.yes[-1].price, ONE - book.no[-1].price


def _ten_levels(book: Orderbook) -> object:
    return book.yes[-LEVELS:], book.no[-LEVELS:]


best: Final = partial(_read, _touch)
ten: Final = partial(_read, _ten_levels)


@asynccontextmanager
async def placing(base: str, key: Path) -> AsyncIterator[Placing]:
    """Give the way of one order through its client."""
    async with AsyncKalshiClient(key_id="bench", private_key_path=key, base_url=base, max_retries=0) as client:

        async def place(number: int) -> None:
            request = CreateOrderV2Request(
                ticker=scene.TICKER,
                client_order_id=f"sdk-{number}",
                side="bid",
                count=Decimal(format_count(COUNT)),
                price=Decimal(format_price(PRICE)),
                time_in_force="good_till_canceled",
                self_trade_prevention_type="taker_at_cross",
                post_only=True,
            )
            placed = await client.orders.create_v2(request=request)
            assert placed.order_id

        yield place
