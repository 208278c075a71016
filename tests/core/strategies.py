"""Hypothesis strategies that the core's tests share: what a market, a book and a parent order may look like.

Prices, counts and instants are the core's own integers; a `parents()` example has passed the real `admit`.
"""

from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import Final

from hypothesis import strategies as st

from depthwalker.core.answer import Market, MarketStatus, TradePrint
from depthwalker.core.book import Book, Ladders, Leg, OwnOrder, best_first, complement, ladders
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, ExecutionConfig, PolicyName, WalkerConfig
from depthwalker.core.depth import RECORDED_THRESHOLDS, SPEC_THRESHOLDS
from depthwalker.core.fees import STANDARD, WITH_MAKER_FEES, FeeRates
from depthwalker.core.flow import History, Sample, gather
from depthwalker.core.grid import Band, PriceGrid
from depthwalker.core.ids import ClientId
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Holding, Identity, Parent, Ticket, admit
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import CONTRACT, DOLLAR, MILLION, SECOND, Count, Micros, Price
from depthwalker.core.view import Conditions, View, Waiting, look

NOW: Final = Micros(1_790_000_000 * SECOND)
WIND_DOWN: Final = Micros(4 * SECOND)
TICKER: Final = "KXTEST-26NOV23-T1"
IDENTITY: Final = Identity("0badcafe", "0123456789abcdef0123456789abcdef")
DECI_CENT: Final = dict(STRUCTURES)["deci_cent"]
TAPERED: Final = dict(STRUCTURES)["tapered_deci_cent"]
LOPSIDED: Final = PriceGrid((Band(Price(0), Price(1000), Price(10)), Band(Price(1000), DOLLAR, Price(100))))
GRIDS: Final = tuple(grid for _, grid in STRUCTURES)  # every row of the fact sheet's table, section 3

LEGS: Final = st.sampled_from(Leg)
ACTIONS: Final = st.sampled_from(Action)
RATES: Final = st.sampled_from((STANDARD, WITH_MAKER_FEES, FeeRates(0, 0), FeeRates(35_000, 8_750)))
HEX: Final = "0123456789abcdef"


def grids() -> st.SearchStrategy[PriceGrid]:
    """Every grid of the fact sheet, and one whose mirror is another grid."""
    return st.sampled_from((*GRIDS, LOPSIDED))


def prices(grid: PriceGrid) -> st.SearchStrategy[Price]:
    """Prices that an order may carry."""
    return st.integers(grid.lowest(), grid.highest()).map(lambda price: grid.floor(price) or grid.lowest())


def raw_prices() -> st.SearchStrategy[Price]:
    """Any price strictly between 0 and 1 dollar, on a grid or not."""
    return st.integers(1, DOLLAR - 1).map(Price)


def counts(most: int = 500 * CONTRACT) -> st.SearchStrategy[Count]:
    """From 0.01 contract to `most` hundredths, whole contracts as often as fractions."""
    return st.integers(2, 2 * most + 1).map(_whole_or_not)


def _whole_or_not(number: int) -> Count:
    half, odd = divmod(number, 2)
    return Count(half if odd else max(1, half // CONTRACT) * CONTRACT)


def ratios(longest: int = 5) -> st.SearchStrategy[tuple[int, ...]]:
    """Split ratios: positive parts per million that sum to a million."""
    cuts = st.sets(st.integers(1, MILLION - 1), max_size=longest - 1)
    edges = cuts.map(lambda inner: (0, *sorted(inner), MILLION))
    return edges.map(lambda at: tuple(high - low for low, high in pairwise(at)))


def instants(start: int = NOW, span: int = 120 * SECOND) -> st.SearchStrategy[Micros]:
    """Instants from `start` on."""
    return st.integers(start, start + span).map(Micros)


@st.composite
def books(draw: st.DrawFn, grid: PriceGrid, most_levels: int = 5, at: Micros = NOW) -> Book:
    """Live books on a grid: never crossed, perhaps one-sided or empty; at most `most_levels` a side, or twice on one."""
    found = draw(st.dictionaries(prices(grid), counts(), max_size=2 * most_levels))
    levels = tuple(sorted(found.items()))
    bids = draw(st.integers(0, len(levels)))
    return Book(tuple(reversed(levels[:bids])), complement(levels[bids:]), at)


@st.composite
def any_books(draw: st.DrawFn, grid: PriceGrid, most_levels: int = 5, at: Micros = NOW) -> Book:
    """Books whose legs know nothing of each other: crossed ones too."""
    yes = draw(st.dictionaries(prices(grid), counts(), max_size=most_levels))
    no = draw(st.dictionaries(prices(grid.complement()), counts(), max_size=most_levels))
    return Book(best_first(yes.items()), best_first(no.items()), at)


@st.composite
def both_ladders(draw: st.DrawFn) -> Ladders:
    """Our two ladders in a live book, one side of them perhaps missing."""
    return ladders(draw(books(draw(grids()))), draw(LEGS))


@st.composite
def histories(draw: st.DrawFn, grid: PriceGrid, now: Micros = NOW) -> History:
    """Samples and trades of the last three minutes, oldest first: the window is two."""
    past = st.integers(now - 180 * SECOND, now).map(Micros)
    sizes = st.integers(0, 5_000 * CONTRACT)
    samples = draw(st.dictionaries(past, st.tuples(sizes, sizes, sizes), max_size=4))
    trades = draw(st.lists(st.tuples(past, LEGS, prices(grid), counts()), max_size=4))
    return gather(
        tuple(
            Sample(at, Count(yes), Count(no), Count(yes + no + far)) for at, (yes, no, far) in sorted(samples.items())
        ),
        tuple(
            TradePrint(f"t{number}", taker, price, count, at)
            for number, (at, taker, price, count) in enumerate(sorted(trades, key=itemgetter(0)))
        ),
    )


@st.composite
def own_orders(draw: st.DrawFn, grid: PriceGrid, most: int = 3) -> tuple[OwnOrder, ...]:
    """Orders of the account in the market, at prices of their own leg."""
    legs = draw(st.lists(LEGS, max_size=most))
    return tuple(OwnOrder(leg, draw(prices(grid.of(leg))), draw(counts())) for leg in legs)


def rooms() -> st.SearchStrategy[tuple[int | None, Price | None]]:
    """Slippage caps, parts per million and dollars, at least one of them there."""
    ppm = st.integers(0, 300_000)
    dollars = st.integers(0, 2_000).map(Price)
    return st.one_of(st.tuples(ppm, st.none()), st.tuples(st.none(), dollars), st.tuples(ppm, dollars))


@st.composite
def walker_configs(draw: st.DrawFn) -> WalkerConfig:
    """Walker parameters as `parse_config` lets them through."""
    base = draw(st.integers(1, 300))
    max_walks = draw(st.integers(0, 10))
    return WalkerConfig(
        enabled=True,
        walk_interval=Micros(draw(st.integers(1, 10)) * SECOND),
        max_walks=max_walks,
        max_total_walks=draw(st.integers(0, 20)),
        min_volume=draw(st.sampled_from((Count(0), Count(50 * CONTRACT)))),
        split_ratios=draw(ratios(3)),
        momentum_threshold=draw(st.integers(0, 500_000)),
        base_increment=Price(base),
        aggressive_increment=Price(base + draw(st.integers(0, 300))),
        policy=draw(st.sampled_from(PolicyName)),
    )


@st.composite
def terms(draw: st.DrawFn) -> ExecutionConfig:
    """What admission asks of a configuration: slippage caps and time-out; the rest is the default."""
    ppm, dollars = draw(rooms())
    timeout = Micros(draw(st.integers(1, 120)) * SECOND)
    return replace(DEFAULT_EXECUTION, slippage_ppm=ppm, slippage_dollars=dollars, timeout=timeout)


@st.composite
def configs(draw: st.DrawFn) -> ExecutionConfig:
    """Execution parameters as `parse_config` lets them through, without `max_cost` and shorts."""
    return replace(draw(terms()), algorithm=draw(st.sampled_from(Algorithm)), walker=draw(walker_configs()))


def policies(config: ExecutionConfig) -> st.SearchStrategy[Policy]:
    """Policies in force for a configuration."""
    return st.sampled_from((SPEC_THRESHOLDS, RECORDED_THRESHOLDS)).map(
        lambda thresholds: policy_for(config, thresholds)
    )


def market(grid: PriceGrid, status: MarketStatus = MarketStatus.ACTIVE, closes_in: int = 3600 * SECOND) -> Market:
    """Return a market on this grid (that of its YES leg), open for an hour."""
    return Market(TICKER, "KXTEST-26NOV23", status, grid, Micros(NOW + closes_in), 0)


@st.composite
def tickets(draw: st.DrawFn, grid: PriceGrid) -> Ticket:
    """Parent orders as their user states them; the target may lie off the grid, never beyond its ends."""
    outcome = draw(LEGS)
    own = grid.of(outcome)
    target = draw(st.one_of(prices(own), st.integers(own.lowest(), own.highest()).map(Price)))
    return Ticket(outcome, draw(ACTIONS), draw(counts()), target)


@st.composite
def parents(draw: st.DrawFn, grid: PriceGrid | None = None, config: ExecutionConfig | None = None) -> Parent:
    """Admitted parents, of either outcome and action, on any grid."""
    on = draw(grids()) if grid is None else grid
    ticket = draw(tickets(on))
    holding = Holding(ticket.count, Count(0))
    config = draw(terms()) if config is None else config
    match admit(ticket, market(on), draw(RATES), config, holding, IDENTITY, NOW, WIND_DOWN):
        case Success(parent):
            return parent
        case refused:
            raise AssertionError(refused)


@st.composite
def conditions(draw: st.DrawFn, parent: Parent) -> Conditions:
    """What bears on a decision besides the book."""
    return Conditions(
        grid=parent.grid,
        rates=parent.rates,
        tokens=draw(st.integers(0, 100)),
        walkers=draw(st.integers(0, 5)),
        max_walkers=5,
        ema_slippage=draw(st.integers(-50_000, 100_000)),
        open=draw(st.booleans()),
        over=draw(st.booleans()),
    )


@st.composite
def views(draw: st.DrawFn, parent: Parent, now: Micros = NOW, waiting: tuple[Waiting, ...] = ()) -> View:
    """What an execution of this parent may see: books up to ten seconds old, history or none, own orders taken out."""
    grid = parent.grid.of(parent.leg)
    at = Micros(now - draw(st.integers(0, 10 * SECOND)))
    book = draw(books(grid, at=at))
    history = draw(histories(grid, now))
    own = draw(own_orders(grid))
    return look(book, history, parent.leg, parent.cap, own, waiting, draw(conditions(parent)), now)


def client_ids() -> st.SearchStrategy[ClientId]:
    """Client order ids of any installation."""
    return st.builds(
        ClientId,
        st.text(HEX, min_size=8, max_size=8),
        st.text(HEX, min_size=32, max_size=32),
        st.integers(1, 999_999),
        st.integers(0, 999_999),
    )


def mirrored(book: Book) -> Book:
    """Return the book as it reads when the other leg is called yes."""
    return Book(book.no, book.yes, book.at)


def mirrored_history(history: History) -> History:
    """Return the history as it reads when the other leg is called yes."""
    return gather(
        tuple(replace(sample, yes_near=sample.no_near, no_near=sample.yes_near) for sample in history.samples),
        tuple(
            replace(trade, taker=trade.taker.other(), yes_price=Price(DOLLAR - trade.yes_price))
            for trade in history.trades
        ),
    )
