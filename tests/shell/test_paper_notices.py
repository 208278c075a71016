"""The one seam for a feed: every change at the paper exchange reaches whoever subscribed, as a frozen value."""

from dataclasses import FrozenInstanceError, replace
from typing import TypeVar

import pytest
from tests.shell.paper_desk import ME, ORDERS, START, TICKER, Desk, desk, tape

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Book, Gap, Leg, apply
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.tape import Arrive, Take, Withdraw
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import Listing, Notice, lifecycle
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.paper.notices import (
    EventFeesChanged,
    Filled,
    GroupChanged,
    GroupEvent,
    LevelChanged,
    LifeEvent,
    MarketChanged,
    OrderChanged,
    PositionChanged,
    Traded,
)

T = TypeVar("T")
FLOW = (
    (1, Take(Leg.NO, Price(5_300), Count(400))),
    (2, Arrive(Leg.YES, Price(4_800), Count(700))),
    (3, Withdraw(Leg.YES, Price(4_800), Count(200))),
)


class Listener(list[Notice]):
    """Keeps what it hears."""

    def __init__(self, me: Desk) -> None:
        super().__init__()
        self.stop = me.exchange.notices.subscribe(self.append)

    def of(self, kind: type[T]) -> list[T]:
        return [notice for notice in self if isinstance(notice, kind)]

    def reasons(self) -> list[tuple[str, str]]:
        return [(one.order.status.value, one.order.reason) for one in self.of(OrderChanged)]


def folded(book: Book, heard: Listener) -> Book:
    """The book that the changes of levels lead to."""
    for notice in heard.of(LevelChanged):
        after = apply(book, notice.delta)
        assert not isinstance(after, Gap)
        book = after
    return book


async def test_the_levels_lead_from_book_to_book_whatever_happens() -> None:
    async with desk(Listing(tape(*FLOW))) as me:
        start, heard = me.exchange.book(TICKER), Listener(me)
        first = await me.placed()
        await me.placed(side="ask", price="0.55", count="3")
        await me.clock.move(3)
        await me.send("POST", f"{ORDERS}/{first}/decrease", {"reduce_by": "0.25"})
        terms = {"ticker": TICKER, "side": "bid", "price": "0.53", "count": "9"}
        await me.send("POST", f"{ORDERS}/{first}/amend", terms)
        await me.send("DELETE", ORDERS)
        now = me.exchange.book(TICKER)
        after = folded(start, heard)
        assert (after.yes, after.no) == (now.yes, now.no)
        lifecycle.deactivate(me.exchange.exchange, TICKER)
        lifecycle.activate(me.exchange.exchange, TICKER)
        now, after = me.exchange.book(TICKER), folded(start, heard)
        assert (after.yes, after.no) == (now.yes, now.no)


async def test_an_order_of_ones_own_is_named_where_it_changes_a_level() -> None:
    async with desk() as me:
        heard = Listener(me)
        order_id = await me.placed(client_order_id="c")
        (level,) = heard.of(LevelChanged)
        assert (level.account, level.order_id, level.client_order_id) == (ME, order_id, "c")
        assert (level.delta.leg, level.delta.price, level.delta.change) == (Leg.YES, 4_700, 200)


async def test_a_taker_is_told_of_once_with_a_fill_for_each_match() -> None:
    async with desk() as me:
        heard = Listener(me)
        await me.placed(price="0.55", count="5", client_order_id="c")
        assert heard.reasons() == [("executed", "")]
        fills, trades = heard.of(Filled), heard.of(Traded)
        assert [(fill.fill.count, fill.position, fill.client_order_id) for fill in fills] == [
            (300, 300, "c"),
            (200, 500, "c"),
        ]
        assert [fill.fill.trade_id for fill in fills] == [trade.trade.trade_id for trade in trades]
        assert heard.of(PositionChanged)[-1].holding.position == 500


async def test_each_change_of_an_order_is_told_with_its_reason() -> None:
    async with desk(Listing(tape((1, Take(Leg.NO, Price(5_300), Count(400)))))) as me:
        heard = Listener(me)
        first = await me.placed(expiration_time=START // SECOND + 5, count="3")
        await me.clock.move(1)
        me.exchange.resting(ME)
        terms = {"ticker": TICKER, "side": "bid", "price": "0.46", "count": "3"}
        await me.send("POST", f"{ORDERS}/{first}/amend", terms | {"updated_client_order_id": "new"})
        await me.send("POST", f"{ORDERS}/{first}/decrease", {"reduce_by": "1"})
        await me.clock.move(4)
        me.exchange.resting(ME)
        told = [
            ("resting", ""),
            ("resting", "Trade"),
            ("resting", "Amend"),
            ("resting", "Decrease"),
            ("canceled", "ExpiryCancel"),
        ]
        assert heard.reasons() == told
        assert [one.order.client_order_id for one in heard.of(OrderChanged)] == ["", "", "new", "new", "new"]
        assert heard.of(OrderChanged)[-1].order.remaining == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": "0.60", "post_only": True}, "PostOnlyCrossCancel"),
        ({"side": "ask", "price": "0.48", "count": "1"}, "SelfTradeCancel"),
        (
            {"side": "ask", "price": "0.40", "reduce_only": True, "time_in_force": "immediate_or_cancel"},
            "ReduceOnlyCancel",
        ),
        ({"price": "0.01", "time_in_force": "immediate_or_cancel"}, ""),
    ],
)
async def test_an_order_that_ends_at_once_says_why(changes: dict[str, object], reason: str) -> None:
    async with desk() as me:
        await me.placed(price="0.48")
        heard = Listener(me)
        await me.create(**changes)
        assert heard.reasons() == [("canceled", reason)]


@pytest.mark.parametrize(
    ("how", "reason"),
    [("cancel", "Decrease"), ("close", "CloseCancel"), ("activate", "HaltCancel"), ("pause", "HaltCancel")],
)
async def test_an_order_that_is_swept_says_why(how: str, reason: str) -> None:
    async with desk() as me:
        order_id = await me.placed(cancel_order_on_pause=True)
        heard = Listener(me)
        if how == "cancel":
            await me.send("DELETE", f"{ORDERS}/{order_id}")
        elif how == "pause":
            await me.control("POST", "/pause")
        else:
            await me.control("POST", f"/markets/{TICKER}/{how}")
        assert heard.reasons() == [("canceled", reason)]
        assert heard.of(OrderChanged)[0].order.status is OrderStatus.CANCELED


async def test_a_groups_life_is_told_in_the_recorded_order() -> None:
    async with desk() as me:
        heard = Listener(me)
        group = (await me.send("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})).json()[
            "order_group_id"
        ]
        await me.placed(order_group_id=group)
        path = f"/portfolio/order_groups/{group}"
        await me.send("PUT", path + "/limit", {"contracts_limit": 5})
        await me.send("PUT", path + "/trigger")
        await me.send("PUT", path + "/reset")
        await me.send("DELETE", path)
        order = [
            one.event if isinstance(one, GroupChanged) else "order"
            for one in heard
            if not isinstance(one, LevelChanged)
        ]
        events = [GroupEvent.CREATED, "order", GroupEvent.LIMIT_UPDATED, GroupEvent.TRIGGERED, "order"]
        assert order == [*events, GroupEvent.RESET, GroupEvent.DELETED]
        assert [one.limit for one in heard.of(GroupChanged)][:2] == [1_000, 500]


async def test_a_markets_life_is_told_but_not_what_the_clock_does() -> None:
    async with desk(Listing(tape(), opens_after=Micros(SECOND))) as me:
        heard, exchange = Listener(me), me.exchange.exchange
        await me.clock.move(1)
        me.exchange.book(TICKER)
        assert heard.of(MarketChanged) == []
        lifecycle.enlist(exchange, Listing(tape(ticker="PAPER-27-B")))
        lifecycle.deactivate(exchange, TICKER)
        lifecycle.activate(exchange, TICKER)
        lifecycle.regrid(exchange, TICKER, dict(STRUCTURES)["deci_cent"])
        lifecycle.move_close(exchange, TICKER, Micros(START + 9 * SECOND))
        lifecycle.determine(exchange, TICKER, "yes")
        lifecycle.finalize(exchange, TICKER)
        told = heard.of(MarketChanged)
        assert [one.event for one in told] == [
            LifeEvent.CREATED,
            LifeEvent.DEACTIVATED,
            LifeEvent.ACTIVATED,
            LifeEvent.REGRIDDED,
            LifeEvent.CLOSE_DATE_UPDATED,
            LifeEvent.CLOSE_DATE_UPDATED,
            LifeEvent.DETERMINED,
            LifeEvent.SETTLED,
        ]
        assert (told[-1].result, told[-1].value, told[-1].close_time) == ("yes", 10_000, START + SECOND)


async def test_an_events_fees_are_told_and_a_series_are_not() -> None:
    async with desk() as me:
        heard = Listener(me)
        lifecycle.change_fees(me.exchange.exchange, "PAPER", "PAPER-26", Fees("flat"), START)
        lifecycle.change_fees(me.exchange.exchange, "PAPER", "", Fees("flat"), START)
        assert heard.of(EventFeesChanged) == [EventFeesChanged("PAPER-26", Fees("flat"), START)]


async def test_whoever_unsubscribed_hears_no_more() -> None:
    async with desk() as me:
        heard = Listener(me)
        heard.stop()
        await me.placed()
        assert heard == []


async def test_a_notice_cannot_be_changed() -> None:
    async with desk() as me:
        heard = Listener(me)
        await me.placed()
        told = heard.of(OrderChanged)[0]
        with pytest.raises(FrozenInstanceError):
            told.account = "x"  # type: ignore[misc]  # that is the point
        assert replace(told, account="x").account == "x"
