"""What the exchange itself does: pauses, and a market's life from its opening to its settlement (fact sheet, 3, 8, 9).

A pause holds the market's flow back as well: nobody trades. When it ends, the crowd stands where its tape has it by then.
"""

from collections.abc import Iterable
from enum import Enum

from depthwalker.core import matching, tape
from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import PriceGrid
from depthwalker.core.reports import EndReason
from depthwalker.core.tape import Flow
from depthwalker.core.units import DOLLAR, Micros, Price
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.fee_schedule import FeeChange, Fees
from depthwalker.shell.paper.floor import Floor, Listing, Verdict
from depthwalker.shell.paper.notices import EventFeesChanged, LifeEvent, MarketChanged, PositionChanged
from depthwalker.shell.paper.reply import refusal
from depthwalker.shell.paper.settlement import SCALAR, settle

PAYOUTS = {"yes": DOLLAR, "no": Price(0)}


class Pause(Enum):
    """What is paused: trading leaves cancels, the exchange leaves nothing."""

    TRADING = "trading"
    EXCHANGE = "exchange"


def pause(exchange: Exchange, what: Pause = Pause.TRADING, shard: int | None = None) -> None:
    """Begin a pause everywhere or on one shard: orders that asked for it are cancelled, the others stay."""
    now = exchange.advance()
    _switch(exchange, what, shard, active=False)
    for floor in _floors(exchange, shard):
        floor.halted = True
        exchange.book(floor, floor.do(matching.pause(floor.pit)), now)


def resume(exchange: Exchange, what: Pause = Pause.TRADING, shard: int | None = None) -> None:
    """End a pause."""
    now = exchange.advance()
    _switch(exchange, what, shard, active=True)
    for floor in _floors(exchange, shard):
        shut = not (exchange.trading_active and exchange.exchange_active)
        floor.halted = shut or floor.listing.shard in exchange.paused_shards | exchange.stopped_shards
        if not floor.halted and floor.status(now) is MarketStatus.ACTIVE:
            exchange.book(floor, floor.do(floor.refill(now)), now)


def deactivate(exchange: Exchange, ticker: str) -> None:
    """Pause one market: its orders stay and can be cancelled."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    floor.inactive = True
    announce(exchange, floor, LifeEvent.DEACTIVATED, now)


def activate(exchange: Exchange, ticker: str) -> None:
    """End one market's pause: all its resting orders are cancelled first, then the crowd is back."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    floor.inactive = False
    exchange.book(floor, floor.do(matching.sweep(floor.pit, EndReason.HALTED)), now)
    announce(exchange, floor, LifeEvent.ACTIVATED, now)
    if floor.status(now) is MarketStatus.ACTIVE and not floor.halted:
        exchange.book(floor, floor.do(floor.refill(now)), now)


def move_close(exchange: Exchange, ticker: str, to: Micros) -> None:
    """Close a market at another instant: now at the earliest, later than before also where it had closed."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    if floor.verdict is not None:
        raise refusal(409, "market_determined")
    exchange.book(floor, floor.do(floor.move_close(Micros(max(to, now)), now)), now)
    announce(exchange, floor, LifeEvent.CLOSE_DATE_UPDATED, now)
    exchange.advance()


def determine(exchange: Exchange, ticker: str, result: str, value: Price | None = None) -> None:
    """Say how a market came out, closing it first where it is open; a scalar result says what YES pays."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    payout = value if result == SCALAR else PAYOUTS.get(result)
    if payout is None or not 0 <= payout <= DOLLAR:
        raise refusal(400, "invalid_parameters", "result is yes, no or scalar, the last with a value from 0 to 1")
    if now < floor.close_time:
        move_close(exchange, ticker, now)
    floor.verdict = Verdict(result, payout, now)
    floor.contested = MarketStatus.AMENDED if floor.contested else None
    announce(exchange, floor, LifeEvent.DETERMINED, now)


def dispute(exchange: Exchange, ticker: str) -> None:
    """Contest a determined market; another `determine` amends it."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    _check_determined(floor)
    floor.contested, floor.updated = MarketStatus.DISPUTED, now


def finalize(exchange: Exchange, ticker: str) -> None:
    """Settle a determined market: every position is paid."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    verdict = _check_determined(floor)
    floor.settled_at = now
    for name, ledger in exchange.ledgers.items():
        held = ledger.holding(ticker)
        if held.position:
            paid = ledger.pay(settle(held, floor.listing, verdict, exchange.precision, now))
            exchange.notices.publish(PositionChanged(name, paid))
    announce(exchange, floor, LifeEvent.SETTLED, now)


def regrid(exchange: Exchange, ticker: str, grid: PriceGrid) -> None:
    """Change a market's price grid; resting orders are carried over."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    floor.regrid(grid)
    announce(exchange, floor, LifeEvent.REGRIDDED, now)


def enlist(exchange: Exchange, listing: Listing) -> None:
    """Open another market while the exchange runs."""
    now = exchange.advance()
    floor = Floor(listing, now, exchange.precision)
    exchange.floors[listing.ticker] = floor
    announce(exchange, floor, LifeEvent.CREATED, now)


def delist(exchange: Exchange, ticker: str) -> None:
    """Close a market for good and forget it: to whoever asks, there is none."""
    move_close(exchange, ticker, exchange.clock.now())
    del exchange.floors[ticker]


def play(exchange: Exchange, ticker: str, flows: Iterable[Flow]) -> None:
    """Have others do something now, beside what the market's own tape has them do; where it stands still nobody does."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    for flow in flows:
        if floor.status(now) is MarketStatus.ACTIVE and not floor.halted:
            exchange.book(floor, floor.do(tape.play(floor.pit, flow, now)), now)


def follow(exchange: Exchange, ticker: str, market: Market, rates: FeeRates) -> bool:
    """Bring a market to what another exchange's is now: status, close, grid and fees; return whether it has just opened."""
    now, floor = exchange.advance(), exchange.floor(ticker)
    if rates != floor.pit.rules.rates:
        change_fees(exchange, floor.listing.series_ticker, floor.listing.event_ticker, Fees.of(rates), now)
        floor.charge(rates)  # to the last part per million
    if market.grid != floor.pit.rules.grid:
        regrid(exchange, ticker, market.grid)
    open_before = floor.status(now) is MarketStatus.ACTIVE
    match market.status:
        case MarketStatus.ACTIVE:
            if floor.inactive:
                activate(exchange, ticker)
            if floor.close_time != max(market.close_time, now):
                move_close(exchange, ticker, market.close_time)
        case MarketStatus.INACTIVE:
            if not floor.inactive:
                deactivate(exchange, ticker)
        case _:
            if now < floor.close_time:
                move_close(exchange, ticker, now)
    return floor.status(now) is MarketStatus.ACTIVE and not open_before


def change_fees(exchange: Exchange, series: str, event: str, fees: Fees | None, at: Micros) -> None:
    """Change a series' fees, or an event's override of them, at an instant from now on."""
    now = exchange.advance()
    change = FeeChange(exchange.new_id(), series, event, fees, Micros(max(at, now)))
    exchange.fees.plan(change)
    exchange.later(change.at, lambda moment: _charge(exchange, moment))
    exchange.advance()


def announce(exchange: Exchange, floor: Floor, event: LifeEvent, now: Micros) -> None:
    """Publish a change of a market."""
    floor.updated = now
    verdict, listing = floor.verdict, floor.listing
    exchange.notices.publish(
        MarketChanged(
            ticker=listing.ticker,
            event=event,
            open_time=floor.start,
            close_time=floor.close_time,
            grid=floor.pit.rules.grid,
            result="" if verdict is None else verdict.result,
            value=None if verdict is None else verdict.value,
            shard=listing.shard,
            at=now,
        )
    )


def _charge(exchange: Exchange, now: Micros) -> None:
    changes = exchange.fees.take_due(now)
    for floor in exchange.floors.values():
        listing = floor.listing
        own = exchange.fees.override(listing.event_ticker)
        floor.charge((own or exchange.fees.of_series(listing.series_ticker, listing.fees)).rates)
    for change in changes:
        if change.event_ticker:
            exchange.notices.publish(EventFeesChanged(change.event_ticker, change.fees, now))


def _switch(exchange: Exchange, what: Pause, shard: int | None, *, active: bool) -> None:
    if shard is not None:
        shards = exchange.paused_shards if what is Pause.TRADING else exchange.stopped_shards
        (shards.discard if active else shards.add)(shard)
    elif what is Pause.TRADING:
        exchange.trading_active = active
    else:
        exchange.exchange_active = active


def _floors(exchange: Exchange, shard: int | None) -> list[Floor]:
    return [floor for floor in exchange.floors.values() if shard in {None, floor.listing.shard}]


def _check_determined(floor: Floor) -> Verdict:
    if floor.verdict is None or floor.settled_at is not None:
        raise refusal(409, "market_not_determined")
    return floor.verdict
