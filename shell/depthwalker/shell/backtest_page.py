"""The page of a backtest, from the JSON that `backtest --json` writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from depthwalker.shell.comparison import Difference, Entrant, Mean, costs, differences
from depthwalker.shell.figures import standing, trades_told
from depthwalker.shell.markup import Child, tag
from depthwalker.shell.page import Card, cards, page

ALL: Final = "all"
MIXED: Final = "mixed"
ORDER: Final = {ALL: 0, "liquid": 1, "moderate": 2, "thin": 3}
FAVOURITE: Final = "dynamic_depth_walker"
HEADINGS: Final = (
    "bound ¢",
    "of the saving",
    "fill",
    "fill of the bound",
    "slippage bp",
    "fee bp",
    "full s",
    "walks",
    "calls",
)
LONGEST: Final = 200_000_000  # bytes


class Row(msgspec.Struct):
    """An algorithm's results in one class, file and queue model, as `lab.report` has them."""

    algorithm: str
    liquidity: str
    file: str
    queue_model: str
    parents: int
    fill_rate: float
    fill_rate_of_bound: float
    shortfall_cents: float
    shortfall_cents_ci: tuple[float, float] | None
    bound_cents: float | None
    captured: float | None
    slippage_bps: float | None
    fee_bps: float | None
    seconds_to_full: float | None
    walks: float | None
    calls: float | None
    fill_model: str = ""


class Pair(msgspec.Struct):
    """A paired difference, as `lab.report` has it."""

    a: str
    b: str
    liquidity: str
    queue_model: str
    mean_cents: float
    cents_low: float | None
    cents_high: float | None
    parents: int
    fill_model: str = ""
    file: str = ALL  # not told by a version before


class Refused(msgspec.Struct):
    """A market that could not be played."""

    file: str
    reason: str


class Results(msgspec.Struct):
    """A backtest's results."""

    runs: int
    fill_model: str | dict[str, str]
    left_out: dict[str, int]
    rows: list[Row]
    paired: list[Pair]
    refused: list[Refused] = []
    trades: dict[str, int] = {}
    sides_inferred: dict[str, int] = {}
    sides_untold: dict[str, int] = {}
    days: list[str] = []
    descriptive: bool | None = None  # not told by a version before


class NotResults(Exception):
    """A file is no backtest's JSON; the text says what is wrong with it."""


def read_results(file: Path) -> Results:
    """Return the results that a file holds. Raises NotResults and OSError."""
    if file.stat().st_size > LONGEST:
        raise NotResults(f"{file} is longer than {LONGEST // 1_000_000} MB")
    return results_of(file.read_bytes(), str(file))


def results_of(text: bytes, name: str) -> Results:
    """Return the results in a JSON text. Raises NotResults."""
    try:
        return msgspec.json.decode(text, type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise NotResults(f"{name} is not what `depthwalker backtest --json` writes: {wrong}") from wrong


def backtest_page(results: Results) -> str:
    """Return the page."""
    return page("Backtest: what each algorithm cost", _lead(results), _sections(results))


def _lead(results: Results) -> Iterator[Child]:
    models = results.fill_model
    told = models if isinstance(models, str) else "; ".join(f"{file}: {model}" for file, model in models.items())
    yield tag("p", f"Fill model: {told}", class_="soft")
    if results.trades:
        counted = trades_told(results.trades, results.sides_inferred, results.sides_untold)
        yield tag("p", f"Trades recorded: {counted}", class_="soft")
    if results.descriptive is not None:
        text = standing(results.days, descriptive=results.descriptive)
        yield tag("p", f"{text[0].upper()}{text[1:]}", class_="soft")
    for one in results.refused:
        yield tag("p", f"Not played: {one.file}: {one.reason}", class_="soft")
    whole = [row for row in results.rows if row.file == ALL and row.liquidity == ALL] or results.rows
    yield cards(
        (
            Card("Executions", f"{results.runs:,}", "simulated parents times algorithms times queue models"),
            Card("Files", str(len({row.file for row in results.rows} - {ALL}))),
            Card("Algorithms", str(len({row.algorithm for row in results.rows}))),
            Card("Left out", f"{sum(results.left_out.values()):,}", "; ".join(results.left_out) or "nothing"),
            Card("Parents", f"{max((row.parents for row in whole), default=0):,}", "in the largest group"),
        )
    )


def _sections(results: Results) -> Iterator[Child]:
    kept = sorted((row for row in results.rows if row.file == ALL), key=_rank)
    yield from costs((_entrant(row) for row in kept), HEADINGS)
    yield from differences(_differences(results))


def _differences(results: Results) -> Iterator[Difference]:
    """Return each pair once: the walker against the others first, then the rest in their order."""
    names = list(dict.fromkeys(row.algorithm for row in sorted(results.rows, key=_by_cost)))
    if FAVOURITE in names:
        names.remove(FAVOURITE)
        names.insert(0, FAVOURITE)
    place = {name: number for number, name in enumerate(names)}
    whole = [pair for pair in results.paired if pair.file == ALL]
    once = [pair for pair in whole if place.get(pair.a, -1) < place.get(pair.b, -1)]
    for pair in sorted(once, key=lambda each: (*_rank(each), place[each.a], place[each.b])):
        cents = Mean(pair.mean_cents, pair.cents_low, pair.cents_high)
        yield Difference(_group(pair), pair.a, pair.b, pair.parents, cents)


def _entrant(row: Row) -> Entrant:
    low, high = row.shortfall_cents_ci or (None, None)
    return Entrant(
        group=_group(row),
        name=row.algorithm,
        parents=row.parents,
        cost=Mean(row.shortfall_cents, low, high),
        cells=(
            _shown(row.bound_cents, 3),
            _percent(row.captured),
            _percent(row.fill_rate),
            _percent(row.fill_rate_of_bound),
            _shown(row.slippage_bps, 1),
            _shown(row.fee_bps, 1),
            _shown(row.seconds_to_full, 1),
            _shown(row.walks, 1),
            _shown(row.calls, 1),
        ),
    )


def _rank(each: Row | Pair) -> tuple[str, int, str]:
    return each.queue_model, ORDER.get(each.liquidity, len(ORDER)), each.liquidity


def _by_cost(row: Row) -> float:
    return row.shortfall_cents


def _group(each: Row | Pair) -> str:
    mixed = ", fill models mixed" if each.fill_model == MIXED else ""
    return f"{each.liquidity} markets, {each.queue_model} queue{mixed}"


def _shown(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"
