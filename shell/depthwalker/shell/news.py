"""Hands what the websocket tells to whom it concerns: books and trades to feeds, fills and orders to executions."""

from collections.abc import Callable, Mapping
from typing import assert_never

from depthwalker.core import told
from depthwalker.core.channel import Channel, FeeUpdate, FillFrame, GroupUpdate, Lifecycle, Trade, UserOrder
from depthwalker.core.line import BookChanged, BookLost, Missed
from depthwalker.core.subscriptions import Declined, News
from depthwalker.shell.feed import Feed
from depthwalker.shell.ports import Clock
from depthwalker.shell.runner import Runner


class NewsRoom:
    """The socket's listener for one engine."""

    def __init__(self, feeds: Mapping[str, Feed], runners: Callable[[], tuple[Runner, ...]], clock: Clock) -> None:
        self._feeds = feeds
        self._runners = runners
        self._clock = clock

    def hear(self, news: News) -> None:
        """Pass one piece of news on; what polling makes up for by itself is left to it."""
        match news:
            case BookChanged(ticker, book):
                if (feed := self._feeds.get(ticker)) is not None:
                    feed.take_book(book)
            case Trade(_, _, ticker, trade):
                if (feed := self._feeds.get(ticker)) is not None:
                    feed.take_trade(trade)
            case FillFrame() | UserOrder():
                for runner in self._runners():
                    facts = told.facts(runner.state, news, self._clock.now())
                    if facts:
                        runner.receive(*facts)
            case Lifecycle(_, _, ticker, _, _, _):
                if (feed := self._feeds.get(ticker)) is not None:
                    feed.take_market(told.changed(feed.market, news))
                    feed.reread_market()
                for runner in self._runners():
                    if runner.state.parent.ticker == ticker:
                        runner.receive()  # no fact, but reason to decide at once: it may have to wind down
            case FeeUpdate(_, _, event_ticker):
                for feed in self._feeds.values():
                    if feed.market.event_ticker == event_ticker:
                        feed.reread_fees()
            case Missed(channel):
                self._missed(channel)
            case BookLost() | Declined() | GroupUpdate():
                pass
            case _ as never:
                assert_never(never)

    def _missed(self, channel: Channel) -> None:
        for feed in self._feeds.values():
            if channel is Channel.TRADE:
                feed.miss_trades()
            elif channel is Channel.LIFECYCLE:
                feed.reread_market()
                feed.reread_fees()  # they are told on the same channel
