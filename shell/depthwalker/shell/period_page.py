"""The page of a period: what its executions came to, by algorithm and class of market."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from depthwalker.core.period import Estimate, Sample, Summary, summarise
from depthwalker.core.units import CENT_MONEY, MILLION, SECOND, Micros
from depthwalker.shell.comparison import Entrant, Mean, costs
from depthwalker.shell.figures import share, short_count, signed_percent
from depthwalker.shell.markup import Child, tag
from depthwalker.shell.page import Card, cards, figure, page, section, table, text
from depthwalker.shell.rows import instant

HEADINGS: Final = ("fill", "slippage", "fee ¢", "last fill s", "walks", "calls", "blocks")
LISTED: Final = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution of the period."""

    execution_id: int
    at: Micros
    status: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Period:
    """What ended between two instants, the latest first; `cut` where there was more than could be read.

    `paper`: what `depthwalker paper` executed, and nothing else.
    """

    since: Micros
    until: Micros
    ended: tuple[Ended, ...]
    cut: bool = False
    paper: bool = False


def period_page(period: Period) -> str:
    """Return the page."""
    what = "Paper executions" if period.paper else "Executions"
    return page(f"{what}: what each algorithm cost", _lead(period), _sections(period))


def plain_period(period: Period) -> dict[str, object]:
    """Return the page's numbers for JSON: ratios as fractions, money in cents a contract."""
    return {
        "since": instant(period.since),
        "until": instant(period.until),
        "paper": period.paper,
        "executions": len(period.ended),
        "cut": period.cut,
        "rows": [_plain(one) for one in summarise(each.sample for each in period.ended)],
    }


def _plain(one: Summary) -> dict[str, object]:
    return {
        "algorithm": one.algorithm.value,
        "liquidity": "all" if one.liquidity is None else one.liquidity.value,
        "executions": one.executions,
        "costed": one.costed,
        "blocks": one.blocks,
        "shortfall_cents": None if one.cost is None else one.cost.mean / CENT_MONEY,
        "shortfall_cents_ci": None
        if one.cost is None or one.cost.low is None or one.cost.high is None
        else [one.cost.low / CENT_MONEY, one.cost.high / CENT_MONEY],
        "fill_rate": one.fill_rate / MILLION,
        "slippage": None if one.slippage is None else one.slippage / MILLION,
        "fee_cents": None if one.fee is None else one.fee / CENT_MONEY,
        "walks": one.walks / 1000,
        "calls": None if one.calls is None else one.calls / 1000,
        "seconds_to_last_fill": None if one.last_fill is None else one.last_fill / SECOND,
    }


def _lead(period: Period) -> Iterator[Child]:
    yield tag("p", f"Ended from {instant(period.since)[:16]} to {instant(period.until)[:16]} UTC.", class_="soft")
    if period.paper:
        yield tag("p", "On paper: no order of these was sent to a real exchange.", class_="soft")
    if period.cut:
        yield tag("p", f"More ended than a page can hold: these are the latest {len(period.ended):,}.", class_="bad")
    samples = [each.sample for each in period.ended]
    wanted, filled = sum(each.wanted for each in samples), sum(each.filled for each in samples)
    yield cards(
        (
            Card("Executions", f"{len(samples):,}", f"in {len({each.market for each in samples})} markets"),
            Card("Completed", f"{sum(each.status == 'completed' for each in period.ended):,}"),
            Card("Filled", share(filled, wanted), "of all contracts wanted"),
            Card("Fees", f"{sum(each.fees for each in samples) / MILLION:,.2f} $"),
            Card("Walks", f"{sum(each.walks for each in samples):,}"),
        )
    )


def _sections(period: Period) -> Iterator[Child]:
    if not period.ended:
        yield tag("p", "Nothing ended in this time.")
        return
    yield tag(
        "p",
        "Means over executions, each counting alike. They are not paired: different executions met different markets, so a "
        "difference between algorithms here describes and does not prove. Intervals take all executions of one market on "
        "one day as one observation; with fewer than five such blocks there is none.",
        class_="soft",
    )
    yield from costs((_entrant(one) for one in summarise(each.sample for each in period.ended)), HEADINGS)
    yield section("Executions", _listed(period.ended))


def _entrant(one: Summary) -> Entrant:
    return Entrant(
        group="all markets" if one.liquidity is None else f"{one.liquidity.value} markets",
        name=one.algorithm.value,
        parents=one.executions,
        cost=None if one.cost is None else _mean(one.cost),
        cells=(
            share(one.fill_rate, MILLION),
            "" if one.slippage is None else signed_percent(one.slippage),
            "" if one.fee is None else f"{one.fee / CENT_MONEY:.3f}",
            "" if one.last_fill is None else f"{one.last_fill / SECOND:.1f}",
            f"{one.walks / 1000:.1f}",
            "" if one.calls is None else f"{one.calls / 1000:.1f}",
            str(one.blocks),
        ),
    )


def _mean(found: Estimate) -> Mean:
    low, high = found.low, found.high
    return Mean(
        found.mean / CENT_MONEY, None if low is None else low / CENT_MONEY, None if high is None else high / CENT_MONEY
    )


def _listed(ended: Sequence[Ended]) -> Child:
    words = "Every execution, the latest first"
    more = f"; the latest {LISTED} of {len(ended)}" if len(ended) > LISTED else ""
    return table(
        words + more,
        (
            figure("id"),
            text("ended (UTC)"),
            text("market"),
            text("algorithm"),
            text("status"),
            figure("filled"),
            figure("cost ¢"),
            figure("slippage"),
            figure("walks"),
        ),
        (
            (
                figure(str(each.execution_id)),
                text(instant(each.at)[:19].replace("T", " ")),
                text(each.sample.market),
                text(each.sample.algorithm.value),
                text(each.status),
                figure(f"{short_count(each.sample.filled)} / {short_count(each.sample.wanted)}"),
                figure("" if each.sample.cost is None else f"{each.sample.cost / CENT_MONEY:+.3f}"),
                figure("" if each.sample.slippage is None else signed_percent(each.sample.slippage)),
                figure(str(each.sample.walks)),
            )
            for each in ended[:LISTED]
        ),
    )
