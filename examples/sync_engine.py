"""The same as engine.py for an engine without an event loop: run `depthwalker exchange` first, export what it prints.

python examples/sync_engine.py TICKER
"""

import sys
from dataclasses import dataclass, field

from depthwalker.shell.api import DepthwalkerError
from depthwalker.shell.sync import SyncEngine


@dataclass
class Market:
    """Whatever the engine calls a market."""

    market_id: str
    ticker: str


@dataclass
class Edge:
    """A trade signal: buy 100 YES contracts at 0.45 or a little above."""

    edge_id: int
    market: Market
    side: str = "yes"
    target_price: str = "0.45"
    position_size: int = 100


@dataclass
class Method:
    """A plain limit order for ten seconds."""

    method_id: int = 2
    execution_config: dict[str, object] = field(
        default_factory=lambda: {"algorithm": "simple_limit", "order_timeout_seconds": 10}
    )


def main(ticker: str) -> int:
    """Execute one edge and say what it came to."""
    try:
        with SyncEngine.open() as engine:
            trade = engine.execute_trade(Edge(2, Market(ticker, ticker)), Method())
    except DepthwalkerError as error:
        print(f"not traded: {error}", file=sys.stderr)
        return 1
    print(f"{trade.result.status}: {trade.quantity} contracts at {trade.price}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else "usage: python examples/sync_engine.py TICKER")
