"""The websocket as a pure fold: frames and the owner's wishes in, books, news and commands out.

Nothing in here waits or sends. `want` says which markets are to be followed, `opened` and `lost` that a connection came or
went, `hear` what it says, `tick` that time has passed; each returns the stream after it, what the owner is to be told and
what is to be sent. What is subscribed is compared with what is wanted every time (as `reconcile` does for orders), so a
subscription that dies, of whatever cause, is opened again. Sources: fact sheet, sections 7.2 and 7.3.
"""

from dataclasses import replace
from typing import assert_never

from depthwalker.core import desk as at_desk
from depthwalker.core import line as on_line
from depthwalker.core.book import Book, apply
from depthwalker.core.channel import (
    Acknowledged,
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
    Unsubscribed,
    Update,
    UserOrder,
)
from depthwalker.core.desk import DEAD, PASSING, RETRY, Desk
from depthwalker.core.line import Line, Missed, Turn
from depthwalker.core.subscriptions import Declined, Heard, Stream, Told, ended, given_up, kept, sid_of, then
from depthwalker.core.units import Micros


def begin(channels: tuple[Channel, ...], *, use_yes_price: bool = True) -> Stream:
    """Return a stream without a connection; `channels` are those that are subscribed for all markets."""
    return Stream({}, Desk(channels, use_yes_price))


def book(stream: Stream, ticker: str) -> Book | None:
    """Return a market's book as of the last frame of its subscription, or None where it is not known."""
    return next((line.books[ticker] for line in stream.lines.values() if ticker in line.books), None)


def following(stream: Stream, channel: Channel) -> bool:
    """Return whether a channel's subscription stands."""
    return sid_of(stream, channel) is not None


def want(stream: Stream, tickers: frozenset[str], now: Micros) -> Heard:
    """Return the stream that follows these markets and no others."""
    return kept(Stream(stream.lines, at_desk.wanting(stream.desk, tickers)), now)


def opened(stream: Stream, now: Micros) -> Heard:
    """Return the stream on a new connection, whose sids are its own and on which nothing is subscribed yet."""
    return then(lost(stream), kept(Stream({}, at_desk.connection(stream.desk, up=True)), now))


def lost(stream: Stream) -> Heard:
    """Return the stream without a connection: no book of it is current."""
    news = tuple(loss for line in stream.lines.values() for loss in on_line.losses(line))
    return Heard(Stream({}, at_desk.connection(stream.desk, up=False)), news)


def tick(stream: Stream, now: Micros) -> Heard:
    """Return the stream at an instant: what was asked for and has not come is asked for again, or given up."""
    if at_desk.overdue(stream.desk, now):
        return Heard(stream, redial="a command was not answered")
    return kept(stream, now)


def advanced(stream: Stream, frame: BookDelta) -> tuple[Stream, Book] | None:
    """Return the stream and the book after a delta that fits; None where `hear` has to judge.

    Nearly all frames are such deltas: this is `hear` without what they have no need of.
    """
    line = stream.lines.get(frame.sid)
    if line is None or frame.seq != line.seq + 1 or frame.ticker not in line.books:
        return None
    after = apply(line.books[frame.ticker], frame.body)
    if not isinstance(after, Book):
        return None
    lines = {**stream.lines, frame.sid: Line(frame.seq, {**line.books, frame.ticker: after}, line.terms)}
    return Stream(lines, stream.desk), after


def hear(stream: Stream, frame: Frame, now: Micros) -> Heard:
    """Return what a frame amounts to; no frame, in whatever order, leaves a book standing that it does not follow on."""
    heard = _heard(stream, frame, now)
    return then(heard, kept(heard.stream, now))


def _heard(stream: Stream, frame: Frame, now: Micros) -> Heard:
    match frame:
        case BookDelta(sid):
            found = stream.lines.get(sid)
            return Heard(stream) if found is None else _turned(stream, sid, on_line.changed(found, frame, now))
        case BookSnapshot(sid):
            found = stream.lines.get(sid)
            return Heard(stream) if found is None else _turned(stream, sid, on_line.opened(found, frame, now))
        case Trade(sid, seq, ticker) | Lifecycle(sid, seq, ticker):
            return _passed(stream, sid, seq, (frame,) if ticker in stream.desk.wanted else (), now)
        case FillFrame(sid, seq) | UserOrder(sid, seq) | FeeUpdate(sid, seq) | GroupUpdate(sid, seq):
            return _passed(stream, sid, seq, (frame,), now)
        case Other(sid, seq):
            return _passed(stream, sid, seq, (), now)
        case Illegible(sid):
            sids = tuple(stream.lines) if sid is None else (sid,)
            return _doubted(stream, sids, now)
        case Subscribed():
            return _subscribed(stream, frame, now)
        case Acknowledged(_, sid, seq):
            passed = _passed(stream, sid, seq, (), now)
            return then(passed, _acknowledged(passed.stream, frame))
        case Unsubscribed(sid):
            return ended(stream, sid)
        case Failed(_, _, _, sid, seq):
            passed = _passed(stream, sid, seq, (), now)
            return then(passed, _failed(passed.stream, frame, now))
        case _ as never:
            assert_never(never)


# What a frame does to its subscription


def _turned(stream: Stream, sid: int, turn: Turn) -> Heard:
    return Heard(Stream({**stream.lines, sid: turn[0]}, stream.desk), turn[1])


def _passed(stream: Stream, sid: int | None, seq: int | None, told: tuple[Told, ...], now: Micros) -> Heard:
    """Return the frame counted and passed on: a fill is a fill, whatever its subscription."""
    if sid is None or sid not in stream.lines:
        return Heard(stream, told)
    counted = _turned(stream, sid, on_line.counted(stream.lines[sid], seq, now))
    return Heard(counted.stream, (*counted.news, *told))


def _doubted(stream: Stream, sids: tuple[int, ...], now: Micros) -> Heard:
    """Return the stream after a frame that may be of these subscriptions; its number, if any, is told by the next one."""
    heard = Heard(stream)
    for sid in sids:
        found = heard.stream.lines.get(sid)
        if found is not None:
            heard = then(heard, _turned(heard.stream, sid, on_line.broken(found, found.seq, now)))
    return heard


def _subscribed(stream: Stream, frame: Subscribed, now: Micros) -> Heard:
    """Return the subscription begun. What its channel told before is unknown, so the owner is to read it."""
    command = at_desk.awaited(stream.desk, frame.id)
    if not isinstance(command, Subscribe):
        return Heard(stream)
    line = on_line.begin(command.channel, frozenset(command.tickers), now)
    after = Stream({**stream.lines, frame.sid: line}, at_desk.answered(stream.desk, frame.id))
    return Heard(after, () if command.channel is Channel.BOOK else (Missed(command.channel),))


def _acknowledged(stream: Stream, frame: Acknowledged) -> Heard:
    """Return the command carried out; markets that the exchange's list then lacks were refused."""
    command = at_desk.awaited(stream.desk, frame.id)
    if not isinstance(command, Update):
        return Heard(stream)
    after = Stream(stream.lines, at_desk.answered(stream.desk, frame.id))
    if command.change is Change.DELETE:
        return _without(after, command.sid, command.tickers)
    lacking = tuple(ticker for ticker in command.tickers if frame.tickers is not None and ticker not in frame.tickers)
    return _refused(after, command, lacking, "left out") if lacking else Heard(after)


def _failed(stream: Stream, frame: Failed, now: Micros) -> Heard:
    """Return what an error comes to: a subscription ended, markets or a channel refused, a later attempt, a redial."""
    command = at_desk.awaited(stream.desk, frame.id)
    sid = command.sid if isinstance(command, Update) else _asked_by(stream, frame.id) or frame.sid
    said = f"error {frame.code}: {frame.reason}"
    if frame.code in DEAD and sid is not None and sid in stream.lines:
        return ended(stream, sid)
    if command is None:
        nobody_knows = frame.code in DEAD and (sid is None or bool(stream.desk.pending))
        return Heard(stream, redial=said if nobody_knows else "")
    after = Stream(stream.lines, at_desk.answered(stream.desk, command.id))
    if frame.code in PASSING or frame.code in DEAD:
        later = Stream(after.lines, replace(after.desk, quiet_until=Micros(now + RETRY)))
        return _unadded(later, command, command.tickers)
    tickers = at_desk.blamed(command, frame)
    if tickers or isinstance(command, Subscribe):
        return _refused(after, command, tickers, said)
    return given_up(after, command.sid)


def _refused(stream: Stream, command: at_desk.Awaited, tickers: tuple[str, ...], reason: str) -> Heard:
    channel = command.channel if isinstance(command, Subscribe) else stream.lines[command.sid].terms.channel
    desk = at_desk.refusing(stream.desk, channel, tickers)
    after = _unadded(Stream(stream.lines, desk), command, tickers)
    return Heard(after.stream, (*after.news, Declined(channel, tickers, reason)))


def _unadded(stream: Stream, command: at_desk.Awaited, tickers: tuple[str, ...]) -> Heard:
    if isinstance(command, Update) and command.change is Change.ADD:
        return _without(stream, command.sid, tickers)
    return Heard(stream)


def _without(stream: Stream, sid: int, tickers: tuple[str, ...]) -> Heard:
    return _turned(stream, sid, on_line.removed(stream.lines[sid], frozenset(tickers)))


def _asked_by(stream: Stream, command_id: int | None) -> int | None:
    """Return the subscription whose books a command asked for."""
    return next((sid for sid, line in stream.lines.items() if command_id and line.terms.asked == command_id), None)
