"""The websocket as a pure fold: frames and the owner's wishes in, books, news and commands out.

Nothing in here waits or sends. `want` says which markets are to be followed, `opened` and `lost` that a connection came or
went, `hear` what it says, `tick` that time has passed; each returns the stream after it, what the owner is to be told and
what is to be sent. What is subscribed is compared with what is wanted every time (as `reconcile` does for orders), so a
subscription that dies, of whatever cause, is opened again. Sources: fact sheet, sections 7.2 and 7.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, TypeAlias, assert_never

from depthwalker.core import desk as at_desk
from depthwalker.core import line as on_line
from depthwalker.core.book import Book
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
    GroupUpdate,
    Illegible,
    Lifecycle,
    Other,
    Subscribe,
    Subscribed,
    Trade,
    Unsubscribe,
    Unsubscribed,
    Update,
    UserOrder,
)
from depthwalker.core.desk import DEAD, MARKET_CHANNELS, PASSING, RETRY, Desk
from depthwalker.core.line import Line, Missed, Turn, Upset
from depthwalker.core.units import Micros

MOST_ASKS: Final = 3  # requests for the same books in a row


@dataclass(frozen=True, slots=True)
class Declined:
    """The exchange refuses these markets or, without any, the channel; not asked for again on this connection."""

    channel: Channel
    tickers: tuple[str, ...]
    reason: str


Told: TypeAlias = Trade | FillFrame | UserOrder | Lifecycle | FeeUpdate | GroupUpdate
News: TypeAlias = Upset | Told | Declined


@dataclass(frozen=True, slots=True)
class Stream:
    """The live subscriptions by sid, and the desk."""

    lines: Mapping[int, Line]
    desk: Desk


@dataclass(frozen=True, slots=True)
class Heard:
    """The stream after it, what the owner is to be told, what is to be sent, and why to dial anew (or nothing)."""

    stream: Stream
    news: tuple[News, ...] = ()
    asks: tuple[Asking, ...] = ()
    redial: str = ""


def begin(channels: tuple[Channel, ...], *, use_yes_price: bool = True) -> Stream:
    """Return a stream without a connection; `channels` are those that are subscribed for all markets."""
    return Stream({}, Desk(channels, use_yes_price))


def book(stream: Stream, ticker: str) -> Book | None:
    """Return a market's book as of the last frame of its subscription, or None where it is not known."""
    return next((line.books[ticker] for line in stream.lines.values() if ticker in line.books), None)


def following(stream: Stream, channel: Channel) -> bool:
    """Return whether a channel's subscription stands."""
    return _sid(stream, channel) is not None


def want(stream: Stream, tickers: frozenset[str], now: Micros) -> Heard:
    """Return the stream that follows these markets and no others."""
    return _upkeep(Heard(Stream(stream.lines, at_desk.wanting(stream.desk, tickers))), now)


def opened(stream: Stream, now: Micros) -> Heard:
    """Return the stream on a new connection, whose sids are its own and on which nothing is subscribed yet."""
    return _upkeep(Heard(Stream({}, at_desk.connection(stream.desk, up=True)), lost(stream).news), now)


def lost(stream: Stream) -> Heard:
    """Return the stream without a connection: no book of it is current."""
    news = tuple(loss for line in stream.lines.values() for loss in on_line.losses(line))
    return Heard(Stream({}, at_desk.connection(stream.desk, up=False)), news)


def tick(stream: Stream, now: Micros) -> Heard:
    """Return the stream at an instant: what was asked for and has not come is asked for again, or given up."""
    if at_desk.overdue(stream.desk, now):
        return Heard(stream, redial="a command was not answered")
    return _upkeep(Heard(stream), now)


def hear(stream: Stream, frame: Frame, now: Micros) -> Heard:
    """Return what a frame amounts to; no frame, in whatever order, leaves a book standing that it does not follow on."""
    if not isinstance(frame, BookDelta):
        return _upkeep(_heard(stream, frame, now), now)
    found = stream.lines.get(frame.sid)
    if found is None:
        return Heard(stream)
    line, news = on_line.changed(found, frame, now)
    heard = Heard(Stream({**stream.lines, frame.sid: line}, stream.desk), news)
    return heard if line.terms.due > now else _upkeep(heard, now)  # nearly all frames are deltas that fit


def _heard(stream: Stream, frame: Frame, now: Micros) -> Heard:
    match frame:
        case BookSnapshot(sid):
            found = stream.lines.get(sid)
            return Heard(stream) if found is None else _turned(stream, sid, on_line.opened(found, frame, now))
        case Trade(sid, seq, ticker) | Lifecycle(sid, seq, ticker):
            return _passed(stream, sid, seq, (frame,) if ticker in stream.desk.wanted else (), now)
        case FillFrame(sid, seq) | UserOrder(sid, seq) | FeeUpdate(sid, seq) | GroupUpdate(sid, seq):
            return _passed(stream, sid, seq, (frame,), now)
        case BookDelta(sid, seq) | Other(sid, seq):
            return _passed(stream, sid, seq, (), now)
        case Illegible(sid):
            sids = tuple(stream.lines) if sid is None else (sid,)
            return reduce(lambda heard, each: _then(heard, _doubted(heard.stream, each, now)), sids, Heard(stream))
        case Subscribed():
            return _subscribed(stream, frame, now)
        case Acknowledged(_, sid, seq):
            passed = _passed(stream, sid, seq, (), now)
            return _then(passed, _acknowledged(passed.stream, frame))
        case Unsubscribed(sid):
            return _ended(stream, sid)
        case Failed(_, _, _, sid, seq):
            passed = _passed(stream, sid, seq, (), now)
            return _then(passed, _failed(passed.stream, frame, now))
        case _ as never:
            assert_never(never)


def _then(first: Heard, second: Heard) -> Heard:
    """Return two steps as one."""
    return Heard(second.stream, (*first.news, *second.news), (*first.asks, *second.asks), first.redial or second.redial)


# What a frame does to its subscription


def _turned(stream: Stream, sid: int, turn: Turn) -> Heard:
    return Heard(Stream({**stream.lines, sid: turn[0]}, stream.desk), turn[1])


def _passed(stream: Stream, sid: int | None, seq: int | None, told: tuple[Told, ...], now: Micros) -> Heard:
    """Return the frame counted and passed on: a fill is a fill, whatever its subscription."""
    found = None if sid is None else stream.lines.get(sid)
    if sid is None or found is None:
        return Heard(stream, told)
    counted = _turned(stream, sid, on_line.counted(found, seq, now))
    return Heard(counted.stream, (*counted.news, *told))


def _doubted(stream: Stream, sid: int, now: Micros) -> Heard:
    """Return the stream after a frame of a subscription that could not be read; its number is told by the next one."""
    found = stream.lines.get(sid)
    return Heard(stream) if found is None else _turned(stream, sid, on_line.broken(found, found.seq, now))


def _subscribed(stream: Stream, frame: Subscribed, now: Micros) -> Heard:
    """Return the subscription begun. What its channel told before is unknown, so the owner is to read it."""
    command = at_desk.awaited(stream.desk, frame.id)
    if not isinstance(command, Subscribe):
        return Heard(stream)
    line = on_line.begin(command.channel, frozenset(command.tickers), command.use_yes_price, now)
    after = Stream({**stream.lines, frame.sid: line}, at_desk.answered(stream.desk, frame.id))
    return Heard(after, () if command.channel is Channel.BOOK else (Missed(command.channel),))


def _acknowledged(stream: Stream, frame: Acknowledged) -> Heard:
    """Return the command carried out; markets that the exchange's list then lacks were refused."""
    command = at_desk.awaited(stream.desk, frame.id)
    if not isinstance(command, Update):
        return Heard(stream)
    after = Stream(stream.lines, at_desk.answered(stream.desk, frame.id))
    if command.change is Change.DELETE:
        return Heard(_without(after, command.sid, command.tickers))
    lacking = tuple(ticker for ticker in command.tickers if frame.tickers is not None and ticker not in frame.tickers)
    return _refused(after, command, lacking, "left out") if lacking else Heard(after)


def _ended(stream: Stream, sid: int) -> Heard:
    """Return the stream without a subscription and without the commands about it."""
    found = stream.lines.get(sid)
    lines = {number: line for number, line in stream.lines.items() if number != sid}
    news = () if found is None else on_line.losses(found)
    return Heard(Stream(lines, at_desk.forgotten(stream.desk, sid)), news)


def _failed(stream: Stream, frame: Failed, now: Micros) -> Heard:
    """Return what an error comes to: a subscription ended, markets or a channel refused, a later attempt, a redial."""
    command = at_desk.awaited(stream.desk, frame.id)
    sid = command.sid if isinstance(command, Update) else _asked_by(stream, frame.id) or frame.sid
    said = f"error {frame.code}: {frame.reason}"
    if frame.code in DEAD and sid is not None:
        return _ended(stream, sid)
    if command is None:
        return Heard(stream, redial=said if frame.code in DEAD else "")
    after = Stream(stream.lines, at_desk.answered(stream.desk, command.id))
    if frame.code in PASSING or frame.code in DEAD:
        later = Stream(after.lines, replace(after.desk, quiet_until=Micros(now + RETRY)))
        return Heard(_unadded(later, command, command.tickers))
    tickers = at_desk.blamed(command, frame)
    if tickers or isinstance(command, Subscribe):
        return _refused(after, command, tickers, said)
    return _given_up(after, command.sid)


def _refused(stream: Stream, command: at_desk.Awaited, tickers: tuple[str, ...], reason: str) -> Heard:
    channel = command.channel if isinstance(command, Subscribe) else stream.lines[command.sid].terms.channel
    desk = at_desk.refusing(stream.desk, channel, tickers)
    after = _unadded(Stream(stream.lines, desk), command, tickers)
    return Heard(after, (Declined(channel, tickers, reason),))


def _unadded(stream: Stream, command: at_desk.Awaited, tickers: tuple[str, ...]) -> Stream:
    adding = isinstance(command, Update) and command.change is Change.ADD
    return _without(stream, command.sid, tickers) if isinstance(command, Update) and adding else stream


def _without(stream: Stream, sid: int, tickers: tuple[str, ...]) -> Stream:
    line = on_line.removed(stream.lines[sid], frozenset(tickers))
    return Stream({**stream.lines, sid: line}, stream.desk)


# What is to be sent


def _upkeep(heard: Heard, now: Micros) -> Heard:
    """Return the step with the commands that bring what is subscribed to what is wanted."""
    desk = heard.stream.desk
    if not desk.connected or now < desk.quiet_until:
        return heard
    channels = (*MARKET_CHANNELS, *desk.channels)
    return reduce(lambda step, channel: _then(step, _kept(step.stream, channel, now)), channels, heard)


def _kept(stream: Stream, channel: Channel, now: Micros) -> Heard:
    sid, tickers = _sid(stream, channel), at_desk.targets(stream.desk, channel)
    if at_desk.busy(stream.desk, channel, sid):
        return Heard(stream)
    if sid is None:
        due = at_desk.due(stream.desk, channel)
        return (
            _sent(
                stream, Subscribe(stream.desk.next_id, channel, tuple(sorted(tickers)), stream.desk.use_yes_price), now
            )
            if due
            else Heard(stream)
        )
    if channel not in MARKET_CHANNELS:
        return Heard(stream)
    if not tickers:
        return _given_up(stream, sid)
    asked = _books_asked(stream, sid, tickers, now)
    line = asked.stream.lines.get(sid)
    return asked if line is None else _then(asked, _changed(asked.stream, sid, line, tickers, now))


def _changed(stream: Stream, sid: int, line: Line, tickers: frozenset[str], now: Micros) -> Heard:
    """Return the subscription extended to these markets or, if it has them all, cut down to them."""
    lacking, spare = tickers - line.terms.tickers, line.terms.tickers - tickers
    if lacking:
        wider = Stream({**stream.lines, sid: on_line.added(line, lacking, now)}, stream.desk)
        return _sent(wider, Update(stream.desk.next_id, sid, Change.ADD, tuple(sorted(lacking))), now)
    if spare:
        return _sent(stream, Update(stream.desk.next_id, sid, Change.DELETE, tuple(sorted(spare))), now)
    return Heard(stream)


def _books_asked(stream: Stream, sid: int, tickers: frozenset[str], now: Micros) -> Heard:
    """Return the missing books asked for, if they are due; in vain often enough, their markets or the line are given up."""
    line = stream.lines[sid]
    missing = tuple(sorted(on_line.missing(line) & tickers))
    if not missing or line.terms.due > now:
        return Heard(stream)
    if line.terms.asks < MOST_ASKS:
        command = Update(stream.desk.next_id, sid, Change.SNAPSHOT, missing)
        return _sent(Stream({**stream.lines, sid: on_line.asked(line, command.id, now)}, stream.desk), command, now)
    if not line.books:
        return _given_up(stream, sid)
    desk = at_desk.refusing(stream.desk, Channel.BOOK, missing)
    return Heard(Stream(stream.lines, desk), (Declined(Channel.BOOK, missing, "no book comes"),))


def _given_up(stream: Stream, sid: int) -> Heard:
    """Return the stream without a subscription that nobody wants or that cannot be mended; a wanted one is opened anew."""
    ended = _ended(stream, sid)
    command = Unsubscribe(ended.stream.desk.next_id, sid)
    desk = replace(ended.stream.desk, next_id=command.id + 1)
    return Heard(Stream(ended.stream.lines, desk), ended.news, (command,))


def _sent(stream: Stream, command: Asking, now: Micros) -> Heard:
    return Heard(Stream(stream.lines, at_desk.sent(stream.desk, command, now)), (), (command,))


def _sid(stream: Stream, channel: Channel) -> int | None:
    return next((sid for sid, line in stream.lines.items() if line.terms.channel is channel), None)


def _asked_by(stream: Stream, command_id: int | None) -> int | None:
    """Return the subscription whose books a command asked for."""
    return next((sid for sid, line in stream.lines.items() if line.terms.asked == command_id), None)
