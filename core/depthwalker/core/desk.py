"""What the owner of a websocket wants, what the exchange refused, and which commands still wait for their answer."""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from depthwalker.core.channel import Asking, Change, Channel, Failed, Subscribe, Unsubscribe, Update
from depthwalker.core.units import SECOND, Micros

MARKET_CHANNELS: Final = (Channel.BOOK, Channel.TRADE)  # subscribed for the wanted markets, all others for everything
ANSWER_WITHIN: Final = Micros(10 * SECOND)
RETRY: Final = Micros(SECOND)

UNKNOWN_SID: Final = 7
DEAD: Final = (UNKNOWN_SID, 10, 17, 25)  # the subscription has ended
PASSING: Final = (1, 18, 27)  # the same command may work later
TICKERS: Final = (11, 16, 26)  # it is these markets that are refused

_START: Final = Micros(0)

Awaited: TypeAlias = Subscribe | Update


@dataclass(frozen=True, slots=True)
class Desk:
    """Wishes, refusals, and awaited commands with their times. Ids are never used twice; `quiet_until` nothing is sent."""

    channels: tuple[Channel, ...]
    use_yes_price: bool
    wanted: frozenset[str] = frozenset()
    connected: bool = False
    next_id: int = 1
    pending: tuple[tuple[Awaited, Micros], ...] = ()
    refused_tickers: frozenset[str] = frozenset()
    refused_channels: frozenset[Channel] = frozenset()
    quiet_until: Micros = _START


def wanting(desk: Desk, tickers: frozenset[str]) -> Desk:
    """Return the desk that wants these markets; one that is wanted anew is no longer refused."""
    return replace(desk, wanted=tickers, refused_tickers=desk.refused_tickers & tickers & desk.wanted)


def connection(desk: Desk, *, up: bool) -> Desk:
    """Return the desk on a new connection, or on none: nothing is awaited or refused."""
    return replace(
        desk,
        connected=up,
        pending=(),
        refused_tickers=frozenset(),
        refused_channels=frozenset(),
        quiet_until=_START,
    )


def targets(desk: Desk, channel: Channel) -> frozenset[str]:
    """Return the markets that a channel should be subscribed for; none also means all, off the market channels."""
    return desk.wanted - desk.refused_tickers if channel in MARKET_CHANNELS else frozenset()


def due(desk: Desk, channel: Channel) -> bool:
    """Return whether a channel should be subscribed."""
    return channel not in desk.refused_channels and (channel in desk.channels or bool(targets(desk, channel)))


def busy(desk: Desk, channel: Channel, sid: int | None) -> bool:
    """Return whether a command about a channel or its subscription waits for its answer."""
    return any(_about(command, channel, sid) for command, _ in desk.pending)


def overdue(desk: Desk, now: Micros) -> bool:
    """Return whether an answer has been waited for too long."""
    return any(now - at > ANSWER_WITHIN for _, at in desk.pending)


def sent(desk: Desk, command: Asking, now: Micros) -> Desk:
    """Return the desk after a command; only what opens or changes a subscription is awaited here."""
    after = replace(desk, next_id=desk.next_id + 1)
    if isinstance(command, Unsubscribe) or (isinstance(command, Update) and command.change is Change.SNAPSHOT):
        return after
    return replace(after, pending=(*desk.pending, (command, now)))


def awaited(desk: Desk, command_id: int | None) -> Awaited | None:
    """Return the awaited command of an id."""
    return next((command for command, _ in desk.pending if command.id == command_id), None)


def answered(desk: Desk, command_id: int) -> Desk:
    """Return the desk without an awaited command."""
    return replace(desk, pending=tuple(each for each in desk.pending if each[0].id != command_id))


def forgotten(desk: Desk, sid: int) -> Desk:
    """Return the desk without the commands about a subscription that is no more."""
    return replace(desk, pending=tuple(each for each in desk.pending if not _of(each[0], sid)))


def refusing(desk: Desk, channel: Channel, tickers: tuple[str, ...]) -> Desk:
    """Return the desk on which these markets are refused or, without any, the channel."""
    if tickers:
        return replace(desk, refused_tickers=desk.refused_tickers.union(tickers))
    return replace(desk, refused_channels=desk.refused_channels | {channel})


def blamed(command: Awaited, failed: Failed) -> tuple[str, ...]:
    """Return the markets that an error refuses: the one it names, else all of the command's; none if it is not them."""
    if failed.code not in TICKERS or (isinstance(command, Update) and command.change is not Change.ADD):
        return ()
    return (failed.ticker,) if failed.ticker in command.tickers and failed.ticker else command.tickers


def _about(command: Awaited, channel: Channel, sid: int | None) -> bool:
    return command.sid == sid if isinstance(command, Update) else command.channel is channel


def _of(command: Awaited, sid: int) -> bool:
    return isinstance(command, Update) and command.sid == sid
