"""What happened in the market lately, as aggregates over a fixed window, in the frame of the leg we acquire.

`History` is a bounded record of book samples and public trades, folded by the shell as they arrive; `flow` reads it.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg, within
from depthwalker.core.depth import BAND
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price

WINDOW: Final = Micros(120 * SECOND)  # the specification's lookback of two minutes
SAMPLE_SPACING: Final = Micros(SECOND // 2)
TRADES_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """Resting contracts of both legs at one instant: within the band, and in all."""

    at: Micros
    yes_near: Count
    no_near: Count
    total: Count


@dataclass(frozen=True, slots=True)
class History:
    """Book samples of the last two minutes and the latest `TRADES_KEPT` trades, oldest first."""

    samples: tuple[Sample, ...]
    trades: tuple[TradePrint, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Aggregates over the window. Takers who acquire our leg compete with us; takers of the other leg fill our queue."""

    rivals: Count
    suppliers: Count
    queue_now: Count
    queue_mean: Count
    offers_now: Count
    offers_mean: Count
    volumes: tuple[Count, ...]


NO_HISTORY: Final = History((), ())


def observe(history: History, book: Book, at: Micros) -> History:
    """Return the history with a sample of the book, unless the last one is fresh."""
    if not sample_due(history, at):
        return history
    sample = Sample(
        at,
        within(book.yes, BAND),
        within(book.no, BAND),
        Count(sum(count for _, count in book.yes) + sum(count for _, count in book.no)),
    )
    return History((*_since(history.samples, at), sample), history.trades)


def sample_due(history: History, at: Micros) -> bool:
    """Return whether the last sample is old enough for another one."""
    return not history.samples or at - history.samples[-1].at >= SAMPLE_SPACING


def record(history: History, prints: tuple[TradePrint, ...]) -> History:
    """Return the history with public trades added, each once."""
    known = {trade.trade_id for trade in history.trades}
    fresh = {trade.trade_id: trade for trade in prints if trade.trade_id not in known}
    if not fresh:
        return history
    trades = sorted((*history.trades, *fresh.values()), key=_when)
    return History(history.samples, tuple(trades[-TRADES_KEPT:]))


def flow(history: History, leg: Leg, now: Micros) -> Flow:
    """Return the window's aggregates for an order that acquires `leg`."""
    samples = _since(history.samples, now)
    trades = _after(history.trades, Micros(now - WINDOW))
    yes, no = [sample.yes_near for sample in samples], [sample.no_near for sample in samples]
    queue, offers = (yes, no) if leg is Leg.YES else (no, yes)
    rivals = sum([trade.count for trade in trades if trade.taker is leg])
    return Flow(
        rivals=Count(rivals),
        suppliers=Count(sum([trade.count for trade in trades]) - rivals),
        queue_now=queue[-1] if queue else Count(0),
        queue_mean=_mean(queue[:-1]),
        offers_now=offers[-1] if offers else Count(0),
        offers_mean=_mean(offers[:-1]),
        volumes=tuple([sample.total for sample in samples]),
    )


def supplied(history: History, leg: Leg, price: Price, since: Micros) -> Count:
    """Return how many contracts takers of the other leg traded at `price` or better for them, since an instant.

    Those trades consume the queue in which an order of ours at `price` waits.
    """
    trades = _after(history.trades, since)
    if leg is Leg.YES:
        return Count(sum([trade.count for trade in trades if trade.taker is Leg.NO and trade.yes_price <= price]))
    other = DOLLAR - price
    return Count(sum([trade.count for trade in trades if trade.taker is Leg.YES and trade.yes_price >= other]))


def _since(samples: tuple[Sample, ...], now: Micros) -> tuple[Sample, ...]:
    return samples[bisect_right(samples, now - WINDOW, key=_taken_at) :]


def _after(trades: tuple[TradePrint, ...], instant: Micros) -> tuple[TradePrint, ...]:
    return trades[bisect_right(trades, instant, key=_when) :]


def _mean(counts: list[Count]) -> Count:
    return Count(sum(counts) // len(counts)) if counts else Count(0)


def _taken_at(sample: Sample) -> Micros:
    return sample.at


def _when(trade: TradePrint) -> Micros:
    return trade.at
