"""What happened in the market lately, as aggregates over a fixed window, in the frame of the leg we acquire.

`History` is a bounded record of book samples and public trades, folded by the shell as they arrive; `flow` reads it. It
is read much more often than it grows, so it keeps running sums: what lies between two instants is a difference.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeAlias

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg, within
from depthwalker.core.depth import BAND
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price

WINDOW: Final = Micros(120 * SECOND)  # the specification's lookback of two minutes
SAMPLE_SPACING: Final = Micros(SECOND // 2)
TRADES_KEPT: Final = 500  # where fewer traded within the window: orders wait for longer than that
MOST_TRADES: Final = 5_000  # three times what the busiest two minutes of recorded quarter-hour markets had


@dataclass(frozen=True, slots=True)
class Sample:
    """Resting contracts of both legs at one instant: within the band, and in all."""

    at: Micros
    yes_near: Count
    no_near: Count
    total: Count


Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class History:
    """Book samples and trades of the last two minutes, oldest first; `gather` makes one.

    At least the latest `TRADES_KEPT` trades are kept, at most `MOST_TRADES`.

    `near` are running sums of the samples, YES and NO, `taken` of the trades, by takers of YES and of NO, from any base.
    """

    samples: tuple[Sample, ...]
    trades: tuple[TradePrint, ...]
    near: tuple[Pair, ...]
    taken: tuple[Pair, ...]


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


NO_HISTORY: Final = History((), (), (), ())


def gather(samples: tuple[Sample, ...], trades: tuple[TradePrint, ...]) -> History:
    """Return the history of samples and trades, each oldest first."""
    return History(samples, trades, tuple(accumulate(map(_near, samples), _plus)), _running(trades))


def observe(history: History, book: Book, at: Micros) -> History:
    """Return the history with a sample of the book, unless this half second has one."""
    if not sample_due(history, at):
        return history
    sample = Sample(
        at,
        within(book.yes, BAND),
        within(book.no, BAND),
        Count(sum([count for _, count in book.yes]) + sum([count for _, count in book.no])),
    )
    first = _first(history.samples, at)
    added = _near(sample)
    near = (*history.near[first:], _plus(history.near[-1], added) if history.near else added)
    return History((*history.samples[first:], sample), history.trades, near, history.taken)


def sample_due(history: History, at: Micros) -> bool:
    """Return whether no sample is of this half second of the clock: who begins to watch later takes the same ones."""
    return not history.samples or at // SAMPLE_SPACING > history.samples[-1].at // SAMPLE_SPACING


def record(history: History, prints: tuple[TradePrint, ...]) -> History:
    """Return the history with public trades added, each once."""
    known = {trade.trade_id for trade in history.trades}
    fresh = sorted({trade.trade_id: trade for trade in prints if trade.trade_id not in known}.values(), key=_when)
    if not fresh:
        return history
    before = bisect_right(history.trades, fresh[0].at, key=_when)  # those after it make way; mostly there are none
    trades = (*history.trades[:before], *sorted((*history.trades[before:], *fresh), key=_when))
    taken = (*history.taken[:before], *_running(trades[before:], *history.taken[before - 1 : before]))
    first = _kept_from(trades)
    return History(history.samples, trades[first:], history.near, taken[first:])


def flow(history: History, leg: Leg, now: Micros) -> Flow:
    """Return the window's aggregates for an order that acquires `leg`."""
    samples, near = history.samples, history.near
    first = _first(samples, now)
    window = samples[first:]
    (yes_now, no_now), (yes_mean, no_mean) = (0, 0), (0, 0)
    if window:
        yes_now, no_now = _near(window[-1])
        earlier = len(window) - 1
        if earlier:
            yes, no = _between(near[first], near[-2], _near(window[0]))
            yes_mean, no_mean = yes // earlier, no // earlier
    bought, sold = _taken_since(history, Micros(now - WINDOW))
    ours = leg is Leg.YES
    return Flow(
        rivals=Count(bought if ours else sold),
        suppliers=Count(sold if ours else bought),
        queue_now=Count(yes_now if ours else no_now),
        queue_mean=Count(yes_mean if ours else no_mean),
        offers_now=Count(no_now if ours else yes_now),
        offers_mean=Count(no_mean if ours else yes_mean),
        volumes=tuple([sample.total for sample in window]),
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


def _kept_from(trades: tuple[TradePrint, ...]) -> int:
    """Return the place of the first trade worth keeping."""
    of_the_window = bisect_right(trades, trades[-1].at - WINDOW, key=_when)
    return max(0, len(trades) - MOST_TRADES, min(of_the_window, len(trades) - TRADES_KEPT))


def _taken_since(history: History, instant: Micros) -> Pair:
    """Return what takers of YES and of NO traded after an instant."""
    trades, taken = history.trades, history.taken
    first = bisect_right(trades, instant, key=_when)
    return _between(taken[first], taken[-1], _sides(trades[first])) if first < len(trades) else (0, 0)


def _between(first: Pair, last: Pair, amount: Pair) -> Pair:
    """Return what was added up from one running sum to another, the first one's own amount included."""
    return last[0] - first[0] + amount[0], last[1] - first[1] + amount[1]


def _running(trades: tuple[TradePrint, ...], base: Pair = (0, 0)) -> tuple[Pair, ...]:
    """Return the sums of the trades one after the other, on from `base`."""
    return tuple(accumulate(map(_sides, trades), _plus, initial=base))[1:]


def _plus(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]


def _near(sample: Sample) -> Pair:
    return sample.yes_near, sample.no_near


def _sides(trade: TradePrint) -> Pair:
    return (trade.count, 0) if trade.taker is Leg.YES else (0, trade.count)


def _first(samples: tuple[Sample, ...], now: Micros) -> int:
    """Return the place of the window's first sample."""
    return bisect_right(samples, now - WINDOW, key=_taken_at)


def _after(trades: tuple[TradePrint, ...], instant: Micros) -> tuple[TradePrint, ...]:
    return trades[bisect_right(trades, instant, key=_when) :]


def _taken_at(sample: Sample) -> Micros:
    return sample.at


def _when(trade: TradePrint) -> Micros:
    return trade.at
