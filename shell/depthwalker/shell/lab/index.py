"""Look-ups in a tape's columns: the book after an event, one level's history, who took from a side, what was added.

An instant is told as the number of events before it. Nothing is stepped through: what lies between two instants is a slice of
its side's columns, which is compared as a whole.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import Final, cast

import numpy as np
from typing_extensions import override

from depthwalker.core.book import Ladder, Leg
from depthwalker.core.depth import BAND
from depthwalker.core.flow import MOST_TRADES, SAMPLE_SPACING, WINDOW, Flow
from depthwalker.core.units import DOLLAR, Count, Micros
from depthwalker.shell.lab.columns import Columns, Ints, Side
from depthwalker.shell.lab.market import ORIGIN

_APART: Final = 64  # changes between two kept books, at least
_CACHED: Final = 20_000
_BLOCK: Final = 64  # samples that are read together
_SOON: Final = 256  # events
_AGGREGATES: Final = tuple(one.name for one in fields(Flow))


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
        self._offered: Ints = DOLLAR - side.prices
        self._events = side.event.data
        self._kept: dict[int, Ints] = {0: side.opening}  # the book after so many changes
        self._known = [0]
        self._ladders: dict[int, Ladder] = {}
        self._offers: dict[int, Ladder] = {}
        self._met: dict[int, tuple[tuple[int, int], ...]] = {}
        takers = columns.takes.leg == int(leg is Leg.YES)  # whoever acquires the other leg takes from this one's bids
        self._take_event = columns.takes.event[takers]
        self._take_count = columns.takes.count[takers]
        self._take_floor = columns.takes.floor[takers]
        self._take_events: list[int] = self._take_event.tolist()

    def ladder(self, events: int) -> Ladder:
        """Return the bids after so many events, best first."""
        rows = bisect_left(self._events, events)
        found = self._ladders.get(rows)
        if found is None:
            if len(self._ladders) > _CACHED:
                self._ladders.clear()
            found = self._ladders[rows] = self._read(rows, self._side.prices)
        return found

    def offers(self, events: int) -> Ladder:
        """Return the offers of the other leg that these bids amount to, best first."""
        rows = bisect_left(self._events, events)
        found = self._offers.get(rows)
        if found is None:
            if len(self._offers) > _CACHED:
                self._offers.clear()
            found = self._offers[rows] = self._read(rows, self._offered)
        return found

    def count(self, price: int, events: int) -> int:
        """Return what rests at a price after so many events."""
        level = self._level(price)
        return 0 if level is None else int(self._book(bisect_left(self._events, events))[level])

    def lowest(self, price: int, since: int, events: int) -> int:
        """Return the least that rested at a price from after `since` events to after `events`, both included."""
        return min(self.steps(price, since, events))

    def steps(self, price: int, since: int, events: int) -> list[int]:
        """Return what rested at a price after `since` events, and after each change up to `events`."""
        level = self._level(price)
        if level is None:
            return [0]
        low, high = bisect_left(self._events, since), bisect_left(self._events, events)
        changed = self._side.count[low:high][self._side.level[low:high] == level]
        return [int(self._book(low)[level]), *changed.tolist()]

    def added(self, least: int, since: int, events: int) -> list[tuple[int, int, int]]:
        """Return the additions at `least` or more as (event, price, count), from event `since` up to before `events`."""
        low, high = bisect_left(self._events, since), bisect_left(self._events, events)
        if low == high:
            return []
        side, lowest = self._side, bisect_left(self._prices, least)
        levels, changes = side.level[low:high], side.change[low:high]
        places = ((levels >= lowest) & (changes > 0)).nonzero()[0]
        if not len(places):
            return []
        found = side.event[low:high][places], side.prices[levels[places]], changes[places]
        return list(zip(*[column.tolist() for column in found], strict=True))

    def added_in_all(self, since: int, events: int) -> dict[int, int]:
        """Return how much was added at each price, from event `since` up to before `events`."""
        found: dict[int, int] = {}
        for _, price, count in self.added(0, since, events):
            found[price] = found.get(price, 0) + count
        return found

    def taken(self, most: int, since: int, events: int) -> list[Taken]:
        """Return who took, going down to `most` or lower, from event `since` up to before `events`."""
        low = bisect_left(self._take_events, since)
        high = bisect_left(self._take_events, events, low)
        if low == high:
            return []
        return [
            Taken(event, count, floor, self.hits(event))
            for event, count, floor in zip(
                self._take_events[low:high],
                self._take_count[low:high].tolist(),
                self._take_floor[low:high].tolist(),
                strict=True,
            )
            if floor <= most
        ]

    def prints(self, most: int, since: int, events: int) -> list[tuple[int, int]]:
        """Return the trades at `most` or lower as (event, count), from event `since` up to before `events`."""
        return [
            (taken.event, count)
            for taken in self.taken(most, since, events)
            for price, count in _printed(taken)
            if price <= most
        ]

    def hits(self, event: int) -> tuple[tuple[int, int], ...]:
        """Return what an event took from this side, best first, as (price, count)."""
        found = self._met.get(event)
        if found is None:
            low, high = bisect_left(self._events, event), bisect_left(self._events, event + 1)
            side = self._side
            found = self._met[event] = tuple(
                (self._prices[level], -change)
                for level, change in zip(side.level[low:high].tolist(), side.change[low:high].tolist(), strict=True)
            )
        return found

    def printed(self) -> tuple[Ints, Ints]:
        """Return every trade that hit this side as (event, count): the hits, then what the book did not hold."""
        first = np.searchsorted(self._side.event, self._take_event, side="left")
        last = np.searchsorted(self._side.event, self._take_event, side="right")
        lengths = last - first
        starts = np.cumsum(lengths) - lengths
        rows = np.arange(lengths.sum()) + np.repeat(first - starts, lengths)
        hit = -self._side.change[rows]
        lost = self._take_count - (
            np.append(0, np.cumsum(hit))[starts + lengths] - np.append(0, np.cumsum(hit))[starts]
        )
        events = np.concatenate((self._side.event[rows], self._take_event[lost != 0]))
        order = np.argsort(events, kind="stable")
        return events[order], np.concatenate((hit, lost[lost != 0]))[order]

    def near(self, events: Ints) -> tuple[Ints, Ints]:
        """Return what rested near the best, and in all, after each of so many events, which ascend."""
        side, samples = self._side, np.arange(len(events), dtype=np.int16)
        if not len(side.prices):
            return np.zeros_like(events), np.zeros_like(events)
        rows = np.searchsorted(side.event, events, side="left")
        first, last = int(rows[0]), int(rows[-1])
        table = np.full((len(events), len(side.prices)), -1, dtype=np.int64)
        table[0] = self._book(first)
        table[np.repeat(samples[1:], np.diff(rows)), side.level[first:last]] = side.count[first:last]
        latest = np.maximum.accumulate((table >= 0) * samples[:, None], axis=0)
        table = table[latest, np.arange(len(side.prices))]
        best = side.prices[len(side.prices) - 1 - np.argmax(table[:, ::-1] > 0, axis=1)]
        return np.where(side.prices >= best[:, None] - BAND, table, 0).sum(axis=1), table.sum(axis=1)

    def _level(self, price: int) -> int | None:
        level = bisect_left(self._prices, price)
        return level if level < len(self._prices) and self._prices[level] == price else None

    def _book(self, rows: int) -> Ints:
        """Return what rests at each level after so many changes; it is not to be written to."""
        since = self._known[bisect_right(self._known, rows) - 1]
        state = self._kept[since]
        if since < rows:
            state = state.copy()
            state[self._side.level[since:rows]] = self._side.count[since:rows]
        if rows - since >= _APART:
            insort(self._known, rows)
            self._kept[rows] = state
        return state

    def _read(self, rows: int, prices: Ints) -> Ladder:
        book = self._book(rows)
        levels = book.nonzero()[0][::-1]
        return cast("Ladder", tuple(zip(prices[levels].tolist(), book[levels].tolist(), strict=True)))


class Unread(Flow):
    """A window's aggregates that are worked out when the first of them is read: most decisions read none."""

    __slots__ = ("_told",)
    _told: Callable[[], Flow]

    def __init__(self, told: Callable[[], Flow]) -> None:
        object.__setattr__(self, "_told", told)

    def __getattr__(self, name: str) -> object:
        if name not in _AGGREGATES:
            raise AttributeError(name)
        flow = self._told()
        for one in _AGGREGATES:
            object.__setattr__(self, one, getattr(flow, one))
        return getattr(flow, name)

    @override
    def __reduce__(self) -> tuple[type[Flow], tuple[object, ...]]:
        return Flow, tuple([getattr(self, one) for one in _AGGREGATES])  # a copy has been read

    @override
    def __eq__(self, other: object) -> bool:
        return astuple(self) == astuple(other) if isinstance(other, Flow) else NotImplemented

    @override
    def __hash__(self) -> int:
        return hash(astuple(self))


class Index:
    """A tape ready to be looked up; it never changes, and every parent and algorithm shares it."""

    def __init__(self, columns: Columns, silences: tuple[tuple[Micros, Micros], ...] = ()) -> None:
        self.columns = columns
        self._silences = silences
        self._at = columns.at.data
        self.sides = {leg: SideIndex(columns.side(leg), columns, leg) for leg in Leg}
        self._sample_at = _sampled(columns.at)
        self._near = [0] * len(self._sample_at), [0] * len(self._sample_at)  # of YES, of NO
        self._volumes = [Count(0)] * len(self._sample_at)
        self._ready: set[int] = set()
        self._flows: dict[tuple[bool, int, int, int, int], Flow] = {}
        yes, no = self.sides[Leg.YES].printed(), self.sides[Leg.NO].printed()
        events, counts = np.concatenate((yes[0], no[0])), np.concatenate((yes[1], no[1]))
        order = np.argsort(events, kind="stable")
        taker_of_yes = np.arange(len(events)) >= len(yes[0])  # what hits bids for NO acquires YES
        self._print_at = columns.at[events[order]].data
        self._yes_sum = _sums(np.where(taker_of_yes, counts, 0)[order])
        self._all_sum = _sums(counts[order])

    def before(self, at: Micros, since: int = 0) -> int:
        """Return how many events have happened at an instant; `since` is a number that had, for a quicker answer."""
        soon = since + _SOON
        if soon < len(self._at) and self._at[soon] > at:
            return bisect_right(self._at, at, since, soon)
        return bisect_right(self._at, at, since)

    def at(self, event: int) -> Micros:
        """Return the instant of an event."""
        return Micros(self._at[event])

    def end(self) -> Micros:
        """Return the instant at which the tape ends."""
        return Micros(ORIGIN + self.columns.span)

    def unrecorded(self, since: Micros, until: Micros) -> bool:
        """Return whether nobody recorded for a part of the time between two instants."""
        return any(start < until and since < end for start, end in self._silences)

    def trades(self) -> int:
        """Return how many trades the tape holds: a recorded one counts once, whatever levels of the book it met."""
        return len(self.columns.takes.event)

    def last_trade(self, now: Micros) -> Micros:
        """Return the instant of the last trade until `now`, or 0."""
        last = bisect_right(self._print_at, now)
        return Micros(self._print_at[last - 1] if last else 0)

    def next_trade(self, now: Micros) -> Micros | None:
        """Return the instant of the first trade after `now`."""
        following = bisect_right(self._print_at, now)
        return Micros(self._print_at[following]) if following < len(self._print_at) else None

    def flow(self, leg: Leg, now: Micros) -> Flow:
        """Return the window's aggregates, as `flow.flow` does."""
        return Unread(partial(self._window, leg, now))

    def _window(self, leg: Leg, now: Micros) -> Flow:
        high = bisect_right(self._sample_at, now)
        low = bisect_right(self._sample_at, now - WINDOW)
        last = bisect_right(self._print_at, now)
        first = max(bisect_right(self._print_at, now - WINDOW), last - MOST_TRADES)
        asked = leg is Leg.NO, low, high, first, last
        found = self._flows.get(asked)
        if found is None:
            if len(self._flows) > _CACHED:
                self._flows.clear()
            found = self._flows[asked] = self._flow(*asked)
        return found

    def _flow(self, no: bool, low: int, high: int, first: int, last: int) -> Flow:
        """Return the aggregates of the samples `low` to before `high` and the trades `first` to before `last`."""
        yes, both = self._yes_sum[last] - self._yes_sum[first], self._all_sum[last] - self._all_sum[first]
        rivals = both - yes if no else yes
        self._sample(low, high)
        queue, offered = self._near[no][low:high], self._near[not no][low:high]
        earlier = max(0, high - low - 1)
        return Flow(
            rivals=Count(rivals),
            suppliers=Count(both - rivals),
            queue_now=Count(queue[-1] if queue else 0),
            queue_mean=Count(sum(queue[:-1]) // earlier if earlier else 0),
            offers_now=Count(offered[-1] if offered else 0),
            offers_mean=Count(sum(offered[:-1]) // earlier if earlier else 0),
            volumes=tuple(self._volumes[low:high]),
        )

    def _sample(self, low: int, high: int) -> None:
        """Read the books at samples `low` to before `high`, where that has not been done."""
        for block in range(low // _BLOCK, -(-high // _BLOCK)):
            if block in self._ready:
                continue
            self._ready.add(block)
            first, last = block * _BLOCK, (block + 1) * _BLOCK
            events = np.searchsorted(self.columns.at, self._sample_at[first:last], side="right")
            yes, no = self.sides[Leg.YES].near(events), self.sides[Leg.NO].near(events)
            for held, side in zip(self._near, (yes, no), strict=True):
                held[first:last] = side[0].tolist()
            self._volumes[first:last] = (yes[1] + no[1]).tolist()


def _printed(taken: Taken) -> tuple[tuple[int, int], ...]:
    """Return the trades that a taker was: what it hit, and what the recorded book did not hold at its limit."""
    lost = taken.count - sum(count for _, count in taken.hits)
    return (*taken.hits, (taken.floor, lost)) if lost else taken.hits


def _sampled(at: Ints) -> list[int]:
    """Return the instants at which a live history takes its samples: the tape's beginning, and the first event of each half second."""
    halves = at // SAMPLE_SPACING
    first = np.ones(len(at), dtype=np.bool_)
    first[:1] = halves[:1] != ORIGIN // SAMPLE_SPACING
    first[1:] = halves[1:] != halves[:-1]
    return [ORIGIN, *at[first].tolist()]


def _sums(counts: Ints) -> memoryview:
    return np.append(0, np.cumsum(counts)).data
