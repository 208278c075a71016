"""NautilusTrader on the peers' tape, in the peers' environment: its own catalog, the schedule as one of its strategies.

python -m bench.peers.nautilus FOLDER prepare | one PARENTS... | sweep POLICIES PARENTS
"""

import sys
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.common.events import TimeEvent
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.core.data import Data
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    AssetClass,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    TimeInForce,
)
from nautilus_trader.model.events import OrderCanceled, OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

from bench.peers import told
from bench.peers.schedule import CONTRACTS, HIGHEST, HORIZON_US, LATENCY_US, USUAL, Policy, policies, starts
from bench.peers.tape import BIDS, Drawn, read

NS: Final = 1_000
QUEUES: Final = sys.version_info >= (3, 12)  # its last version for Python 3.11 knows none
VENUE: Final = Venue("SIM")
MARKET: Final = InstrumentId(Symbol("PEERS"), VENUE)
INSTRUMENT: Final = BinaryOption(
    instrument_id=MARKET,
    raw_symbol=Symbol("PEERS"),
    asset_class=AssetClass.ALTERNATIVE,
    currency=USD,
    price_precision=2,
    price_increment=Price(0.01, 2),
    size_precision=0,
    size_increment=Quantity(1, 0),
    activation_ns=0,
    expiration_ns=2**62,
    max_quantity=None,
    min_quantity=None,
    maker_fee=Decimal(0),
    taker_fee=Decimal(0),
    outcome="YES",
    description="a drawn market",
    ts_event=0,
    ts_init=0,
)


def prepare(folder: Path) -> None:
    """Write the tape as a catalog."""
    catalog = ParquetDataCatalog(str(folder / "nautilus"))
    for one in messages(read(folder)):
        catalog.write_data(one)


def messages(tape: Drawn) -> list[list[Data]]:
    """Return a tape as the engine's messages: what was hit as trades, and a nanosecond after each what was left."""
    prices = [Price(cents / 100, 2) for cents in range(101)]
    takes = set(tape.takes[:, 0].tolist())
    deltas: list[Data] = [OrderBookDelta.clear(MARKET, 0, 0, 0)]
    trades: list[Data] = []
    for side, cents, count in tape.opening.tolist():
        deltas.append(OrderBookDelta(MARKET, BookAction.ADD, _resting(side, prices[cents], count), 0, 0, 0, 0))
    last = moment = 0
    for event, at_us, side, cents, change, left in tape.changes.tolist():
        moment = moment + 2 if event == last else at_us * NS
        last = event
        if event in takes:
            taker = AggressorSide.SELLER if side == BIDS else AggressorSide.BUYER
            trades.append(
                TradeTick(MARKET, prices[cents], Quantity(-change, 0), taker, TradeId(str(len(trades))), moment, moment)
            )
        action = BookAction.UPDATE if left else BookAction.DELETE
        order = _resting(side, prices[cents], left)
        deltas.append(OrderBookDelta(MARKET, action, order, 0, event, moment + 1, moment + 1))
    return [deltas, trades]


def _resting(side: int, price: Price, count: int) -> BookOrder:
    return BookOrder(OrderSide.BUY if side == BIDS else OrderSide.SELL, price, Quantity(count, 0), 0)


class FollowConfig(StrategyConfig, frozen=True):
    """The schedule's parameters, in nanoseconds."""

    begins: list[int]
    every: int
    before: int


class Follow(Strategy):
    """The schedule."""

    def __init__(self, config: FollowConfig) -> None:
        super().__init__(config)
        self.begins, self.every, self.before = config.begins, config.every, config.before
        self.fills: list[list[tuple[float, int, float]]] = []
        self.order: LimitOrder | None = None
        self.begun = self.tick = self.takes_at = 0
        self.taking = False

    def on_start(self) -> None:
        """Ask to be woken at every parent's start."""
        self.subscribe_order_book_deltas(MARKET, BookType.L2_MBP)
        for place, begin in enumerate(self.begins):
            self.clock.set_time_alert_ns(f"parent {place}", begin, self.begin)

    def left(self) -> int:
        """Return what the parent has not filled."""
        return CONTRACTS - sum(count for _, count, _ in self.fills[-1])

    def begin(self, event: TimeEvent) -> None:
        """Start a parent."""
        self.fills.append([])
        self.order, self.taking = None, False
        self.begun = self.tick = self.clock.timestamp_ns()
        self.takes_at = self.begun + HORIZON_US * NS - self.before
        self.look(event)

    def look(self, _: TimeEvent) -> None:
        """Go after the best bid, or take."""
        if self.left() <= 0:
            return
        if self.clock.timestamp_ns() >= self.takes_at:
            self.taking = True
            if self.order is not None and not self.order.is_closed:
                self.cancel_order(self.order)
            else:
                self.take()
            return
        best = self.cache.order_book(MARKET).best_bid_price()
        if self.order is None or self.order.is_closed:
            self.order = self.order_factory.limit(
                MARKET, OrderSide.BUY, Quantity(self.left(), 0), best, time_in_force=TimeInForce.GTC, post_only=True
            )
            self.submit_order(self.order)
        elif self.order.price != best:
            self.modify_order(self.order, price=best)
        self.tick += self.every
        following = min(self.tick, self.takes_at)
        self.clock.set_time_alert_ns(f"look {len(self.fills)} {following}", following, self.look)

    def take(self) -> None:
        """Take what is left at any price."""
        self.taking = False
        if self.left() > 0:
            price, count = Price(HIGHEST / 100, 2), Quantity(self.left(), 0)
            order = self.order_factory.limit(MARKET, OrderSide.BUY, count, price, time_in_force=TimeInForce.IOC)
            self.submit_order(order)

    def on_order_canceled(self, _: OrderCanceled) -> None:
        """Take, when the order that rested is gone."""
        if self.taking:
            self.take()

    def on_order_filled(self, event: OrderFilled) -> None:
        """Note a fill."""
        self.fills[-1].append(((event.ts_event - self.begun) / 1e9, int(event.last_qty), 100 * float(event.last_px)))


def engine(data: list[list[Data]], *, latency: bool = True) -> BacktestEngine:
    """Return an engine that has the tape, with the rules that our exchange has: queues, and what was taken is gone."""
    made = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    made.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.CASH,
        [Money(100_000_000, USD)],
        base_currency=USD,
        book_type=BookType.L2_MBP,
        latency_model=LatencyModel(LATENCY_US * NS) if latency else None,
        trade_execution=True,
        **({"queue_position": True, "liquidity_consumption": True} if QUEUES else {}),
    )
    made.add_instrument(INSTRUMENT)
    for one in data:
        made.add_data(one, validate=False, sort=one is data[-1])
    return made


def load(folder: Path) -> list[list[Data]]:
    """Return the tape from the catalog."""
    catalog = ParquetDataCatalog(str(folder / "nautilus"))
    return [[*catalog.query(OrderBookDelta)], [*catalog.query(TradeTick)]]


def _ready(folder: Path) -> tuple[int, BacktestEngine]:
    data = load(folder)
    return data[0][-1].ts_init // NS, engine(data)


def run(ready: BacktestEngine, end_us: int, parents: int, by: Policy) -> list[told.Filled]:
    """Return what the parents filled; the engine is as it was afterwards."""
    config = FollowConfig([one * NS for one in starts(end_us, parents)], by.every_us * NS, by.take_before_us * NS)
    strategy = Follow(config)
    ready.add_strategy(strategy)
    ready.run()
    ready.reset()
    ready.clear_strategies()
    return [told.summed(fills) for fills in strategy.fills]


def main(arguments: list[str]) -> None:
    """Do as the command line says."""
    folder, what, *numbers = Path(arguments[0]), arguments[1], *map(int, arguments[2:])
    if what == "prepare":
        prepare(folder)
        return
    load_s, (end_us, ready) = told.clocked(partial(_ready, folder), 1)
    if what == "sweep":
        by = policies(numbers[0])
        seconds, _ = told.clocked(lambda: [run(ready, end_us, numbers[1], one) for one in by], 1)
        told.say(told.Sweep(seconds, load_s + seconds, len(by)))
        return
    for parents in numbers:
        run_s, found = told.clocked(partial(run, ready, end_us, parents, USUAL), 3)
        told.say(told.One(parents, run_s, load_s + run_s, found))


if __name__ == "__main__":
    main(sys.argv[1:])
