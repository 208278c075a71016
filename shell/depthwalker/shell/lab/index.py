"""Look-ups in a tape's columns: the book after an event, one level's history, who took from a side, what was added.

An instant is told as the number of events before it. Everything here costs what it answers, not what lies between.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np

from depthwalker.core.book import Ladder, Leg
from depthwalker.core.depth import BAND
from depthwalker.core.flow import SAMPLE_SPACING, TRADES_KEPT, WINDOW, Flow
from depthwalker.core.units import DOLLAR, Count, Micros, Price
from depthwalker.shell.lab.columns import ORIGIN, Columns, Ints, Side

_CHUNK: Final = 64  # changes between two kept books
_CACHED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A taker met one side's bids at `event`: `count` wanted, nothing below `floor`; `hits` are (price, count)."""

    event: int
    count: int
    floor: int
    hits: tuple[tuple[int, int], ...]


class SideIndex:
    """The bids of one leg, ready to be looked up."""

    def __init__(self, side: Side, columns: Columns, leg: Leg) -> None:
        self._side = side
        self._prices: list[int] = side.prices.tolist()
        self._events: list[int] = side.event.tolist()
        self._kept = _kept(side)
        self._histories: dict[int, tuple[list[int], list[int]]] = {}
        self._order = np.argsort(side.level, kind="stable")
        self._starts: list[int] = np.searchsorted(side.level[self._order], np.arange(len(self._prices) + 1)).tolist()
        self._ladders: dict[int, Ladder] = {}
        grown = side.change > 0
        self._added: list[int] = side.event[grown].tolist()
        self._added_price = side.prices[side.level[grown]] if len(self._prices) else side.event[grown]
        self._added_count = side.change[grown]
        takers = columns.takes.leg == int(leg is Leg.YES)  # whoever acquires the other leg takes from this one's bids
        self._takes: list[tuple[int, int, int]] = list(
            zip(
                columns.takes.event[takers].tolist(),
                columns.takes.count[takers].tolist(),
                columns.takes.floor[takers].tolist(),
                strict=True,
            )
        )
        self._take_events = [take[0] for take in self._takes]

    def ladder(self, events: int) -> Ladder:
        """Return the bids after so many events, best first."""
        rows = bisect_left(self._events, events)
        found = self._ladders.get(rows)
        if found is None:
            if len(self._ladders) > _CACHED:
                self._ladders.clear()
            found = self._ladders[rows] = self._read(rows)
        return found

    def count(self, price: int, events: int) -> int:
        """Return what rests at a price after so many events."""
        numbers, counts = self._history(price)
        return counts[bisect_left(numbers, events)]

    def lowest(self, price: int, since: int, events: int) -> int:
        """Return the least that rested at a price from after `since` events to after `events`, both included."""
        numbers, counts = self._history(price)
        return min(counts[bisect_left(numbers, since) : bisect_left(numbers, events) + 1])

    def steps(self, price: int, since: int, events: int) -> list[int]:
        """Return what rested at a price after `since` events, and after each change up to `events`."""
        numbers, counts = self._history(price)
        return counts[bisect_left(numbers, since) : bisect_left(numbers, events) + 1]

    def added(self, least: int, since: int, events: int) -> list[tuple[int, int, int]]:
        """Return the additions at `least` or more as (event, price, count), from event `since` up to before `events`."""
        low, high = bisect_left(self._added, since), bisect_left(self._added, events)
        if low == high:
            return []
        prices = self._added_price[low:high]
        places = np.flatnonzero(prices >= least)
        return [
            (self._added[low + place], int(prices[place]), int(self._added_count[low + place]))
            for place in places.tolist()
        ]

    def added_in_all(self, since: int, events: int) -> dict[int, int]:
        """Return how much was added at each price, from event `since` up to before `events`."""
        found: dict[int, int] = {}
        for _, price, count in self.added(0, since, events):
            found[price] = found.get(price, 0) + count
        return found

    def taken(self, most: int, since: int, events: int) -> list[Taken]:
        """Return who took, going down to `most` or lower, from event `since` up to before `events`."""
        low, high = bisect_left(self._take_events, since), bisect_left(self._take_events, events)
        return [
            Taken(event, count, floor, self.hits(event))
            for event, count, floor in self._takes[low:high]
            if floor <= most
        ]

    def hits(self, event: int) -> tuple[tuple[int, int], ...]:
        """Return what an event took from this side, best first, as (price, count)."""
        low, high = bisect_left(self._events, event), bisect_left(self._events, event + 1)
        side = self._side
        return tuple(
            (self._prices[level], -change)
            for level, change in zip(side.level[low:high].tolist(), side.change[low:high].tolist(), strict=True)
        )

    def all_takes(self) -> list[tuple[int, int, int]]:
        """Return every taker from this side as (event, count, floor)."""
        return self._takes

    def near(self, events: Ints) -> tuple[Ints, Ints]:
        """Return what rested near the best, and in all, after each of so many events."""
        rows = np.searchsorted(self._side.event, events, side="left")
        best = np.zeros(len(events), dtype=np.int64)
        near, total = np.zeros_like(best), np.zeros_like(best)
        for level in reversed(range(len(self._prices))):
            mine = self._order[self._starts[level] : self._starts[level + 1]]
            counts = np.concatenate((self._side.opening[level : level + 1], self._side.count[mine]))
            there = counts[np.searchsorted(mine, rows, side="left")]
            best[(best == 0) & (there > 0)] = self._prices[level]
            near += np.where(best - self._prices[level] <= BAND, there, 0)
            total += there
        return near, total

    def _history(self, price: int) -> tuple[list[int], list[int]]:
        found = self._histories.get(price)
        if found is None:
            level = bisect_left(self._prices, price)
            if level == len(self._prices) or self._prices[level] != price:
                found = ([], [0])
            else:
                mine = self._order[self._starts[level] : self._starts[level + 1]]
                first = int(self._side.opening[level])
                found = self._side.event[mine].tolist(), [first, *self._side.count[mine].tolist()]
            self._histories[price] = found
        return found

    def _read(self, rows: int) -> Ladder:
        chunk = rows // _CHUNK
        state = self._kept[chunk].copy()
        since = chunk * _CHUNK
        state[self._side.level[since:rows]] = self._side.count[since:rows]
        places = np.flatnonzero(state)[::-1]
        prices, counts = self._side.prices[places].tolist(), state[places].tolist()
        return tuple((Price(price), Count(count)) for price, count in zip(prices, counts, strict=True))


def _kept(side: Side) -> list[Ints]:
    state = side.opening.copy()
    kept = [state.copy()]
    for since in range(0, len(side.event) - _CHUNK + 1, _CHUNK):
        state[side.level[since : since + _CHUNK]] = side.count[since : since + _CHUNK]
        kept.append(state.copy())
    return kept


class Index:
    """A tape ready to be looked up; it never changes, and every parent and algorithm shares it."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._at: list[int] = columns.at.tolist()
        self.sides = {leg: SideIndex(columns.side(leg), columns, leg) for leg in Leg}
        self._sample_at = _sampled(self._at)
        samples = np.array([self.before(Micros(at)) for at in self._sample_at], dtype=np.int64)
        yes, no = self.sides[Leg.YES].near(samples), self.sides[Leg.NO].near(samples)
        self._near = {Leg.YES: _sums(yes[0]), Leg.NO: _sums(no[0])}
        self._volumes = [Count(total) for total in (yes[1] + no[1]).tolist()]
        prints = sorted(
            (event, self._at[event], leg is Leg.NO, count) for leg in Leg for event, _, count in self._prints(leg)
        )
        self._print_at = [at for _, at, _, _ in prints]
        self._yes_sum = _sums(np.array([count if yes else 0 for _, _, yes, count in prints], dtype=np.int64))
        self._all_sum = _sums(np.array([count for _, _, _, count in prints], dtype=np.int64))

    def before(self, at: Micros) -> int:
        """Return how many events have happened at an instant."""
        return bisect_right(self._at, at)

    def at(self, event: int) -> Micros:
        """Return the instant of an event."""
        return Micros(self._at[event])

    def end(self) -> Micros:
        """Return the instant at which the tape ends."""
        return Micros(ORIGIN + self.columns.span)

    def trades(self) -> int:
        """Return how many trades the tape holds."""
        return len(self._print_at)

    def last_trade(self, now: Micros) -> Micros:
        """Return the instant of the last trade until `now`, or 0."""
        last = bisect_right(self._print_at, now)
        return Micros(self._print_at[last - 1] if last else 0)

    def prints(self, leg: Leg, most: int, since: Micros, now: Micros) -> list[tuple[Micros, int]]:
        """Return the trades that hit bids for `leg` at `most` or lower, after `since` until `now`, as (at, count)."""
        side = self.sides[leg]
        return [
            (self.at(taken.event), count)
            for taken in side.taken(most, self.before(since), self.before(now))
            for price, count in _printed(taken)
            if price <= most
        ]

    def flow(self, leg: Leg, now: Micros) -> Flow:
        """Return the window's aggregates, as `flow.flow` does."""
        high = bisect_right(self._sample_at, now)
        low = bisect_right(self._sample_at, now - WINDOW)
        last = bisect_right(self._print_at, now)
        first = max(bisect_right(self._print_at, now - WINDOW), last - TRADES_KEPT)
        yes, both = self._yes_sum[last] - self._yes_sum[first], self._all_sum[last] - self._all_sum[first]
        rivals = yes if leg is Leg.YES else both - yes
        queue, offers = self._near[leg], self._near[leg.other()]
        earlier = max(0, high - low - 1)
        return Flow(
            rivals=Count(rivals),
            suppliers=Count(both - rivals),
            queue_now=Count(queue[high] - queue[high - 1] if high > low else 0),
            queue_mean=Count((queue[high - 1] - queue[low]) // earlier if earlier else 0),
            offers_now=Count(offers[high] - offers[high - 1] if high > low else 0),
            offers_mean=Count((offers[high - 1] - offers[low]) // earlier if earlier else 0),
            volumes=tuple(self._volumes[low:high]),
        )

    def _prints(self, leg: Leg) -> list[tuple[int, int, int]]:
        side = self.sides[leg]
        return [
            (event, price, count)
            for event, wanted, floor in side.all_takes()
            for price, count in _printed(Taken(event, wanted, floor, side.hits(event)))
        ]


def _printed(taken: Taken) -> tuple[tuple[int, int], ...]:
    """Return the trades that a taker was: what it hit, and what the recorded book did not hold at its limit."""
    lost = taken.count - sum(count for _, count in taken.hits)
    return (*taken.hits, (taken.floor, lost)) if lost else taken.hits


def _sampled(at: list[int]) -> list[int]:
    found = [int(ORIGIN)]
    for instant in at:
        if instant - found[-1] >= SAMPLE_SPACING:
            found.append(instant)
    return found


def _sums(counts: Ints) -> list[int]:
    return [0, *np.cumsum(counts).tolist()]


def offers(bids: Ladder) -> Ladder:
    """Return the offers of a leg that the other one's bids amount to."""
    return tuple((Price(DOLLAR - price), count) for price, count in bids)
