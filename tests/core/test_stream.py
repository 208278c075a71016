"""The websocket as a fold: sequence, gaps, subscriptions that die, wishes that change."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwalker.core import line as on_line
from depthwalker.core import stream as streams
from depthwalker.core.answer import FillRecord, OrderRecord, OrderStatus, TradePrint
from depthwalker.core.book import EMPTY, Book, Delta, Leg, Snapshot, apply
from depthwalker.core.channel import (
    Acknowledged,
    Asking,
    BookDelta,
    BookSnapshot,
    Change,
    Channel,
    Failed,
    FeeUpdate,
    FillFrame,
    Frame,
    GroupEvent,
    GroupUpdate,
    Illegible,
    Lifecycle,
    Occasion,
    Other,
    Subscribe,
    Subscribed,
    Trade,
    Unsubscribe,
    Unsubscribed,
    Update,
    UserOrder,
)
from depthwalker.core.line import PATIENCE, SPACING, BookChanged, BookLost, Missed
from depthwalker.core.subscriptions import MOST_ASKS, Declined, Heard, News, Stream
from depthwalker.core.units import SECOND, Count, Micros, Money, Price

NOW: Final = Micros(1_790_000_000 * SECOND)
ACCOUNT: Final = (Channel.FILL, Channel.ORDER, Channel.LIFECYCLE)
BOOK, TRADES, FILLS = 1, 2, 3  # sids, in the order in which `live` acknowledges


def later(seconds: float) -> Micros:
    return Micros(NOW + round(seconds * SECOND))


def snapshot(seq: int, ticker: str = "A", yes: int = 500, no: int = 300, sid: int = BOOK) -> BookSnapshot:
    body = Snapshot(((Price(4_700), Count(yes)),), ((Price(4_800), Count(no)),), NOW)
    return BookSnapshot(sid, seq, ticker, body)


def delta(seq: int, change: int, ticker: str = "A", sid: int = BOOK) -> BookDelta:
    return BookDelta(sid, seq, ticker, Delta(Leg.YES, Price(4_700), Count(change), NOW))


def standing(yes: int = 500, no: int = 300) -> Book:
    rows = ((Price(4_700), Count(yes)),) if yes else ()
    return Book(rows, ((Price(4_800), Count(no)),), NOW)


def heard(stream: Stream, *frames: Frame, at: Micros = NOW) -> Heard:
    """Return the last step of several frames, with the news and commands of all."""
    news: tuple[News, ...] = ()
    asks: tuple[Asking, ...] = ()
    redial = ""
    for frame in frames:
        step = streams.hear(stream, frame, at)
        stream, news, asks, redial = step.stream, news + step.news, asks + step.asks, redial or step.redial
    return Heard(stream, news, asks, redial)


def connected(*tickers: str, channels: tuple[Channel, ...] = ()) -> Heard:
    wanting = streams.want(streams.begin(channels), frozenset(tickers), NOW)
    assert wanting.asks == ()  # there is nobody to ask yet
    return streams.opened(wanting.stream, NOW)


def live(*tickers: str, channels: tuple[Channel, ...] = ()) -> Stream:
    """Return a stream whose subscriptions are acknowledged, with sids in the order of the commands."""
    step = connected(*tickers, channels=channels)
    return heard(step.stream, *(Subscribed(ask.id, sid) for sid, ask in enumerate(step.asks, 1))).stream


def with_books(*tickers: str) -> Stream:
    return heard(live(*tickers), *(snapshot(seq, ticker) for seq, ticker in enumerate(tickers, 1))).stream


# Subscribing


def test_a_new_connection_is_asked_for_books_and_trades_of_the_wanted_and_for_everything_of_the_account() -> None:
    assert connected("B", "A", channels=ACCOUNT).asks == (
        Subscribe(1, Channel.BOOK, ("A", "B"), use_yes_price=True),
        Subscribe(2, Channel.TRADE, ("A", "B"), use_yes_price=True),
        Subscribe(3, Channel.FILL, (), use_yes_price=True),
        Subscribe(4, Channel.ORDER, (), use_yes_price=True),
        Subscribe(5, Channel.LIFECYCLE, (), use_yes_price=True),
    )
    assert connected().asks == ()


def test_what_a_subscription_may_have_missed_before_it_began_is_told_once_it_has() -> None:
    step = connected("A", channels=ACCOUNT)
    told = heard(step.stream, *(Subscribed(ask.id, 10 + ask.id) for ask in step.asks))
    assert told.news == tuple(Missed(channel) for channel in (Channel.TRADE, *ACCOUNT))
    assert told.asks == ()
    assert all(streams.following(told.stream, channel) for channel in (Channel.BOOK, Channel.TRADE, *ACCOUNT))
    assert not streams.following(told.stream, Channel.GROUP)


def test_an_answer_to_nothing_we_asked_changes_nothing() -> None:
    stream = live("A")
    assert heard(stream, Subscribed(99, 9), Acknowledged(98, None, None, None), Unsubscribed(9)) == Heard(stream)
    assert heard(stream, Failed(5, "Unknown command", None, None, None, None)) == Heard(stream)


def test_markets_come_and_go_on_a_live_subscription_one_command_at_a_time() -> None:
    stream = with_books("A")
    wider = streams.want(stream, frozenset("ABC"), NOW)
    assert wider.asks == (Update(3, BOOK, Change.ADD, ("B", "C")), Update(4, TRADES, Change.ADD, ("B", "C")))
    other = streams.want(wider.stream, frozenset("CD"), NOW)
    assert other.asks == ()
    then = heard(other.stream, Acknowledged(3, BOOK, 2, ("A", "B", "C")), snapshot(3, "B"), snapshot(4, "C"))
    assert then.asks == (Update(5, BOOK, Change.ADD, ("D",)),)
    assert then.news == (BookChanged("B", standing()), BookChanged("C", standing()))
    last = heard(then.stream, Acknowledged(5, BOOK, 5, None), snapshot(6, "D"))
    assert last.asks == (Update(6, BOOK, Change.DELETE, ("A", "B")),)
    gone = heard(last.stream, delta(7, 1), Acknowledged(6, BOOK, 8, ("C", "D")))
    assert gone.asks == ()
    assert gone.news == (BookChanged("A", standing(501)), BookLost("A"), BookLost("B"))
    assert [streams.book(gone.stream, each) is not None for each in "ABCD"] == [False, False, True, True]


def test_without_a_wanted_market_nothing_of_markets_is_subscribed() -> None:
    none = streams.want(with_books("A"), frozenset(), NOW)
    assert none.asks == (Unsubscribe(3, BOOK), Unsubscribe(4, TRADES))
    assert none.news == (BookLost("A"),)
    assert heard(none.stream, delta(2, 1), Unsubscribed(BOOK)) == Heard(none.stream)
    again = streams.want(none.stream, frozenset("B"), NOW)
    assert [type(ask) for ask in again.asks] == [Subscribe, Subscribe]


# Books


def test_the_book_is_the_fold_of_its_frames() -> None:
    step = heard(live("A"), snapshot(1), delta(2, -500), delta(3, 200))
    assert step.news == tuple(BookChanged("A", standing(yes)) for yes in (500, 0, 200))
    assert streams.book(step.stream, "A") == standing(200)


def test_the_quick_way_is_the_long_one_for_a_delta_that_fits_and_refuses_every_other() -> None:
    stream = with_books("A")
    quick = streams.advanced(stream, delta(2, 7))
    assert quick == (heard(stream, delta(2, 7)).stream, standing(507))
    misfits = (delta(3, 1), delta(2, -501), delta(2, 1, "B"), delta(2, 1, sid=9))
    assert [streams.advanced(stream, frame) for frame in misfits] == [None] * 4


def test_all_markets_of_a_subscription_share_its_numbers_and_so_do_its_acknowledgements() -> None:
    stream = with_books("A", "B")
    step = heard(stream, delta(3, 1), Other(BOOK, 4), delta(5, 1, "B"), Failed(8, "", 77, BOOK, 6, None), delta(7, 1))
    assert step.news == (
        BookChanged("A", standing(501)),
        BookChanged("B", standing(501)),
        BookChanged("A", standing(502)),
    )


@pytest.mark.parametrize(
    "frame",
    [
        delta(4, 1),
        delta(2, 1),
        delta(3, -501),
        delta(3, 1, "X"),
        Other(BOOK, 5),
        Acknowledged(7, BOOK, 5, None),
        Illegible(BOOK, "no number"),
        Illegible(None, "no JSON"),
    ],
    ids=["lost", "twice", "below zero", "unknown market", "lost before another", "lost before ok", "unread", "broken"],
)
def test_a_gap_drops_all_books_of_its_subscription_and_asks_for_them_anew(frame: Frame) -> None:
    step = heard(with_books("A", "B"), frame)
    assert [each for each in step.news if not isinstance(each, Missed)] == [BookLost("A"), BookLost("B")]
    assert step.asks == (Update(3, BOOK, Change.SNAPSHOT, ("A", "B")),)


def test_what_could_not_be_told_apart_is_missed_on_every_subscription() -> None:
    assert heard(with_books("A"), Illegible(None, "")).news == (BookLost("A"), Missed(Channel.TRADE))
    assert heard(with_books("A"), Illegible(9, "")).news == ()


def test_a_line_that_begins_awaits_its_books_and_has_asked_for_none() -> None:
    line = on_line.begin(Channel.BOOK, frozenset("A"), NOW)
    assert line == on_line.Line(
        0, {}, on_line.Terms(Channel.BOOK, frozenset("A"), Micros(NOW + PATIENCE), 0, Micros(0), 0)
    )


def test_books_that_are_due_do_not_wait_for_those_of_markets_added_later() -> None:
    line = on_line.begin(Channel.BOOK, frozenset("A"), NOW)
    assert on_line.added(line, frozenset("B"), later(1)).terms.due == NOW + PATIENCE
    whole = heard(live("A"), snapshot(1)).stream.lines[BOOK]
    assert on_line.added(whole, frozenset("B"), later(1)).terms.due == later(1) + PATIENCE


def test_deltas_to_an_awaited_book_only_count() -> None:
    broken = heard(with_books("A", "B"), delta(9, 1)).stream
    step = heard(broken, delta(10, 1, "B"), snapshot(11, "B", 40), delta(12, 1, "B"), snapshot(13, "A"))
    assert step.news == (
        BookChanged("B", standing(40)),
        BookChanged("B", standing(41)),
        BookChanged("A", standing()),
    )
    assert step.asks == ()


def test_a_snapshot_after_a_gap_is_true_all_the_same() -> None:
    step = heard(with_books("A", "B"), snapshot(9, "A", 7))
    assert step.news == (BookLost("B"), BookChanged("A", standing(7)))
    assert step.asks == (Update(3, BOOK, Change.SNAPSHOT, ("B",)),)


def test_a_snapshot_of_a_market_or_a_subscription_that_we_left_is_nothing_to_us() -> None:
    stream = with_books("A")
    step = heard(stream, snapshot(2, "X"), snapshot(1, "A", sid=9))
    assert (step.news, step.asks) == ((), ())
    assert heard(step.stream, delta(3, 1)).news == (BookChanged("A", standing(501)),)


def test_a_broken_numbering_does_not_become_a_storm_of_requests() -> None:
    first = heard(with_books("A"), delta(9, 1))
    assert len(first.asks) == 1
    second = heard(first.stream, delta(99, 1), delta(999, 1))
    assert second.asks == ()
    assert streams.tick(second.stream, Micros(NOW + SPACING - 1)).asks == ()
    assert streams.tick(second.stream, Micros(NOW + SPACING)).asks == (Update(4, BOOK, Change.SNAPSHOT, ("A",)),)


def asked_in_vain(stream: Stream) -> Heard:
    """Return the step after the last request for the books that are missing."""
    at = NOW
    for _ in range(MOST_ASKS):
        at = Micros(at + PATIENCE)
        step = streams.tick(stream, at)
        assert [type(ask) for ask in step.asks] == [Update]
        stream = step.stream
    return streams.tick(stream, Micros(at + PATIENCE))


def test_books_that_never_come_end_the_subscription_and_begin_another() -> None:
    step = asked_in_vain(live("A"))
    assert step.asks == (Unsubscribe(6, BOOK),)
    assert [type(ask) for ask in streams.tick(step.stream, later(9)).asks] == [Subscribe]


def test_one_book_that_never_comes_is_given_up_beside_those_that_do() -> None:
    step = asked_in_vain(heard(live("A", "B"), snapshot(1)).stream)
    assert step.news == (Declined(Channel.BOOK, ("B",), "no book comes"),)
    assert step.asks == (Update(6, BOOK, Change.DELETE, ("B",)), Update(7, TRADES, Change.DELETE, ("B",)))
    assert streams.book(step.stream, "A") == standing()


def test_a_book_that_came_in_the_end_is_not_held_against_the_next_gap() -> None:
    stream = with_books("A")
    for gap in (10, 20, 30, 40, 50):
        at = later(gap)
        step = heard(stream, delta(gap, 1), at=at)
        assert [type(ask) for ask in step.asks] == [Update]
        stream = heard(step.stream, snapshot(gap + 1), at=at).stream


def test_nothing_is_due_while_every_book_is_there() -> None:
    stream = with_books("A")
    assert streams.tick(stream, later(3_600)) == Heard(stream)
    assert streams.tick(streams.begin(ACCOUNT), NOW).asks == ()


# Ends


@pytest.mark.parametrize("code", [7, 10, 17, 25])
def test_a_subscription_that_died_is_opened_again(code: int) -> None:
    step = heard(with_books("A"), Failed(code, "buffer overflow", None, BOOK, None, None))
    assert step.news == (BookLost("A"),)
    assert step.asks == (Subscribe(3, Channel.BOOK, ("A",), use_yes_price=True),)
    again = heard(step.stream, Subscribed(3, 8), snapshot(1, sid=8))
    assert streams.book(again.stream, "A") == standing()


def test_an_error_that_may_concern_any_subscription_calls_for_another_connection() -> None:
    step = heard(with_books("A"), Failed(25, "buffer overflow", None, None, None, None))
    assert step.redial == "error 25: buffer overflow"
    assert heard(connected("A").stream, Failed(10, "early", None, 9, None, None)).redial == "error 10: early"
    assert heard(with_books("A"), Failed(10, "late", None, 9, None, None)).redial == ""


def test_on_another_connection_everything_begins_anew_under_new_numbers() -> None:
    gone = streams.lost(with_books("A"))
    assert (gone.news, gone.stream.lines, gone.asks) == ((BookLost("A"),), {}, ())
    assert heard(gone.stream, snapshot(2), delta(3, 1)) == Heard(gone.stream)
    back = streams.opened(gone.stream, later(1))
    assert [(ask.id, type(ask)) for ask in back.asks] == [(3, Subscribe), (4, Subscribe)]
    new = heard(back.stream, Subscribed(3, 7), snapshot(1, "A", 9, sid=7), snapshot(2), delta(4, 1))
    assert new.news == (BookChanged("A", standing(9)),)
    assert streams.opened(with_books("A"), NOW).news == (BookLost("A"),)


def test_a_subscription_that_the_exchange_ended_is_opened_again() -> None:
    step = heard(with_books("A"), Unsubscribed(BOOK))
    assert step.news == (BookLost("A"),)
    assert [type(ask) for ask in step.asks] == [Subscribe]


def test_a_command_that_stays_without_an_answer_calls_for_another_connection() -> None:
    stream = connected("A").stream
    assert streams.tick(stream, later(10)).redial == ""
    assert streams.tick(stream, later(10.1)).redial == "a command was not answered"


# Refusals


def failed(code: int, command: int, ticker: str | None = None) -> Failed:
    return Failed(code, "no", command, None, None, ticker)


def test_a_channel_that_is_refused_is_not_asked_for_again_on_this_connection() -> None:
    step = heard(connected("A").stream, failed(8, 2))
    assert step.news == (Declined(Channel.TRADE, (), "error 8: no"),)
    assert streams.tick(step.stream, later(5)).asks == ()
    assert len(streams.opened(step.stream, later(9)).asks) == 2


def test_a_market_that_is_refused_is_left_out_and_the_others_are_asked_for() -> None:
    step = heard(connected("A", "B").stream, failed(16, 1, "B"))
    assert step.news == (Declined(Channel.BOOK, ("B",), "error 16: no"),)
    assert step.asks == (Subscribe(3, Channel.BOOK, ("A",), use_yes_price=True),)
    for named in (None, "X"):  # nobody, or none that was asked for
        all_of_them = heard(connected("A", "B").stream, failed(26, 1, named))
        assert all_of_them.news == (Declined(Channel.BOOK, ("A", "B"), "error 26: no"),)
        assert all_of_them.asks == ()


def test_a_refused_market_is_asked_for_again_when_it_is_wanted_anew() -> None:
    refused = heard(connected("A", "B").stream, failed(16, 1, "B"), Subscribed(3, BOOK), Subscribed(2, TRADES)).stream
    dropped = streams.want(refused, frozenset("A"), NOW).stream
    assert Update(5, BOOK, Change.ADD, ("B",)) in streams.want(dropped, frozenset("AB"), NOW).asks


@pytest.mark.parametrize("answer", [failed(16, 3), failed(11, 3, "B"), Acknowledged(3, BOOK, None, ("A",))])
def test_a_market_that_cannot_be_added_is_told(answer: Frame) -> None:
    adding = streams.want(with_books("A"), frozenset("AB"), NOW).stream
    step = heard(adding, answer)
    assert [each.tickers for each in step.news if isinstance(each, Declined)] == [("B",)]
    assert step.asks == ()
    assert heard(step.stream, delta(2, 1)).news == (BookChanged("A", standing(501)),)


@pytest.mark.parametrize("code", [1, 18, 27])
def test_a_passing_trouble_is_waited_out(code: int) -> None:
    adding = streams.want(with_books("A"), frozenset("AB"), NOW).stream
    step = heard(adding, failed(code, 3))
    assert (step.news, step.asks) == ((), ())
    assert streams.tick(step.stream, later(0.9)).asks == ()
    assert streams.tick(step.stream, later(1)).asks == (Update(5, BOOK, Change.ADD, ("B",)),)
    opening = heard(connected("A").stream, failed(17, 1))
    assert [type(ask) for ask in streams.tick(opening.stream, later(1)).asks] == [Subscribe]


def test_a_subscription_that_cannot_be_changed_is_replaced() -> None:
    adding = streams.want(with_books("A"), frozenset("AB"), NOW).stream
    step = heard(adding, failed(13, 4))
    assert step.asks == (Unsubscribe(5, TRADES), Subscribe(6, Channel.TRADE, ("A", "B"), use_yes_price=True))
    removing = streams.want(with_books("A", "B"), frozenset("A"), NOW).stream
    step = heard(removing, failed(11, 3))
    assert step.asks == (Unsubscribe(5, BOOK), Subscribe(6, Channel.BOOK, ("A",), use_yes_price=True))
    assert step.news == (BookLost("A"), BookLost("B"))


def test_a_change_of_a_subscription_that_is_no_more_opens_another() -> None:
    adding = streams.want(with_books("A"), frozenset("AB"), NOW).stream
    assert heard(adding, failed(7, 3)).asks == (Subscribe(5, Channel.BOOK, ("A", "B"), use_yes_price=True),)
    late = heard(adding, Failed(25, "", None, BOOK, None, None), Acknowledged(3, None, None, None))
    assert late.asks == (Subscribe(5, Channel.BOOK, ("A", "B"), use_yes_price=True),)


def test_a_request_for_books_that_fails_is_repeated_unless_the_subscription_is_no_more() -> None:
    asking = heard(with_books("A"), delta(9, 1)).stream
    assert heard(asking, failed(18, 3)) == Heard(asking)
    assert [type(ask) for ask in streams.tick(asking, later(2)).asks] == [Update]
    assert heard(asking, failed(7, 3)).asks == (Subscribe(4, Channel.BOOK, ("A",), use_yes_price=True),)
    of_nobody = heard(asking, failed(7, 99))
    assert (of_nobody.news, of_nobody.asks, of_nobody.redial) == ((), (), "error 7: no")


# What is passed on


TRADE = Trade(TRADES, None, "A", TradePrint("t", Leg.YES, Price(4_700), Count(5), NOW))
FILL = FillFrame(
    FILLS, None, FillRecord("o", "t", "A", Leg.YES, Price(4_700), Count(5), Money(0), False, NOW), "client"
)
ORDER = UserOrder(
    4,
    None,
    OrderRecord("o", "c", "A", Leg.YES, Price(4_700), OrderStatus.RESTING, Count(5), Count(0), Count(5), Money(0), NOW),
)
LIFE = Lifecycle(5, None, "A", Occasion.DEACTIVATED, None, None)


def test_what_concerns_the_account_and_the_wanted_markets_is_passed_on_in_whatever_order_it_comes() -> None:
    stream = live("A", channels=ACCOUNT)
    fees, group = FeeUpdate(5, None, "E"), GroupUpdate(6, 1, "g", GroupEvent.TRIGGERED, None)
    told = (ORDER, FILL, TRADE, LIFE, fees, group)
    assert heard(stream, *told).news == told
    assert heard(stream, *reversed(told)).news == tuple(reversed(told))
    strangers = (replace(TRADE, ticker="X"), replace(LIFE, ticker="X"), Other(None, None), Other(9, 1))
    assert heard(stream, *strangers) == Heard(stream)


def test_numbers_are_optional_on_trades_and_where_they_are_a_gap_is_told() -> None:
    stream = live("A")
    fine = heard(stream, TRADE, replace(TRADE, seq=1), TRADE, replace(TRADE, seq=2))
    assert [type(each) for each in fine.news] == [Trade] * 4
    gap = heard(fine.stream, replace(TRADE, seq=4), replace(TRADE, seq=5))
    assert gap.news == (Missed(Channel.TRADE), replace(TRADE, seq=4), replace(TRADE, seq=5))
    assert gap.asks == ()


# Any network


class Exchange:
    """The true books, and the frames and answers of an exchange; a number of a subscription names the books after it."""

    def __init__(self) -> None:
        self.truth: dict[str, Book] = dict.fromkeys("ABC", EMPTY)
        self.sids = 0
        self.book_sid = 0
        self.seq = 0
        self.tickers: tuple[str, ...] = ()
        self.line: list[Frame] = []
        self.past: dict[tuple[int, int], dict[str, Book]] = {}

    def numbered(self) -> int:
        self.seq += 1
        self.past[self.book_sid, self.seq] = dict(self.truth)
        return self.seq

    def move(self, ticker: str, leg: Leg, price: int, count: int) -> None:
        there = dict(self.truth[ticker].bids(leg)).get(Price(price), 0)
        message = Delta(leg, Price(price), Count(count - there), NOW)
        after = apply(self.truth[ticker], message)
        assert isinstance(after, Book)
        self.truth[ticker] = after
        if ticker in self.tickers:
            self.line.append(BookDelta(self.book_sid, self.numbered(), ticker, message))

    def snapshots(self, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            if ticker in self.tickers:
                body = Snapshot(self.truth[ticker].yes, self.truth[ticker].no, NOW)
                self.line.append(BookSnapshot(self.book_sid, self.numbered(), ticker, body))

    def answer(self, command: Asking) -> None:
        match command:
            case Subscribe(number, channel, tickers):
                self.sids += 1
                self.line.append(Subscribed(number, self.sids))
                if channel is Channel.BOOK:
                    self.book_sid, self.seq, self.tickers = self.sids, 0, tickers
                    self.snapshots(tickers)
            case Update(number, sid, change, tickers):
                if sid != self.book_sid:
                    self.line.append(Acknowledged(number, sid, None, None))
                elif change is Change.SNAPSHOT:
                    self.snapshots(tickers)
                else:
                    left = tuple(each for each in self.tickers if each not in tickers)
                    self.tickers = left + tickers if change is Change.ADD else left
                    self.line.append(Acknowledged(number, sid, self.numbered(), self.tickers))
                    self.snapshots(tickers if change is Change.ADD else ())
            case Unsubscribe(_, sid):
                if sid == self.book_sid:
                    self.book_sid, self.tickers = 0, ()
                self.line.append(Unsubscribed(sid))

    def hang_up(self) -> None:
        self.book_sid, self.tickers, self.line = 0, (), []


class Client:
    """The fold at work against an exchange, its law checked after every step."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.now = NOW
        self.deaf = False
        self.stream = streams.begin(())
        self.told: dict[str, Book] = {}
        self.wanted: frozenset[str] = frozenset()

    def take(self, step: Heard) -> None:
        self.stream = step.stream
        for news in step.news:
            if isinstance(news, BookChanged):
                self.told[news.ticker] = news.book
            elif isinstance(news, BookLost):
                del self.told[news.ticker]
        for command in step.asks:
            if not self.deaf:
                self.exchange.answer(command)
        if step.redial:
            self.dial()
        self.check()

    def check(self) -> None:
        kept: dict[str, Book] = {}
        for sid, line in self.stream.lines.items():
            kept |= line.books
            for ticker, book in line.books.items():
                assert book.yes == self.exchange.past[sid, line.seq][ticker].yes
                assert book.no == self.exchange.past[sid, line.seq][ticker].no
        assert kept == self.told == {t: b for t in "ABC" if (b := streams.book(self.stream, t)) is not None}

    def dial(self) -> None:
        self.exchange.hang_up()
        self.take(streams.lost(self.stream))
        self.take(streams.opened(self.stream, self.now))

    def want(self, tickers: frozenset[str]) -> None:
        self.wanted = tickers
        self.take(streams.want(self.stream, tickers, self.now))

    def hear(self, frame: Frame) -> None:
        quick = streams.advanced(self.stream, frame) if isinstance(frame, BookDelta) else None
        step = streams.hear(self.stream, frame, self.now)
        if quick is not None and isinstance(frame, BookDelta):
            assert step == Heard(quick[0], (BookChanged(frame.ticker, quick[1]),))
        self.take(step)

    def wait(self, span: int) -> None:
        self.now = Micros(self.now + span)
        self.take(streams.tick(self.stream, self.now))


def happen(exchange: Exchange, client: Client, kind: str, where: int, ticker: str, leg: Leg, count: int) -> None:
    line = exchange.line
    at = where % len(line) if line else 0
    match kind:
        case "move":
            exchange.move(ticker, leg, 4_000 + 100 * (where % 3), count)
        case "deliver" if line:
            client.hear(line.pop(0))
        case "late" if line:
            client.hear(line.pop(at))
        case "twice" if line:
            client.hear(line[at])
        case "lose" if line and not isinstance(line[at], Failed):
            del line[at]
        case "garble" if line and isinstance(line[at], BookDelta | BookSnapshot):
            line[at] = Illegible(exchange.book_sid if count % 2 else None, "garbled")
        case "overflow" if exchange.book_sid:
            line.append(Failed(25, "overflow", None, exchange.book_sid, None, None))
            exchange.book_sid, exchange.tickers = 0, ()
        case "dial":
            client.dial()
        case "wait":
            client.wait(count * 1_000)
        case "want":
            client.want(frozenset("ABC"[: where % 4]) | {ticker})
        case "deaf":
            client.deaf = not client.deaf
        case _:
            pass


KINDS: Final = (
    *("move",) * 4,
    *("deliver",) * 6,
    *("late", "twice", "lose", "garble", "overflow", "dial", "wait", "want", "deaf"),
)
EVENTS: Final = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 11),
    st.sampled_from("ABC"),
    st.sampled_from(Leg),
    st.integers(0, 3_000),
)


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=60))
def test_whatever_the_network_does_a_book_is_true_at_its_number_and_in_the_end_true_now(
    events: list[tuple[str, int, str, Leg, int]],
) -> None:
    exchange = Exchange()
    client = Client(exchange)
    client.want(frozenset("AB"))
    client.dial()
    for event in events:
        happen(exchange, client, *event)
    client.deaf = False
    for _ in range(20):  # the network is whole again; a last number reveals what was lost at the end
        if exchange.book_sid:
            exchange.line.append(Other(exchange.book_sid, exchange.numbered()))
        while exchange.line:
            client.hear(exchange.line.pop(0))
        client.wait(3 * SECOND)
    for ticker in "ABC":
        book = streams.book(client.stream, ticker)
        assert (book is not None) == (ticker in client.wanted)
        assert book is None or (book.yes, book.no) == (exchange.truth[ticker].yes, exchange.truth[ticker].no)
