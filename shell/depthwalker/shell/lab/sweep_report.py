"""What a sweep found: the policies that were cheapest where they are chosen, beside what they are where they are judged."""

from collections.abc import Iterator, Sequence
from typing import Final

from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.report import ALL, Row
from depthwalker.shell.lab.space import Variant
from depthwalker.shell.lab.statistics import Estimate, ratio
from depthwalker.shell.lab.sweep import Found, Half

LEADERS: Final = 10
SHOWN: Final = 5
FEW: Final = 30  # policies, all of which get an interval


def sweep_report(found: Sequence[Found], variants: Sequence[Variant]) -> Row:
    """Return everything as a value that JSON can hold; intervals for the leaders, the named and the first, as it stands."""
    ranking = ranked(found)
    named = [place for place, variant in enumerate(variants) if variant.named]
    leading = {0, *named, *(ranking if len(ranking) <= FEW else ranking[:LEADERS])}
    groups = _grouped(found)
    rows = [
        _row(key, policy, variants[policy], groups[key][policy], groups[key][0] if policy in leading else None)
        for key in sorted(groups)
        for policy in sorted(groups[key])
    ]
    return {
        "policies": len(variants),
        "chosen": ranking[0],
        "leaders": ranking[:LEADERS],
        "named": named,
        "rows": rows,
    }


def ranked(found: Sequence[Found]) -> list[int]:
    """Return the policies by their mean cost on the tuning half under the worst queue that was asked for, cheapest first."""
    models = {row.queue_model for row in found}
    model = QueueModel.WORST.value if QueueModel.WORST.value in models else models.pop()
    sums: dict[int, tuple[float, int]] = {}
    for row in found:
        if (row.queue_model, row.half) == (model, Half.TUNING.value):
            cents, parents = sums.get(row.policy, (0.0, 0))
            sums[row.policy] = cents + row.cents, parents + row.parents
    return sorted(sums, key=lambda policy: (sums[policy][0] / sums[policy][1], policy))


def shown(report: Row) -> Iterator[str]:
    """Yield the report's lines: the first leaders and the named policies in both halves, by class."""
    rows, leaders, named, models = report["rows"], report["leaders"], report["named"], report["fill_model"]
    assert isinstance(rows, list)
    assert isinstance(leaders, list)
    assert isinstance(named, list)
    assert isinstance(models, dict)
    yield from (f"fill model of {source}: {model}" for source, model in models.items())
    best = leaders[:SHOWN]
    also = ", those that the file names," if named else ""
    yield f"the best {len(best)} of {report['policies']} policies on the tuning half{also} and policy 0, the configuration as it stands"
    yield "cents a contract, and how much less or more than policy 0"
    for model in sorted({row["queue_model"] for row in rows}, reverse=True):
        yield ""
        yield f"{model} queue"
        yield f"{'':23}{'parents':>9}{'cents':>8}  {'to policy 0, 95 %':28}{'filled':>8}{'calls':>7}{'most':>6}"
        for policy in dict.fromkeys((*best, *named, 0)):
            mine = [row for row in rows if (row["policy"], row["queue_model"]) == (policy, model)]
            yield f"{policy:>6} {mine[0]['varied'] or 'as it stands'}"
            for half in Half:
                by_class = [row for row in mine if row["half"] == half.value]
                kept = by_class if len(by_class) > 2 else [row for row in by_class if row["liquidity"] == ALL]
                yield from map(_line, sorted(kept, key=_all_first))


def _all_first(row: Row) -> tuple[bool, str]:
    return row["liquidity"] != ALL, str(row["liquidity"])


def _line(row: Row) -> str:
    return (
        f"{row['half']:>14}{row['liquidity']:>9}{row['parents']:>9,}{row['cents']:>8.3f}  {_difference(row):28}"
        f"{row['fill_rate']:>8.1%}{row['calls']:>7.1f}{row['most_calls']:>6}"
    )


def _difference(row: Row) -> str:
    low, high = row["low"], row["high"]
    if row["less"] is None:
        return "-"
    return f"{row['less']:+.3f}" + ("" if low is None else f" [{low:+.3f}, {high:+.3f}]")


def _grouped(found: Sequence[Found]) -> dict[tuple[str, str, str], dict[int, list[Found]]]:
    groups: dict[tuple[str, str, str], dict[int, list[Found]]] = {}
    for row in found:
        for liquidity in (ALL, row.liquidity):
            groups.setdefault((row.queue_model, row.half, liquidity), {}).setdefault(row.policy, []).append(row)
    return groups


def _row(key: tuple[str, str, str], policy: int, variant: Variant, group: list[Found], base: list[Found] | None) -> Row:
    model, half, liquidity = key
    parents = sum(row.parents for row in group)
    reach = sum(row.in_reach for row in group)
    full = sum(row.full for row in group)
    less = None if base is None or policy == 0 else _less(group, base)
    return {
        "queue_model": model,
        "half": half,
        "liquidity": liquidity,
        "policy": policy,
        "varied": variant.varied,
        "parents": parents,
        "cents": sum(row.cents for row in group) / parents,
        "less": None if less is None else less.mean,
        "low": None if less is None else less.low,
        "high": None if less is None else less.high,
        "fill_rate": sum(row.filled for row in group) / parents,
        "fill_rate_in_reach": sum(row.filled_in_reach for row in group) / reach if reach else None,
        "seconds_to_full": sum(row.seconds for row in group) / full if full else None,
        "walks": sum(row.walks for row in group) / parents,
        "calls": sum(row.calls for row in group) / parents,
        "most_calls": max(row.most_calls for row in group),
    }


def _less(group: list[Found], base: list[Found]) -> Estimate:
    """Return the mean difference a parent, its interval drawn over blocks."""
    costs = {(row.digest, row.block, row.liquidity): row.cents for row in base}
    keys = [(row.digest, row.block, row.liquidity) for row in group]
    above = [row.cents - costs[key] for row, key in zip(group, keys, strict=True)]
    return ratio(above, [row.parents for row in group], [key[:2] for key in keys])
