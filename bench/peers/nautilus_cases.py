"""NautilusTrader's matching on the cases, in the peers' environment: `python -m bench.peers.nautilus_cases FOLDER`.

Each order is a backtest of its own. The version of Python 3.11 has no queues: there only what takes is run.
"""

import json
import sys
from pathlib import Path

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.events import TimeEvent
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from bench.peers.cases import Fills, Order, kept, merged
from bench.peers.nautilus import MARKET, NS, QUEUES, engine, messages


class Single(Strategy):
    """One order."""

    def __init__(self, order: Order) -> None:
        super().__init__(StrategyConfig())
        self.wanted = order
        self.fills: list[tuple[int, int, int]] = []

    def on_start(self) -> None:
        """Ask to be woken when the order is to be sent."""
        self.clock.set_time_alert_ns("order", self.wanted.at_us * NS, self.send)

    def send(self, _: TimeEvent) -> None:
        """Send the order."""
        price, count = Price(self.wanted.cents / 100, 2), Quantity(self.wanted.count, 0)
        holds = TimeInForce.IOC if self.wanted.takes else TimeInForce.GTC
        self.submit_order(self.order_factory.limit(MARKET, OrderSide.BUY, count, price, time_in_force=holds))

    def on_order_filled(self, event: OrderFilled) -> None:
        """Note a fill; what follows within a microsecond belongs to the same event."""
        self.fills.append((event.ts_event // NS, round(100 * float(event.last_px)), int(event.last_qty)))


def filled(ready: BacktestEngine, order: Order) -> Fills:
    """Return what an order fills; the engine is as it was afterwards."""
    strategy = Single(order)
    ready.add_strategy(strategy)
    ready.run()
    ready.reset()
    ready.clear_strategies()
    return merged(strategy.fills)


def main(folder: Path) -> None:
    """Print every tape's fills."""
    for seed, tape, orders in kept(folder):
        ready = engine(messages(tape), latency=False)
        found = [filled(ready, order) if QUEUES or order.takes else None for order in orders]
        print(json.dumps([seed, found]), flush=True)
        ready.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
