"""A market drawn from a profile: the same tape for the same profile, seed and length, in integers only.

A fair value wanders; the others seek a spread around it that they change now and then. They touch levels at the profile's
pace: inside the spread they improve towards it, at the best they withdraw what the fair value has left behind, and
elsewhere they add or cancel so that what rests within 5 cents stays in the profile's band. Takers come at their rate, side
with memory, and move the fair value a little.

Takers come in runs, and the fair value moves in jumps, as recorded: most minutes bring little, a few bring much.

Simplified: touches come without clusters; a crowd's order is one touch; a taker takes at most what the two best levels hold and
leaves the last level; sizes and places are drawn independently. docs/calibration.md holds all of it beside what was recorded.
"""

import random
from collections.abc import Iterator
from math import isqrt
from typing import Final

from depthwalker.core.book import Book, Leg, best_first, within
from depthwalker.core.tape import Arrive, Event, Flow, Take, Tape, Withdraw, after
from depthwalker.core.units import CENT, CONTRACT, DOLLAR, MILLION, SECOND, Count, Micros, Price
from depthwalker.shell.profiles import QUANTILES, Profile, Quantiles

BAND: Final = Price(5 * CENT)
_STEP: Final = Micros(10_000)  # at most one event in each
_STEPS_A_SECOND: Final = SECOND // _STEP
_FAIR_LOW, _FAIR_HIGH = 250_000, 750_000  # 1e-6 dollar: a market that is still undecided
_FAIR_SCALE: Final = 100  # the fair value's unit is a hundredth of a price's
_DEEP_TICKS: Final = 10
_LOOKS: Final = 3  # places in which somebody looks for something to do
_NEAR: Final = 2  # touches inside the spread, at the best and a tick behind it follow the fair value first


def synthesize(profile: Profile, seed: int, seconds: int, ticker: str | None = None) -> Tape:
    """Return `seconds` of a market like the profile's."""
    name = ticker if ticker is not None else f"SYN-{profile.name.upper()}-{seed}"
    market = _Market(profile, random.Random(f"{profile.name} {seed}"))  # noqa: S311 - a simulation guards nothing
    opening = market.book
    span = Micros(seconds * SECOND)
    return Tape(name, profile.grid, opening, tuple(market.events(span)), span)


class _Market:
    """The others' book while it is being drawn."""

    def __init__(self, profile: Profile, chance: random.Random) -> None:
        self.profile = profile
        self.chance = chance
        self.fair = chance.randrange(_FAIR_LOW + 50_000, _FAIR_HIGH - 50_000)
        self.spread = self._drawn_spread()
        self.taker = chance.choice((Leg.YES, Leg.NO))
        weak, strong = profile.bands
        bands = (weak, strong) if chance.randrange(2) else (strong, weak)
        self.bands = dict(zip((Leg.YES, Leg.NO), bands, strict=True))
        self.wanted = {leg: chance.randrange(low, high) for leg, (low, high) in self.bands.items()}
        self.book = Book((), (), Micros(0))
        for leg in (Leg.YES, Leg.NO):
            self._furnish(leg)

    def events(self, span: Micros) -> Iterator[Event]:
        """Yield the flow and keep the book in step with it."""
        touches = self.profile.touches
        weights = 2 * (touches.improve, *touches.behind, touches.deep)
        leading = self.profile.takes_per_hour * (MILLION - self.profile.followed) // 3600
        total = leading + sum(weights)
        follower = -1
        for step in range(span // _STEP):
            if step % _STEPS_A_SECOND == 0:
                self._wander()
            draw = self.chance.randrange(MILLION * _STEPS_A_SECOND)
            if draw >= total and step != follower:
                continue
            if draw < leading or step == follower:
                flows = tuple(self._take())
                if self.chance.randrange(MILLION) < self.profile.followed:
                    follower = step + 1 + self.chance.randrange(self.profile.follows * _STEPS_A_SECOND)
            else:
                flows = self._touched(weights)
            at = Micros(step * _STEP + self.chance.randrange(_STEP // 1000) * 1000)
            for flow in flows:
                event = Event(at, flow)
                self.book = after(self.book, event)
                yield event

    def _touched(self, weights: tuple[int, ...]) -> tuple[Flow, ...]:
        """Return a touch; who finds nothing to do in one place looks at others."""
        for kind in self.chance.choices(range(len(weights)), weights, k=_LOOKS):
            flows = tuple(self._touch(kind))
            if flows:
                return flows
        return ()

    def _touch(self, kind: int) -> Iterator[Flow]:
        places = len(self.profile.touches.behind) + 2
        leg, place = (Leg.YES, Leg.NO)[kind // places], kind % places
        best = self.book.bids(leg)[0][0]
        top = self._top(leg)
        if place <= _NEAR and best > top:
            yield from self._retreat(leg, top)
        elif place <= _NEAR and best < top:
            yield from self._add(leg, top)
        elif place == places - 1:
            yield from self._adjust(leg, self._behind(leg, self.chance.randrange(6, 6 + _DEEP_TICKS)), MILLION, 3)
        else:
            tick = max(0, place - 1)
            yield from self._adjust(leg, self._behind(leg, tick), self.profile.occupied[tick], 1)

    def _wander(self) -> None:
        if not self.chance.randrange(self.profile.fair_rest):
            deviation = isqrt(self.profile.fair_minute**2 * self.profile.fair_rest // 60)
            self.fair += sum(self.chance.randrange(2 * deviation + 1) for _ in range(3)) - 3 * deviation
        self.fair = max(_FAIR_LOW, min(_FAIR_HIGH, self.fair))
        if not self.chance.randrange(self.profile.spread_life):
            self.spread = self._drawn_spread()

    def _drawn_spread(self) -> Price:
        spreads, shares = zip(*self.profile.spreads, strict=True)
        drawn: Price = self.chance.choices(spreads, shares)[0]
        return drawn

    def _top(self, leg: Leg) -> Price:
        """Return the bid that the others seek for a leg: both together leave the spread around the fair value."""
        yes = self.profile.grid.floor((self.fair - self.spread * _FAIR_SCALE // 2) // _FAIR_SCALE)
        assert yes is not None
        return yes if leg is Leg.YES else Price(DOLLAR - yes - self.spread)

    def _behind(self, leg: Leg, ticks: int) -> Price:
        price = self.book.bids(leg)[0][0]
        return Price(max(price - ticks * CENT, CENT))

    def _furnish(self, leg: Leg) -> None:
        top = self._top(leg)
        ticks = [tick for tick, share in enumerate(self.profile.occupied) if self.chance.randrange(MILLION) < share]
        weights = [self._drawn(self.profile.adds) for _ in ticks]
        wanted = self.wanted[leg]
        levels = [
            (Price(top - tick * CENT), self._rounded(max(CONTRACT, wanted * weight // sum(weights))))
            for tick, weight in zip(ticks, weights, strict=True)
        ]
        levels += [(Price(top - tick * CENT), self._drawn(self.profile.adds)) for tick in range(6, 6 + _DEEP_TICKS, 2)]
        ladder = best_first(levels)
        self.book = Book(ladder, self.book.no, Micros(0)) if leg is Leg.YES else Book(self.book.yes, ladder, Micros(0))

    def _retreat(self, leg: Leg, top: Price) -> Iterator[Flow]:
        """Withdraw the best level, which the fair value has left behind, where another remains or can take its place."""
        price, count = self.book.bids(leg)[0]
        if len(self.book.bids(leg)) == 1:
            yield Arrive(leg, top, count)
        yield Withdraw(leg, price, count)

    def _adjust(self, leg: Leg, price: Price, occupied: int, times: int) -> Iterator[Flow]:
        """Add or cancel at a price, the likelier the further the band (or three times it, deeper) is from its mean."""
        wanted = self.wanted[leg] * times
        held = within(self.book.bids(leg), BAND if times == 1 else DOLLAR)
        draw = self.chance.randrange(wanted) - wanted // 2
        if draw < wanted - held:
            if self._holds(leg, price) or self.chance.randrange(MILLION) < occupied:
                yield from self._add(leg, price)
        elif self._holds(leg, price):
            yield from self._cancel(leg, price)

    def _add(self, leg: Leg, price: Price) -> Iterator[Flow]:
        facing = self.book.bids(leg.other())[0][0]
        highest = self.profile.grid.down(DOLLAR - facing)
        assert highest is not None
        bid = min(price, highest)
        room = self.bands[leg][1] - self._band_with(leg, bid)
        best = self.book.bids(leg)[0][0]
        count = self._drawn(self.profile.adds)
        if bid >= best - BAND:
            count = min(count, self._rounded(max(CONTRACT, room)))
            if room <= 0 and bid <= best:
                return
        yield Arrive(leg, bid, count)

    def _cancel(self, leg: Leg, price: Price) -> Iterator[Flow]:
        bids = self.book.bids(leg)
        held = self._holds(leg, price)
        spare = within(bids, BAND) - self.bands[leg][0] if price >= bids[0][0] - BAND else held
        count = min(held, spare, self._drawn(self.profile.removes))
        if count > 0 and (count < held or len(bids) > 1):
            yield Withdraw(leg, price, Count(count))

    def _take(self) -> Iterator[Flow]:
        if self.chance.randrange(2 * MILLION) >= MILLION + self.profile.sign_memory:
            self.taker = self.taker.other()
        offers = self.book.bids(self.taker.other())
        price, nearest = offers[0]
        if len(offers) > 2:
            behind, more = offers[1]
        else:
            behind, more = price, Count(0 if len(offers) == 2 else -CONTRACT)  # the last level keeps a contract
        count = min(self._drawn(self.profile.takes), nearest + more)
        if count <= 0:
            return
        limit = price if count <= nearest else behind
        sign = 1 if self.taker is Leg.YES else -1
        self.fair += sign * self.profile.impact * _FAIR_SCALE
        yield Take(self.taker, Price(DOLLAR - limit), Count(count))

    def _holds(self, leg: Leg, price: Price) -> Count:
        return next((count for level, count in self.book.bids(leg) if level == price), Count(0))

    def _band_with(self, leg: Leg, price: Price) -> Count:
        """Return what the band would hold if the best bid were at least `price`."""
        bids = self.book.bids(leg)
        best = max(price, bids[0][0])
        return Count(sum(count for level, count in bids if level >= best - BAND))

    def _drawn(self, sizes: Quantiles) -> Count:
        draw = self.chance.randrange(MILLION)
        lower, least = 0, CONTRACT if self.profile.fractional == 0 else Count(1)
        for upper, most in zip(QUANTILES, sizes, strict=True):
            if draw < upper:
                return self._rounded(least + (most - least) * (draw - lower) // (upper - lower))
            lower, least = upper, most
        return self._rounded(sizes[-1])

    def _rounded(self, count: int) -> Count:
        if self.chance.randrange(MILLION) < self.profile.fractional:
            return Count(max(1, count))
        return Count(max(1, count // CONTRACT) * CONTRACT)
