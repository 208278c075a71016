"""The exchange without the wire: markets, accounts and groups at work, and the bookkeeping of whatever happens to them.

It decides nothing but what the contract says: matching is the core's. What a request does is in `orders`, `order_groups`
and `lifecycle`; each of them first lets happen what is due (`advance`), so it sees the markets as of its own instant.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from depthwalker.core import groups, matching
from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Leg
from depthwalker.core.crossing import Step
from depthwalker.core.fees import FeeRates, Precision
from depthwalker.core.pit import find
from depthwalker.core.reports import Amended, Ended, EndReason, Event, Matched, Refused, Rested, Withdrawn, delta
from depthwalker.core.units import Micros, Price
from depthwalker.shell.paper.fee_schedule import FeeSchedule
from depthwalker.shell.paper.floor import Floor, Listing
from depthwalker.shell.paper.forms import Route
from depthwalker.shell.paper.ledger import Account, Kept, Ledger
from depthwalker.shell.paper.notices import (
    REASONS,
    Filled,
    GroupChanged,
    GroupEvent,
    LevelChanged,
    Notices,
    OrderChanged,
    PositionChanged,
    Traded,
)
from depthwalker.shell.paper.reply import Refusal, not_found, refusal, uuid_text
from depthwalker.shell.ports import Chance, Clock

_UUID: Final = 32
_AMEND: Final = "Amend"


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """An order group as the exchange keeps it."""

    group_id: str
    account: str
    shard: int
    group: groups.Group
    created: Micros


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
        notices: Notices | None = None,
    ) -> None:
        self.clock = clock
        self.precision = precision
        self.start = clock.now()
        self.floors = {listing.ticker: Floor(listing, self.start, precision) for listing in listings}
        self.ledgers = {account.name: Ledger(account, precision) for account in accounts}
        self.notices = notices or Notices()
        self.groups: dict[str, KeptGroup] = {}
        self.fees = FeeSchedule()
        self.trading_active = True
        self.exchange_active = True
        self.paused_shards: set[int] = set()  # trading is paused there
        self.stopped_shards: set[int] = set()  # everything is
        self.serials = count(1)
        self._chance = chance
        self._inactive_status = inactive_status
        self._agenda: list[tuple[Micros, int, Callable[[Micros], None]]] = []
        self._thrown: list[KeptGroup] = []

    def due(self) -> Micros | None:
        """Return when something next happens by itself, or None where nothing will."""
        floors = min((due for floor in self.floors.values() if (due := floor.due()) is not None), default=None)
        if not self._agenda:
            return floors
        return self._agenda[0][0] if floors is None else min(floors, self._agenda[0][0])

    def later(self, at: Micros, job: Callable[[Micros], None]) -> None:
        """Have a job done at an instant; the background task or the next request finds it due."""
        heapq.heappush(self._agenda, (at, next(self.serials), job))

    def advance(self) -> Micros:
        """Let happen what is due by now, in the order of time, and return now."""
        now = self.clock.now()
        while (at := self.due()) is not None and at <= now:
            for floor in self.floors.values():
                for moment, events in floor.advance(at):
                    self.book(floor, events, moment)
            while self._agenda and self._agenda[0][0] <= at:
                heapq.heappop(self._agenda)[2](at)
        return now

    def new_id(self) -> str:
        """Draw an id."""
        return uuid_text(self._chance.hex(_UUID))

    def floor(self, ticker: str) -> Floor:
        """Return a market; raises Refusal where there is none."""
        if ticker not in self.floors:
            raise not_found()
        return self.floors[ticker]

    def rates(self) -> Mapping[str, FeeRates]:
        """Return every market's fee rates."""
        return {ticker: floor.pit.rules.rates for ticker, floor in self.floors.items()}

    def check_open(self, floor: Floor, now: Micros, *, placing: bool) -> None:
        """Refuse what a pause or a closed market forbids: trading paused leaves cancels, everything else leaves nothing."""
        shard = floor.listing.shard
        if not self.exchange_active or shard in self.stopped_shards:
            raise refusal(409, "exchange_is_paused")
        if now >= floor.close_time or now < floor.start or (placing and floor.inactive):
            raise refusal(self._inactive_status, "MARKET_INACTIVE", message="market inactive")
        if placing and (not self.trading_active or shard in self.paused_shards):
            raise refusal(409, "trading_is_paused")

    def check_grid(self, floor: Floor, leg: Leg, price: Price) -> None:
        """Refuse a price that the market's grid does not have."""
        if not floor.pit.rules.grid.valid(leg.framed(price)):
            raise refusal(400, "invalid_price")

    def live(self, ledger: Ledger, order_id: str, now: Micros, *, placing: bool, route: Route | None = None) -> Kept:
        """Return a live order; raises Refusal: 404 also where the route names neither its market nor its shard."""
        kept = ledger.order(order_id)
        if kept is None:
            raise not_found()
        self.check_open(self.floors[kept.ticker], now, placing=placing)
        if find(self.floors[kept.ticker].pit, order_id) is None:
            raise not_found()
        if route is not None and route.ticker != kept.ticker and (route.shard or 0) != kept.shard:
            raise not_found()
        return kept

    def settle(
        self, floor: Floor, step: Step, now: Micros, newborn: str = "", because: Mapping[str, str] | None = None
    ) -> Refusal | None:
        """Take a step over, and return the refusal among its events."""
        events = floor.do(step)
        self.book(floor, events, now, newborn, because)
        refused = next((event for event in events if isinstance(event, Refused)), None)
        return None if refused is None else refusal(refused.status, refused.code, refused.detail)

    def book(
        self,
        floor: Floor,
        events: tuple[Event, ...],
        at: Micros,
        newborn: str = "",
        because: Mapping[str, str] | None = None,
    ) -> None:
        """Book and publish what happened; `because` explains an order's change otherwise than its events would."""
        touched: dict[str, tuple[str, str]] = {}
        for event in events:
            match event:
                case Matched():
                    self._level(floor, event, at, event.taker_order or event.maker_order)
                    touched |= self._match(floor, event, at)
                case Rested():
                    self._level(floor, event, at, event.order_id)
                    touched |= {event.order_id: touched.get(event.order_id, (event.account, ""))}
                case Amended():
                    self.ledgers[event.account].amend(event, at)
                    self._level(floor, event, at, event.order_id)
                    touched[event.order_id] = (event.account, _AMEND)
                case Ended():
                    self.ledgers[event.account].end(event, at)
                    self._level(floor, event, at, event.order_id)
                    told = event.reason is EndReason.FILLED and event.order_id == newborn
                    touched[event.order_id] = (event.account, "" if told else REASONS[event.reason])
                case Withdrawn() | Refused():
                    self._level(floor, event, at, "")
        touched.pop("", None)
        for order_id, (account, reason) in touched.items():
            kept = self.ledgers[account].explain(order_id, (because or {}).get(order_id, reason))
            self.notices.publish(OrderChanged(account, kept, at))
        self._cancel_thrown(at)

    def cancel_group(self, kept: KeptGroup, at: Micros) -> None:
        """Cancel every resting order of a group."""
        for order in self.ledgers[kept.account].resting():
            if order.group == kept.group_id:
                floor = self.floors[order.ticker]
                self.settle(floor, matching.cancel(floor.pit, order.order_id, at), at)

    def _level(self, floor: Floor, event: Event, at: Micros, order_id: str) -> None:
        changed = delta(event, at)
        if changed is None:
            return
        account = _owner(event)
        kept = self.ledgers[account].order(order_id) if account else None
        names = ("", "", "") if kept is None else (account, order_id, kept.client_order_id)
        self.notices.publish(LevelChanged(floor.listing.ticker, changed, *names))

    def _match(self, floor: Floor, matched: Matched, at: Micros) -> dict[str, tuple[str, str]]:
        trade_id, ticker = self.new_id(), floor.listing.ticker
        trade = TradePrint(trade_id, matched.taker_leg, matched.yes_price, matched.count, at)
        floor.print(trade)
        self.notices.publish(Traded(ticker, trade))
        sides = (
            (matched.maker_account, matched.maker_order, matched.maker_leg, matched.maker_fee, False),
            (matched.taker_account, matched.taker_order, matched.taker_leg, matched.taker_fee, True),
        )
        touched: dict[str, tuple[str, str]] = {}
        for account, order_id, leg, fee, taker in sides:
            if account:
                price, ledger = matched.price(leg), self.ledgers[account]
                fill = FillRecord(order_id, trade_id, ticker, leg, price, matched.count, fee, taker, at)
                kept, held = ledger.match(fill), ledger.holding(ticker)
                self._count(kept, fill)
                self.notices.publish(Filled(account, fill, kept.client_order_id, held.position))
                self.notices.publish(PositionChanged(account, held))
                touched[order_id] = (account, "" if taker else REASONS[EndReason.FILLED])
        return touched

    def _count(self, order: Kept, fill: FillRecord) -> None:
        before = self.groups.get(order.group)
        if before is None:
            return
        after = replace(before, group=groups.fill(before.group, fill.count, fill.at))
        self.groups[order.group] = after
        if after.group.triggered and not before.group.triggered:
            self._thrown.append(after)

    def _cancel_thrown(self, at: Micros) -> None:
        """Cancel what still rests of the groups that a step has triggered: after its fills, not between them."""
        thrown, self._thrown = self._thrown, []
        for kept in thrown:
            self.announce(kept, GroupEvent.TRIGGERED, at)
            self.cancel_group(kept, at)

    def announce(self, kept: KeptGroup, event: GroupEvent, at: Micros) -> None:
        """Publish a change of a group."""
        self.notices.publish(GroupChanged(kept.account, kept.group_id, event, kept.group.limit, kept.shard, at))


def _owner(event: Event) -> str:
    match event:
        case Matched():
            return event.taker_account or event.maker_account
        case Rested() | Amended() | Ended():
            return event.account
        case _:
            return ""
