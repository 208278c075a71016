"""The subscriptions of one connection, and the commands that bring them to what is wanted.

What is subscribed is compared with what is wanted every time (as `reconcile` does for orders), so a subscription that dies,
of whatever cause, is opened again, and a book that is missing is asked for until it comes. Source: fact sheet, section 7.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from depthwalker.core import desk as at_desk
from depthwalker.core import line as on_line
from depthwalker.core.channel import (
    Asking,
    Change,
    Channel,
    FeeUpdate,
    FillFrame,
    GroupUpdate,
    Lifecycle,
    Subscribe,
    Trade,
    Unsubscribe,
    Update,
    UserOrder,
)
from depthwalker.core.desk import MARKET_CHANNELS, Desk
from depthwalker.core.line import Line, Upset
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


def then(first: Heard, second: Heard) -> Heard:
    """Return two steps as one."""
    return Heard(second.stream, (*first.news, *second.news), (*first.asks, *second.asks), first.redial or second.redial)


def ended(stream: Stream, sid: int) -> Heard:
    """Return the stream without a subscription and without the commands about it."""
    found = stream.lines.get(sid)
    lines = {number: line for number, line in stream.lines.items() if number != sid}
    news = () if found is None else on_line.losses(found)
    return Heard(Stream(lines, at_desk.forgotten(stream.desk, sid)), news)


def kept(stream: Stream, now: Micros) -> Heard:
    """Return the stream with the commands that bring what is subscribed to what is wanted."""
    heard = Heard(stream)
    if not stream.desk.connected or now < stream.desk.quiet_until:
        return heard
    for channel in (*MARKET_CHANNELS, *stream.desk.channels):
        heard = then(heard, _kept(heard.stream, channel, now))
    return heard


def _kept(stream: Stream, channel: Channel, now: Micros) -> Heard:
    desk, sid = stream.desk, sid_of(stream, channel)
    tickers = at_desk.targets(desk, channel)
    if at_desk.busy(desk, channel, sid):
        return Heard(stream)
    if sid is None:
        opening = Subscribe(desk.next_id, channel, tuple(sorted(tickers)), desk.use_yes_price)
        return _sent(stream, opening, now) if at_desk.due(desk, channel) else Heard(stream)
    if channel not in MARKET_CHANNELS:
        return Heard(stream)
    if not tickers:
        return given_up(stream, sid)
    asked = _books_asked(stream, sid, tickers, now)
    line = asked.stream.lines.get(sid)
    if line is None:
        return asked
    return then(asked, _changed(asked.stream, sid, line, at_desk.targets(asked.stream.desk, channel), now))


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
        return given_up(stream, sid)
    desk = at_desk.refusing(stream.desk, Channel.BOOK, missing)
    return Heard(Stream(stream.lines, desk), (Declined(Channel.BOOK, missing, "no book comes"),))


def given_up(stream: Stream, sid: int) -> Heard:
    """Return the stream without a subscription that nobody wants or that cannot be mended; a wanted one is opened anew."""
    without = ended(stream, sid)
    command = Unsubscribe(without.stream.desk.next_id, sid)
    desk = replace(without.stream.desk, next_id=command.id + 1)
    return Heard(Stream(without.stream.lines, desk), without.news, (command,))


def _sent(stream: Stream, command: Asking, now: Micros) -> Heard:
    return Heard(Stream(stream.lines, at_desk.sent(stream.desk, command, now)), (), (command,))


def sid_of(stream: Stream, channel: Channel) -> int | None:
    return next((sid for sid, line in stream.lines.items() if line.terms.channel is channel), None)
