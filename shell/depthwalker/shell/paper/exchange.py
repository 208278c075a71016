"""The exchange without the wire: markets, accounts, and what each request does to them.

Every verb first lets happen what is due (`advance`), so a request sees the market as of its own instant. It decides nothing
but what the contract says: matching is the core's, the rest is bookkeeping.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from depthwalker.core import matching
from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Leg
from depthwalker.core.crossing import Step
from depthwalker.core.fees import FeeRates, Precision
from depthwalker.core.pit import NewOrder, Pit, find
from depthwalker.core.reports import Amended, Ended, EndReason, Event, Matched, Refused
from depthwalker.core.units import DOLLAR, Count, Micros, format_count
from depthwalker.shell.paper import bodies
from depthwalker.shell.paper.floor import Floor, Listing
from depthwalker.shell.paper.forms import AmendForm, CreateForm
from depthwalker.shell.paper.ledger import Account, Candidate, Kept, Ledger
from depthwalker.shell.paper.reply import Refusal, Reply, answer, not_found, refusal, uuid_text
from depthwalker.shell.ports import Chance, Clock

_UUID: Final = 32


class Exchange:
    """Markets and accounts at work."""

    def __init__(
        self,
        listings: Iterable[Listing],
        accounts: Iterable[Account],
        clock: Clock,
        chance: Chance,
        precision: Precision,
        inactive_status: int,
    ) -> None:
        start = clock.now()
        self.clock = clock
        self.floors = {listing.ticker: Floor(listing, start, precision) for listing in listings}
        self.ledgers = {account.name: Ledger(account, precision) for account in accounts}
        self.trading_active = True
        self.exchange_active = True
        self._chance = chance
        self._inactive_status = inactive_status
        self._serial = 0

    def due(self) -> Micros | None:
        """Return when something next happens by itself, or None where nothing will."""
        return min((due for floor in self.floors.values() if (due := floor.due()) is not None), default=None)

    def advance(self) -> Micros:
        """Let happen what is due by now, and return now."""
        now = self.clock.now()
        for floor in self.floors.values():
            for at, events in floor.advance(now):
                self._book(floor, events, at)
        return now

    def create(self, account: str, form: CreateForm) -> Reply:
        """Take a new order; raises Refusal."""
        now = self.advance()
        ledger = self.ledgers[account]
        floor = self._open_floor(form.ticker, now)
        if form.shard is not None and form.shard != floor.listing.shard:
            raise refusal(404, "market_not_found")
        if form.client_order_id and form.client_order_id in ledger.burned:
            raise refusal(409, "order_already_exists")
        self._check_grid(floor, form.leg, form.price)
        if not ledger.affords(Candidate(form.ticker, form.leg, form.price, form.count), self._rates()):
            raise refusal(400, "insufficient_balance")
        order_id = uuid_text(self._chance.hex(_UUID))
        new = NewOrder(
            order_id,
            account,
            form.leg,
            form.price,
            self._capped(ledger, form),
            form.time_in_force,
            form.self_trade,
            form.post_only,
            form.expires,
            form.cancel_on_pause,
        )
        return self._placed(floor, ledger, form, new, now)

    def amend(self, account: str, order_id: str, form: AmendForm) -> Reply:
        """Change price, total or expiry of a live order; raises Refusal."""
        now = self.advance()
        ledger = self.ledgers[account]
        before = self._live(ledger, order_id, now, placing=True)
        _check_match(before, form)
        floor = self.floors[before.ticker]
        self._check_grid(floor, form.leg, form.price)
        renamed = form.updated_client_order_id
        if renamed and renamed != before.client_order_id and renamed in ledger.burned:
            raise refusal(409, "order_already_exists")
        rest = Count(max(0, form.total - before.filled))
        raises = form.price != before.price or rest > before.remaining
        candidate = Candidate(before.ticker, form.leg, form.price, rest, instead=order_id)
        if raises and not ledger.affords(candidate, self._rates()):
            raise refusal(400, "insufficient_balance")
        known = len(ledger.fills)
        step = matching.amend(floor.pit, order_id, form.price, form.total, now, form.expires)
        refused = self._settle(floor, step, now)
        if refused is not None:
            raise refused
        if renamed:
            ledger.rename(order_id, renamed)
        own = [fill for fill in ledger.fills[known:] if fill.order_id == order_id]
        return answer(bodies.amended(before, _known(ledger, order_id), own, now))

    def cancel(self, account: str, order_id: str, shard: int | None, ticker: str) -> Reply:
        """Cancel a live order; raises Refusal: 404 also where the request names neither its market nor its shard."""
        now = self.advance()
        ledger = self.ledgers[account]
        before = self._live(ledger, order_id, now, placing=False)
        floor = self.floors[before.ticker]
        if ticker != before.ticker and (shard or 0) != floor.listing.shard:
            raise not_found()
        refused = self._settle(floor, matching.cancel(floor.pit, order_id, now), now)
        if refused is not None:
            raise refused
        ids: dict[str, object] = {"order_id": order_id}
        ids |= {"client_order_id": before.client_order_id} if before.client_order_id else {}
        return answer(ids | {"reduced_by": format_count(before.remaining), "ts_ms": now // 1000})

    def pause_trading(self) -> None:
        """Begin a trading pause: orders that asked for it are cancelled, cancels stay allowed."""
        now = self.advance()
        self.trading_active = False
        for floor in self.floors.values():
            self._book(floor, floor.do(matching.pause(floor.pit)), now)

    def floor(self, ticker: str) -> Floor:
        """Return a market; raises Refusal where there is none."""
        if ticker not in self.floors:
            raise not_found()
        return self.floors[ticker]

    def _placed(self, floor: Floor, ledger: Ledger, form: CreateForm, new: NewOrder, now: Micros) -> Reply:
        step = matching.submit(floor.pit, new, now) if new.count else _reduced_to_nothing(floor.pit, new)
        if not all(isinstance(event, Refused) for event in step[1]):
            self._serial += 1
            ledger.open(_kept(self._serial, form, new.order_id, now))
        known = len(ledger.fills)
        refused = self._settle(floor, step, now)
        if refused is not None:
            raise refused
        own = [fill for fill in ledger.fills[known:] if fill.order_id == new.order_id]
        return answer(bodies.created(_known(ledger, new.order_id), own, now), 201)

    def _capped(self, ledger: Ledger, form: CreateForm) -> Count:
        if not form.reduce_only:
            return form.count
        position = ledger.holding(form.ticker).position
        return Count(min(form.count, max(0, -position if form.leg is Leg.YES else position)))

    def _open_floor(self, ticker: str, now: Micros) -> Floor:
        if ticker not in self.floors:
            raise refusal(404, "market_not_found")
        floor = self.floors[ticker]
        self._check_open(floor, now, placing=True)
        return floor

    def _check_open(self, floor: Floor, now: Micros, *, placing: bool) -> None:
        if not self.exchange_active:
            raise refusal(409, "exchange_is_paused")
        if now >= floor.close_time or (placing and floor.inactive):
            raise refusal(self._inactive_status, "MARKET_INACTIVE", message="market inactive")
        if placing and not self.trading_active:
            raise refusal(409, "trading_is_paused")

    def _check_grid(self, floor: Floor, leg: Leg, price: int) -> None:
        if not floor.pit.rules.grid.valid(price if leg is Leg.YES else DOLLAR - price):
            raise refusal(400, "invalid_price")

    def _live(self, ledger: Ledger, order_id: str, now: Micros, *, placing: bool) -> Kept:
        kept = ledger.order(order_id)
        if kept is None:
            raise not_found()
        self._check_open(self.floors[kept.ticker], now, placing=placing)
        if find(self.floors[kept.ticker].pit, order_id) is None:
            raise not_found()
        return kept

    def _rates(self) -> Mapping[str, FeeRates]:
        return {ticker: floor.pit.rules.rates for ticker, floor in self.floors.items()}

    def _settle(self, floor: Floor, step: Step, now: Micros) -> Refusal | None:
        """Take a step over, and return the refusal among its events."""
        events = floor.do(step)
        self._book(floor, events, now)
        refused = next((event for event in events if isinstance(event, Refused)), None)
        return None if refused is None else refusal(refused.status, refused.code, refused.detail)

    def _book(self, floor: Floor, events: tuple[Event, ...], at: Micros) -> None:
        for event in events:
            match event:
                case Matched():
                    self._book_match(floor, event, at)
                case Amended() if event.account:
                    self.ledgers[event.account].amend(event, at)
                case Ended() if event.account:
                    self.ledgers[event.account].end(event, at)
                case _:
                    pass

    def _book_match(self, floor: Floor, matched: Matched, at: Micros) -> None:
        trade_id = uuid_text(self._chance.hex(_UUID))
        floor.trades.append(TradePrint(trade_id, matched.taker_leg, matched.yes_price, matched.count, at))
        sides = (
            (matched.maker_account, matched.maker_order, matched.maker_leg, matched.maker_fee, False),
            (matched.taker_account, matched.taker_order, matched.taker_leg, matched.taker_fee, True),
        )
        for account, order_id, leg, fee, taker in sides:
            if account:
                price, ticker = matched.price(leg), floor.listing.ticker
                self.ledgers[account].match(
                    FillRecord(order_id, trade_id, ticker, leg, price, matched.count, fee, taker, at)
                )


def _kept(serial: int, form: CreateForm, order_id: str, now: Micros) -> Kept:
    return Kept(
        serial=serial,
        order_id=order_id,
        client_order_id=form.client_order_id,
        ticker=form.ticker,
        leg=form.leg,
        price=form.price,
        initial=form.count,
        remaining=form.count,
        created=now,
        updated=now,
        self_trade=form.self_trade,
        expires=form.expires,
    )


def _reduced_to_nothing(pit: Pit, new: NewOrder) -> Step:
    lapsed = Ended(new.order_id, new.account, new.leg, new.price, EndReason.IMMEDIATE, Count(0), Count(0), rested=False)
    return pit, (lapsed,)


def _known(ledger: Ledger, order_id: str) -> Kept:
    kept = ledger.order(order_id)
    assert kept is not None
    return kept


def _check_match(before: Kept, form: AmendForm) -> None:
    if form.ticker != before.ticker:
        raise refusal(400, "order_ticker_mismatch")
    if form.leg is not before.leg:
        raise refusal(400, "order_side_mismatch")
    if form.client_order_id and form.client_order_id != before.client_order_id:
        raise refusal(400, "order_id_and_client_order_id_mismatch")
