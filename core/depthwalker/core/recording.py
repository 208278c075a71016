"""The flow behind a recording: what others did, read from what the book became, and back.

A trade that is reported apart from the level it emptied would be subtracted twice. So the take is believed at once, the
levels that it consumed *owe* those contracts, and the next decrease there pays the debt instead of withdrawing anything;
what is not paid within `PATIENCE` returns to its level. Lines of one moment are one message: takes first, then decreases
and additions in their order, and what would cross waits for the message's end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final, TypeAlias, assert_never

from depthwalker.core.book import Book, Delta, Leg, Snapshot, best_first
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.structure import grid_of
from depthwalker.core.tape import (
    Arrive,
    Event,
    Flow,
    Replace,
    Take,
    Tape,
    Unplayable,
    Withdraw,
    after,
    books,
    hit,
    resting,
)
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price, format_count, format_price

PATIENCE: Final = Micros(2 * SECOND)  # the slowest source that reports trades apart samples its book once a second


@dataclass(frozen=True, slots=True)
class Print:
    """A recorded trade; `taker` is the leg that the taker acquired, None where the recorder could not tell.

    `inferred`: the recorder was not told it either, but read it from the prices.
    """

    yes_price: Price
    count: Count
    taker: Leg | None
    at: Micros
    inferred: bool = False


Body: TypeAlias = Snapshot | Delta | Print


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a recording; a delta and the trade that it reports carry the same `seq`."""

    body: Body
    seq: int | None


@dataclass(frozen=True, slots=True)
class Debt:
    """What a take took off a level, and the recording has not said yet; not said until `due`, it was not taken there."""

    leg: Leg
    price: Price
    count: Count
    due: Micros


@dataclass(frozen=True, slots=True)
class Reel:
    """Where a recording stands while its flow is read."""

    book: Book  # what the flow so far has led to: the recorded book less the debts
    debts: tuple[Debt, ...]
    flows: tuple[Flow, ...]  # of the message in hand
    at: Micros


BLANK: Final = Reel(Book((), (), Micros(0)), (), (), Micros(0))


def tape_of(ticker: str, lines: Iterable[Line]) -> Outcome[Tape, Unplayable]:
    """Return the flow behind a recording of one market, in time order; its time starts at the first snapshot."""
    bodies = _beside(tuple(lines))
    first = next((index for index, line in enumerate(bodies) if isinstance(line.body, Snapshot)), None)
    if first is None:
        return Failure(Unplayable("there is no book in it, only trades" if bodies else "it is empty"))
    wrong = next((reason for line in bodies if (reason := _impossible(line.body)) is not None), None)
    if wrong is not None:
        return Failure(wrong)
    start = bodies[first].body.at
    reel, opening = BLANK, BLANK.book
    events: list[Event] = []
    prints: list[Print] = []
    both = False
    for index, (_, group) in enumerate(groupby(bodies[first:], key=_moment)):
        message = tuple(line.body for line in group)
        turned = _turned(reel, message, start)
        if isinstance(turned, Unplayable):
            return Failure(turned)
        reel, both = turned, both or bool(turned.book.yes and turned.book.no)
        if index:
            events.extend(Event(reel.at, flow) for flow in reel.flows)
            prints.extend(body for body in message if isinstance(body, Print))
        else:
            opening = reel.book
    if not both:
        return Failure(Unplayable("its book never has both sides"))
    untold = len(prints) - sum(isinstance(event.flow, Take) for event in events)
    return Success(
        Tape(
            ticker=ticker,
            grid=grid_of(price for line in bodies for price in _prices_of(line.body)),
            opening=opening,
            events=tuple(events),
            span=reel.at,
            guessed=sum(one.inferred or one.taker is None for one in prints) - untold,
            untold=untold,
        )
    )


def follow(reel: Reel, lines: Iterable[Line], now: Micros) -> tuple[Reel, tuple[Flow, ...]] | Unplayable:
    """Return where a recording that is still being written stands after more lines, by `now`, and the flow behind them."""
    flows: tuple[Flow, ...] = ()
    for _, group in groupby(lines, key=_moment):
        turned = _turned(reel, tuple(line.body for line in group), Micros(0))
        if isinstance(turned, Unplayable):
            return turned
        reel, flows = turned, flows + turned.flows
    idle = _reclaimed(Reel(reel.book, reel.debts, (), now))
    return idle, flows + idle.flows


def lines_of(tape: Tape, start: Micros) -> Iterator[Line]:
    """Yield a recording that leads to this tape again: the same book at every instant, from `start` on."""
    yield Line(Snapshot(tape.opening.yes, tape.opening.no, start), None)
    seq = 0
    for event, before in zip(tape.events, books(tape), strict=False):
        for bodies in _recorded(event.flow, before, Micros(start + event.at)):
            seq += 1
            yield from (Line(body, seq) for body in bodies)


def _recorded(flow: Flow, before: Book, at: Micros) -> tuple[tuple[Body, ...], ...]:
    match flow:
        case Arrive(leg, price, count):
            return ((Delta(leg, price, count, at),),)
        case Withdraw(leg, price, count):
            return ((Delta(leg, price, Count(-min(count, resting(before, leg, price))), at),),)
        case Take(leg) as taken:
            return tuple(
                (Delta(leg.other(), price, Count(-count), at), Print(leg.other().framed(price), count, leg, at))
                for price, count in hit(before, taken)
            )
        case Replace(yes, no):
            return ((Snapshot(yes, no, at),),)
        case _ as never:
            assert_never(never)


def _beside(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Return the lines, each trade that names a delta before it beside that one and of its time.

    A recorder that hears of trades later than of the book stamps them so; taken at their own time, too, they would empty a
    level twice.
    """
    named = {line.seq for line in lines if isinstance(line.body, Print) and line.seq is not None}
    reports: dict[tuple[int | None, Price], tuple[int, Delta, int]] = {}
    beside: dict[int, list[Line]] = {}
    moved: set[int] = set()
    for place, line in enumerate(lines):
        body, seq = line.body, line.seq
        if isinstance(body, Delta) and seq in named:
            reports[seq, body.leg.framed(body.price)] = place, body, -body.change
        elif isinstance(body, Print) and (seq, body.yes_price) in reports:
            of, delta, left = reports[seq, body.yes_price]
            if body.count <= left and body.taker is not delta.leg:
                reports[seq, body.yes_price] = of, delta, left - body.count
                report = Print(body.yes_price, body.count, delta.leg.other(), delta.at)
                beside.setdefault(of, []).append(Line(report, seq))
                moved.add(place)
    together = ([line, *beside.get(place, [])] for place, line in enumerate(lines) if place not in moved)
    return tuple(chain.from_iterable(together))


def _moment(line: Line) -> tuple[Micros, int | None]:
    return line.body.at, line.seq


def _impossible(body: Body) -> Unplayable | None:
    if any(count < 0 for count in _sizes(body)):
        return Unplayable("it has a negative size")
    if isinstance(body, Snapshot) and any(len(dict(levels)) < len(levels) for levels in (body.yes, body.no)):
        return Unplayable("it has a book with two sizes at one price")
    outside = next((price for price in _prices_of(body) if not 0 < price < DOLLAR), None)
    return None if outside is None else Unplayable(f"it has a price of {format_price(outside)}, not between 0 and 1")


def _sizes(body: Body) -> tuple[Count, ...]:
    match body:
        case Snapshot(yes, no):
            return tuple(count for _, count in yes + no)
        case Delta():
            return ()
        case Print(_, count):
            return (count,)
        case _ as never:
            assert_never(never)


def _prices_of(body: Body) -> tuple[Price, ...]:
    match body:
        case Snapshot(yes, no):
            return tuple(price for price, _ in yes + no)
        case Delta(_, price) | Print(price):
            return (price,)
        case _ as never:
            assert_never(never)


def _turned(reel: Reel, message: tuple[Body, ...], start: Micros) -> Reel | Unplayable:
    reel = _reclaimed(Reel(reel.book, reel.debts, (), Micros(message[0].at - start)))
    for taken in _takes(reel.book, message):
        reel = _taken(reel, taken)
    waiting: tuple[Delta, ...] = ()
    for body in message:
        if isinstance(body, Snapshot):
            whole = Replace(best_first(body.yes), best_first(body.no))
            reel, waiting = _done(Reel(reel.book, (), reel.flows, reel.at), whole), ()
        elif isinstance(body, Delta):
            changed = _changed(reel, body)
            reel, waiting = (reel, (*waiting, body)) if changed is None else (changed, waiting)
    for body in _netted(waiting, reel.at):
        changed = _changed(reel, body)
        if changed is None:
            return _misfit(reel, body)
        reel = changed
    crossed = bool(reel.book.yes and reel.book.no) and reel.book.yes[0][0] + reel.book.no[0][0] >= DOLLAR
    return Unplayable(f"its book is crossed {_clock(reel.at)}") if crossed else reel


def _takes(book: Book, message: tuple[Body, ...]) -> tuple[Take, ...]:
    """Return what was taken in a message that finds this book: each taker's best price first, as a sweep meets the levels."""
    prints = (body for body in message if isinstance(body, Print))
    told = ((_taker(book, print_), print_) for print_ in prints)
    takes = (Take(taker, taker.framed(print_.yes_price), print_.count) for taker, print_ in told if taker is not None)
    return tuple(sorted(takes, key=_limit))


def _limit(taken: Take) -> Price:
    return taken.limit


def _misfit(reel: Reel, delta: Delta) -> Unplayable:
    if delta.change > 0:
        return Unplayable(f"its book is crossed {_clock(reel.at)}")
    there = format_count(resting(reel.book, delta.leg, delta.price))
    taken = format_count(Count(-delta.change))
    where = f"the {delta.leg.value} bid at {format_price(delta.price)}"
    return Unplayable(f"{_clock(reel.at)} it takes {taken} from {where}, where {there} rest: a negative size")


def _clock(at: Micros) -> str:
    return f"{at // SECOND} s after its start"


def _netted(waiting: tuple[Delta, ...], at: Micros) -> tuple[Delta, ...]:
    sums: dict[tuple[Leg, Price], int] = {}
    for delta in waiting:
        sums[delta.leg, delta.price] = sums.get((delta.leg, delta.price), 0) + delta.change
    netted = (Delta(leg, price, Count(change), at) for (leg, price), change in sums.items() if change)
    return tuple(sorted(netted, key=_increase))


def _increase(delta: Delta) -> bool:
    return delta.change > 0


def _done(reel: Reel, flow: Flow) -> Reel:
    return Reel(after(reel.book, Event(reel.at, flow)), reel.debts, (*reel.flows, flow), reel.at)


def _reclaimed(reel: Reel) -> Reel:
    late = tuple(debt for debt in reel.debts if debt.due <= reel.at)
    reel = Reel(reel.book, tuple(debt for debt in reel.debts if debt.due > reel.at), reel.flows, reel.at)
    for debt in late:
        reel = _done(reel, Arrive(debt.leg, debt.price, debt.count))
    return reel


def _taken(reel: Reel, taken: Take) -> Reel:
    due = Micros(reel.at + PATIENCE)
    owed = tuple(Debt(taken.leg.other(), price, count, due) for price, count in hit(reel.book, taken))
    return _done(Reel(reel.book, reel.debts + owed, reel.flows, reel.at), taken)


def _taker(book: Book, print_: Print) -> Leg | None:
    if print_.taker is not None:
        return print_.taker
    if book.no and print_.yes_price >= DOLLAR - book.no[0][0]:
        return Leg.YES
    return Leg.NO if book.yes and print_.yes_price <= book.yes[0][0] else None


def _changed(reel: Reel, delta: Delta) -> Reel | None:
    leg, price, change = delta.leg, delta.price, delta.change
    if change > 0:
        facing = reel.book.bids(leg.other())
        if facing and facing[0][0] + price >= DOLLAR:
            return None
        return _done(reel, Arrive(leg, price, change))
    reel_paid, left = _paid(reel, leg, price, Count(-change))
    if left > resting(reel.book, leg, price):
        return None
    return _done(reel_paid, Withdraw(leg, price, left)) if left else reel_paid


def _paid(reel: Reel, leg: Leg, price: Price, count: Count) -> tuple[Reel, Count]:
    if not reel.debts:
        return reel, count
    left, debts = int(count), list[Debt]()
    for debt in reel.debts:
        pays = min(left, debt.count) if (debt.leg, debt.price) == (leg, price) else 0
        left -= pays
        if pays < debt.count:
            debts.append(Debt(debt.leg, debt.price, Count(debt.count - pays), debt.due))
    return Reel(reel.book, tuple(debts), reel.flows, reel.at), Count(left)
