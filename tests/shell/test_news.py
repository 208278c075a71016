"""What the websocket tells goes to whom it concerns, and to nobody else."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.shell.rig import CENTS, TICKER, AnEdge, Moment, rests, rigged, simple
from tests.shell.test_feed import Told, a_trade, market
from tests.shell.test_feed import a_feed as any_feed

from depthwalker.core.answer import FillRecord, MarketStatus, OrderRecord, OrderStatus
from depthwalker.core.book import Book, Leg
from depthwalker.core.channel import (
    Channel,
    FeeUpdate,
    FillFrame,
    GroupEvent,
    GroupUpdate,
    Lifecycle,
    Occasion,
    Trade,
    UserOrder,
)
from depthwalker.core.execution import total_filled
from depthwalker.core.ids import ClientId
from depthwalker.core.line import BookChanged, BookLost, Missed
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.subscriptions import Declined, News
from depthwalker.core.units import Count, Micros, Money, Price
from depthwalker.shell.conduct import runners
from depthwalker.shell.feed import Feed
from depthwalker.shell.news import NewsRoom

OTHER = "RIG-27-B"  # of another event
A_BOOK = Book(((Price(4_000), Count(100)),), (), Micros(1))
FINER = dict(STRUCTURES)["deci_cent"]


def a_room() -> tuple[NewsRoom, Feed, Feed, Told]:
    """A room with two markets of different events and no execution."""
    ours, venue = any_feed(1)
    other, _ = any_feed(1)
    other.market = replace(market(), ticker=OTHER, event_ticker="RIG-27")
    return NewsRoom({TICKER: ours, OTHER: other}, lambda: (), venue.time), ours, other, venue


def told(feed: Feed) -> dict[str, object]:
    """What may have changed of a feed."""
    return {
        "book": feed.book,
        "trades": feed.history.trades,
        "market": feed.market,
        "market due": bool(feed._market_due),
        "fees due": bool(feed._fees_due),
        "trades asked": feed._trades_due.asked,
        "hurry": feed._hurry.is_set(),
    }


def changed(feed: Feed, before: dict[str, object]) -> set[str]:
    return {what for what, value in told(feed).items() if value != before[what]}


def befell(occasion: Occasion, ticker: str = TICKER) -> Lifecycle:
    grid = FINER if occasion is Occasion.GRID_UPDATED else None
    return Lifecycle(1, None, ticker, occasion, None, grid)


SOON = {"hurry"}
CONCERNS: dict[str, tuple[News, set[str], set[str]]] = {
    "a book": (BookChanged(TICKER, A_BOOK), {"book"}, set()),
    "a trade": (Trade(1, 1, TICKER, a_trade("one", 1)), {"trades"}, set()),
    "an end": (befell(Occasion.DEACTIVATED), {"market", "market due", *SOON}, set()),
    "a grid": (befell(Occasion.GRID_UPDATED), {"market", "market due", *SOON}, set()),
    "words": (befell(Occasion.METADATA_UPDATED), {"market due", *SOON}, set()),
    "fees": (FeeUpdate(1, None, "RIG-26"), {"fees due", *SOON}, set()),
    "trades missed": (Missed(Channel.TRADE), {"trades asked", *SOON}, {"trades asked", *SOON}),
    "a life missed": (
        Missed(Channel.LIFECYCLE),
        {"market due", "fees due", *SOON},
        {"market due", "fees due", *SOON},
    ),
    "fills missed": (Missed(Channel.FILL), set(), set()),
    "orders missed": (Missed(Channel.ORDER), set(), set()),
    "a book lost": (BookLost(TICKER), set(), set()),
    "no": (Declined(Channel.BOOK, (TICKER,), "error 16"), set(), set()),
    "a group": (GroupUpdate(1, 1, "g", GroupEvent.CREATED, None), set(), set()),
    "a book of an unknown market": (BookChanged("X-1-Y", A_BOOK), set(), set()),
    "a trade of an unknown market": (Trade(1, 1, "X-1-Y", a_trade("one", 1)), set(), set()),
    "an end of an unknown market": (befell(Occasion.SETTLED, "X-1-Y"), set(), set()),
    "fees of an unknown event": (FeeUpdate(1, None, "RIG-2"), set(), set()),
}


@pytest.mark.parametrize("name", CONCERNS)
async def test_each_kind_goes_to_the_market_that_it_concerns(name: str) -> None:
    news, here, there = CONCERNS[name]
    room, ours, other, venue = a_room()
    before, before_there = told(ours), told(other)
    room.hear(news)
    assert changed(ours, before) == here
    assert changed(other, before_there) == there
    assert (venue.books, venue.markets, venue.fees) == (0, 0, 0), "hearing itself asks for nothing"


async def test_what_befell_a_market_is_known_at_once() -> None:
    room, ours, _, _ = a_room()
    room.hear(befell(Occasion.DEACTIVATED))
    room.hear(befell(Occasion.GRID_UPDATED))
    assert (ours.market.status, ours.market.grid, ours.open()) == (MarketStatus.INACTIVE, FINER, False)
    room.hear(befell(Occasion.ACTIVATED))
    assert ours.open()


# Executions


def a_fill(order_id: str) -> FillRecord:
    return FillRecord(order_id, "t", TICKER, Leg.YES, Price(4_500), Count(700), Money(0), False, Micros(1))


def a_record(order_id: str, client_order_id: str, filled: int = 0) -> OrderRecord:
    return OrderRecord(
        order_id=order_id,
        client_order_id=client_order_id,
        ticker=TICKER,
        leg=Leg.YES,
        price=Price(4_500),
        status=OrderStatus.RESTING,
        initial=Count(6_000),
        filled=Count(filled),
        remaining=Count(6_000 - filled),
        fees=Money(0),
        created=Micros(1),
    )


async def test_frames_of_others_orders_do_nothing_and_those_of_ours_reach_the_one_execution(
    postgres: str, tmp_path: Path
) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        running = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), simple(30)))
        await placed.come()
        (runner,) = runners(engine._conducts)
        room = NewsRoom({}, lambda: runners(engine._conducts), rig.clock)
        (mine,), parent = rig.own(), runner.state.parent
        strangers = {
            "by hand": "",
            "another client's": "my-order-17",
            "another execution's": ClientId(parent.installation, "f" * len(parent.execution), 0, 0).text(),
            "another installation's": ClientId("ffffffff", parent.execution, 0, 0).text(),
        }
        for client_id in strangers.values():
            room.hear(FillFrame(1, None, a_fill("no-order-of-ours"), client_id))
            room.hear(UserOrder(1, None, a_record("no-order-of-ours", client_id, 6_000)))
        ours = mine.client_order_id
        room.hear(FillFrame(1, None, replace(a_fill(mine.order_id), ticker=OTHER), ours))
        room.hear(FillFrame(1, None, replace(a_fill(mine.order_id), leg=Leg.NO), ours))
        room.hear(UserOrder(1, None, replace(a_record(mine.order_id, ours, 6_000), ticker=OTHER)))
        for nothing in (Missed(Channel.FILL), Missed(Channel.ORDER), BookLost(TICKER), BookChanged(TICKER, A_BOOK)):
            room.hear(nothing)
        assert runner._inbox == []
        room.hear(UserOrder(1, None, a_record(mine.order_id, ours)))
        room.hear(UserOrder(1, None, a_record(mine.order_id, ours)))
        assert Counter(type(fact).__name__ for fact in runner._inbox) == {"Observed": 2}
        engine.stop()
        trade = await running
        state = await rig.settled(trade)
        assert (total_filled(state), state.grid) == (0, CENTS)
