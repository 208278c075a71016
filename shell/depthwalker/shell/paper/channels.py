"""One connection's subscriptions: commands and changes in, frames out (fact sheet, sections 7.2 to 7.4).

Nothing in here sends or waits. A subscription numbers its frames from 1, those that answer commands about it included;
tickers, fills, orders and positions carry no number. Codes 6, 16 and 17 are retired: a channel may be subscribed twice,
each time with its own sid, and a market that is not known is an invalid parameter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from depthwalker.core.pit import book
from depthwalker.shell.paper import socket_bodies as told
from depthwalker.shell.paper.commands import ERRORS, OVERFLOW, Params, Wrong, decoded, listed, number_of, texts
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.notices import (
    EventFeesChanged,
    Filled,
    GroupChanged,
    LevelChanged,
    MarketChanged,
    Notice,
    OrderChanged,
    PositionChanged,
    Traded,
)

Frame: TypeAlias = dict[str, object]

BOOK, TICKER, TRADE, LIFE, GROUPS = "orderbook_delta", "ticker", "trade", "market_lifecycle_v2", "order_group_updates"
FILL, ORDER, POSITION = "fill", "user_orders", "market_positions"
CHANNELS: Final = (BOOK, TICKER, TRADE, FILL, ORDER, POSITION, LIFE, GROUPS)
TYPES: Final = frozenset({
    *(BOOK, TICKER, TRADE, LIFE, GROUPS, FILL),
    *("orderbook_snapshot", "user_order", "market_position", "event_fee_update"),
    *("subscribed", "unsubscribed", "ok", "error"),
})  # fmt: skip
_UNNUMBERED: Final = frozenset({TICKER, FILL, "user_order", "market_position"})
_OF_EVERYTHING: Final = frozenset({LIFE, GROUPS})  # no choice of markets
_BOOK_ONLY: Final = "get_snapshot"
_ACTIONS: Final = ("add_markets", "delete_markets", _BOOK_ONLY)


@dataclass(slots=True)
class Subscription:
    """A live subscription; `tickers` is None where it is of all markets, `shown` the tickers as they were last told."""

    sid: int
    channel: str
    tickers: dict[str, None] | None
    yes_scale: bool
    brief: bool
    seq: int = 0
    shown: dict[str, Frame] = field(default_factory=dict)

    def follows(self, ticker: str) -> bool:
        """Return whether a market is one of the subscription's."""
        return self.tickers is None or ticker in self.tickers


class Feed:
    """What one connection of an account is told; `emit` takes each frame, in order."""

    def __init__(self, exchange: Exchange, account: str, emit: Callable[[Frame], None]) -> None:
        self._exchange = exchange
        self._account = account
        self._user = told.identity(account)
        self._emit = emit
        self._live: dict[int, Subscription] = {}
        self._opened = 0

    def sids(self) -> tuple[int, ...]:
        """Return the live subscriptions."""
        return tuple(self._live)

    def take(self, text: str | bytes) -> None:
        """Carry a command out, after what is due has happened, and answer it."""
        self._exchange.advance()
        number: int | None = None
        try:
            command = decoded(text)
            number = number_of(command)
            self._obey(number, command)
        except Wrong as wrong:
            self._fail(number, wrong)

    def end(self, sid: int, code: int = OVERFLOW) -> None:
        """End a subscription with an error; nothing of it follows."""
        if self._live.pop(sid, None) is not None:
            self._emit({"type": "error", "sid": sid, "msg": {"code": code, "msg": ERRORS[code]}})

    def hear(self, notice: Notice) -> None:
        """Tell of a change, on the channels that are about it."""
        match notice:
            case LevelChanged():
                for one in self._of(BOOK, notice.ticker):
                    self._tell(one, BOOK, told.delta(notice, self._account, yes_scale=one.yes_scale))
                self._quote(notice.ticker)
            case Traded():
                self._tell_all(TRADE, TRADE, told.trade(notice), notice.ticker)
                self._quote(notice.ticker)
            case OrderChanged():
                if notice.account == self._account:
                    self._tell_all(ORDER, "user_order", told.order(notice.order, self._user), notice.order.ticker)
            case Filled():
                if notice.account == self._account:
                    ticker = notice.fill.ticker
                    shard = self._exchange.floors[ticker].listing.shard
                    self._tell_all(FILL, FILL, told.fill(notice, shard), ticker)
            case PositionChanged():
                if notice.account == self._account and any(self._of(POSITION, notice.holding.ticker)):
                    self._position(notice)
            case MarketChanged():
                event_ticker = self._exchange.floors[notice.ticker].listing.event_ticker
                self._tell_all(LIFE, LIFE, told.life(notice, event_ticker))
            case EventFeesChanged():
                self._tell_all(LIFE, "event_fee_update", told.fees(notice))
            case GroupChanged():
                if notice.account == self._account:
                    self._tell_all(GROUPS, GROUPS, told.group(notice))
            case _ as never:
                assert_never(never)

    # Frames

    def _of(self, channel: str, ticker: str | None = None) -> Iterable[Subscription]:
        live = tuple(self._live.values())
        return (one for one in live if one.channel == channel and (ticker is None or one.follows(ticker)))

    def _tell_all(self, channel: str, kind: str, msg: Frame, ticker: str | None = None) -> None:
        for one in self._of(channel, ticker):
            self._tell(one, kind, msg)

    def _tell(self, one: Subscription, kind: str, msg: object = None, number: int | None = None) -> None:
        if one.sid not in self._live:  # it has ended meanwhile
            return
        asked: Frame = {} if number is None else {"id": number}
        frame: Frame = {"type": kind} | asked | {"sid": one.sid}
        if kind not in _UNNUMBERED:
            one.seq += 1
            frame["seq"] = one.seq
        self._emit(frame if msg is None else frame | {"msg": msg})

    def _fail(self, number: int | None, wrong: Wrong, sid: int | None = None) -> None:
        frame: Frame = {} if number is None else {"id": number}
        frame |= {"type": "error"} | ({} if sid is None else {"sid": sid})
        named: Frame = {"market_ticker": wrong.ticker} if wrong.ticker else {}
        self._emit(frame | {"msg": {"code": wrong.code, "msg": ERRORS[wrong.code], **named}})

    def _snapshots(self, one: Subscription, tickers: Iterable[str], number: int | None = None) -> None:
        now = self._exchange.clock.now()
        for ticker in tickers:
            shown = book(self._exchange.floors[ticker].pit, now)
            msg = told.snapshot(ticker, shown, yes_scale=one.yes_scale)
            self._tell(one, "orderbook_snapshot", msg, number)

    def _quote(self, ticker: str) -> None:
        for one in self._of(TICKER, ticker):
            self._quote_to(one, ticker)

    def _quote_to(self, one: Subscription, ticker: str, *, aloud: bool = True) -> None:
        floor, now = self._exchange.floors[ticker], self._exchange.clock.now()
        quoted = told.quote(floor, book(floor.pit, now))
        if aloud and one.shown.get(ticker) != quoted:
            self._tell(one, TICKER, told.dated(quoted, now))
        one.shown[ticker] = quoted

    def _position(self, notice: PositionChanged) -> None:
        ticker = notice.holding.ticker
        traded = [fill.count for fill in self._exchange.ledgers[self._account].fills if fill.ticker == ticker]
        self._tell_all(POSITION, "market_position", told.position(notice.holding, self._user, traded), ticker)

    # Commands

    def _obey(self, number: int, command: Params) -> None:
        name = command.get("cmd")
        if name == "list_subscriptions":
            live: list[Frame] = [{"channel": one.channel, "sid": one.sid} for one in self._live.values()]
            self._emit({"id": number, "type": "ok", "msg": live})
            return
        acts = {
            "subscribe": self._subscribe,
            "update_subscription": self._update,
            "unsubscribe": self._unsubscribe,
        }
        act = acts.get(name) if isinstance(name, str) else None
        if act is None:
            raise Wrong(5)
        params = command.get("params")
        if not isinstance(params, dict):
            raise Wrong(2)
        act(number, params)

    def _subscribe(self, number: int, params: Params) -> None:
        channels = listed(params, "channels", 3)
        begun: list[Subscription] = []
        for channel in channels:
            try:
                one = self._opening(channel, params)
            except Wrong as wrong:
                self._fail(number, wrong)
                continue
            self._live[one.sid] = one
            begun.append(one)
            self._emit({"type": "subscribed", "id": number, "msg": {"channel": one.channel, "sid": one.sid}})
        for one in begun:
            self._begin(one, one.tickers or (), aloud=params.get("send_initial_snapshot") is True)

    def _opening(self, channel: object, params: Params) -> Subscription:
        if not isinstance(channel, str) or channel not in CHANNELS:
            raise Wrong(8)
        tickers = None if channel in _OF_EVERYTHING else self._tickers(params, by_id=channel == TICKER)
        if channel == BOOK and not tickers:
            raise Wrong(14)
        flags = [params.get(name, False) for name in ("use_yes_price", "skip_ticker_ack")]
        if not all(isinstance(flag, bool) for flag in flags):
            raise Wrong(11)
        self._opened += 1
        return Subscription(self._opened, channel, tickers, flags[0] is True, flags[1] is True)

    def _begin(self, one: Subscription, tickers: Iterable[str], *, aloud: bool) -> None:
        """Tell how the markets stand with which a subscription begins."""
        if one.channel == BOOK:
            self._snapshots(one, tickers)
        elif one.channel == TICKER:
            for ticker in self._exchange.floors if one.tickers is None else tickers:
                self._quote_to(one, ticker, aloud=aloud and one.tickers is not None)

    def _update(self, number: int, params: Params) -> None:
        sids = [params["sid"]] if "sid" in params else params.get("sids")
        if not isinstance(sids, list) or len(sids) != 1:
            raise Wrong(12)
        action = params.get("action")
        if not action:
            raise Wrong(15)
        one = self._live.get(sids[0]) if isinstance(sids[0], int) else None
        if one is None:
            raise Wrong(7)
        if action not in _ACTIONS or one.channel in _OF_EVERYTHING or (action == _BOOK_ONLY and one.channel != BOOK):
            raise Wrong(13)
        tickers = self._tickers(params, by_id=one.channel == TICKER)
        if not tickers:
            raise Wrong(14)
        if action == _BOOK_ONLY:
            self._snapshots(one, tickers, number)
            return
        if one.tickers is None:  # of all markets: none can be added, none left out
            raise Wrong(11)
        added = [ticker for ticker in tickers if ticker not in one.tickers] if action == "add_markets" else []
        kept = one.tickers if action == "add_markets" else {name: None for name in one.tickers if name not in tickers}
        one.tickers = kept | dict.fromkeys(added)
        self._tell(one, "ok", {} if one.brief else {"market_tickers": list(one.tickers)}, number)
        self._begin(one, added, aloud=params.get("send_initial_snapshot") is True)

    def _unsubscribe(self, number: int, params: Params) -> None:
        for sid in listed(params, "sids", 4):
            one = self._live.get(sid) if isinstance(sid, int) else None
            if one is None:
                self._fail(number, Wrong(7), sid if isinstance(sid, int) else None)
            else:
                self._tell(one, "unsubscribed", number=number)
                self._live.pop(one.sid, None)

    def _tickers(self, params: Params, *, by_id: bool) -> dict[str, None] | None:
        """Return the markets that a command names, or None where it names none; raises Wrong."""
        named = [*texts(params, "market_ticker"), *texts(params, "market_tickers")]
        if by_id:
            known = {told.identity(ticker): ticker for ticker in self._exchange.floors}
            ids = [*texts(params, "market_id"), *texts(params, "market_ids")]
            named += [known.get(one, one) for one in ids]
        for ticker in named:
            if ticker not in self._exchange.floors:
                raise Wrong(11, ticker)
        return dict.fromkeys(named) if named else None
