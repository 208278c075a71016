"""A trading engine that executes one edge: run `depthwalker exchange` in another terminal first, export what it prints.

python examples/engine.py TICKER
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from depthwalker.shell.api import DepthwalkerError, Trade
from depthwalker.shell.engine import Engine


@dataclass(frozen=True)
class Market:
    """Whatever the engine calls a market: the library asks for these two attributes."""

    market_id: str
    ticker: str


@dataclass(frozen=True)
class Edge:
    """A trade signal: buy 100 YES contracts at 0.45 or a little above."""

    edge_id: int
    market: Market
    side: str = "yes"
    target_price: Decimal = Decimal("0.45")
    position_size: int = 100


@dataclass(frozen=True)
class Method:
    """The specification's execution_config, as an engine keeps it."""

    method_id: int = 1
    execution_config: Mapping[str, object] = field(
        default_factory=lambda: {
            "algorithm": "dynamic_depth_walker",
            "max_slippage_percent": 0.10,
            "order_timeout_seconds": 20,
            "dynamic_depth_walker": {"walk_interval_seconds": 4, "max_walks": 10, "split_ratios": [0.6, 0.4]},
        }
    )


async def trade_once(ticker: str) -> Trade:
    """Execute one edge. Calling again with the same edge and method returns the same trade: it never buys twice."""
    async with Engine.open() as engine:
        await engine.watch([ticker])
        return await engine.execute_trade(Edge(1, Market(ticker, ticker)), Method())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/engine.py TICKER")
    try:
        done = asyncio.run(trade_once(sys.argv[1]))
    except DepthwalkerError as error:
        sys.exit(f"not traded: {error}")
    print(f"{done.result.status}: {done.quantity} contracts at {done.price}; walks: {done.result.total_walks}")
