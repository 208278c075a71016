"""The laboratory's page, docs/lab.md: all that it says of a run is taken from the run's figures, losses as plainly as wins."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

from depthwalker.core.units import ceil_div
from depthwalker.shell.figures import trades_told
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.report import ALL, FEW_CALLS, MIXED, TAILS, Row

WALKER: Final = "dynamic_depth_walker"
SEEN: Final = ("kalshi_INXD-23APR14", "kalshi_INXD-23AUG31", "betfair_BF-1.181223995")  # before the policy was settled
CLASSES: Final = ("thin", "moderate", "liquid")
SPECIFIED: Final = {
    "thin": (0.96, 120.0),
    "liquid": (0.97, 50.0),
}  # fill rate, slippage in basis points; where in reach
SECONDS_TO_FULL, CALLS, MOST_CALLS, USUALLY = 25.0, 8.0, 20.0, 0.5
MANY_TIMES: Final = 100  # as many stretches as there are: who needs more of them knows nothing of how many
VERDICTS: Final = {True: "met", False: "**missed**", None: "not judged"}
NOT_SHOWN: Final = "**not shown**"  # cheaper in the mean, but an interval holds zero
COLUMNS: Final = (
    "algorithm",
    "parents",
    "cents a contract",
    "95 %",
    "basis points",
    "filled",
    "in reach",
    "out of reach",
    "slippage in reach, %",
    "s to full",
    "walks",
    "calls",
    f"under {FEW_CALLS}",
    "most",
    "of the saving",
)
TAIL_COLUMNS: Final = (
    "algorithm",
    *(f"cents, {tail}" for tail in ("median", "90 %", "99 %")),
    *(f"s to first, {tail}" for tail in ("mean", "median", "90 %")),
    *(f"s to full, {tail}" for tail in ("median", "90 %")),
    *(f"calls, {tail}" for tail in ("median", "90 %", "99 %")),
    "tokens",
    "fees, basis points",
    *(f"markout {seconds} s, cents" for seconds in (5, 30, 60)),
)
HEAD: Final = """\
# The laboratory's judgement{title}

`{command}` writes this page{beside} from the recordings that it is given
(without any, from the synthetic markets). Every parent buys at the best offer of its arrival, {counts} contracts of both outcomes,
every {every} seconds for 40 seconds, with 100 ms of latency, capped at {cap}. Cost is
implementation shortfall against the mid at arrival, fees in, the rest completed at the horizon whatever the cap: cents a
contract, lower is better. Intervals are of a block bootstrap over blocks of ten horizons, of which there must be five, as
much wider where they are few as Student's are: they speak of other stretches of the sessions that are here, not of other days.
The parents of one block, which is a stretch of one market, meet the same moves and are one observation: where an interval holds zero, it is
said of how many such stretches it would be clear, were the difference the same; more parents of the same stretches do not narrow it. An algorithm's best opponent is the one with the lowest mean on the very parents that are judged. `of the saving` is the share of what
lies between taking at once and the clairvoyant bound. Two queue models bracket the truth: `worst` (last in the queue; what others cancel helps only once less is shown than stood before the order) and `prorata` (it helps in proportion).
The best single switch rests all at one price and takes the rest at one instant, of those two seconds apart. `in reach` is the
mean fill rate of parents whose count was offered under the cap at arrival, for which the specification has its targets; `out of
reach` is what the others were filled, as a share of what the bound fills of them. `s to full` is the time of the parents that were
filled, others have none. `under {few}` is the share of parents with fewer
than {few} exchange calls, `most` are the calls of the parent that made most. Each second table has medians and tails, the rate
tokens that the calls cost, the fees and the markouts: what the bought contracts gained at the mid so long after each fill.

Judged by one run of {seconds} s (processes: {jobs}). A loss is reported as plainly as a win."""
CAPS: Final = {
    "2.5%,0.03": (
        "2.5 % and at 3 cents above the target (the tighter holds: 2.5 % of a price below a dollar is always below 3 cents,"
        " so the specification's percentage alone is the same)"
    ),
    "0.03": "3 cents above the target",
}
EXCESS: Final = {"best": "what would have been best (one switch, in hindsight)", "ended": "how its parents ended"}
HALVES: Final = (
    ("judging", "## Judging: markets that the policy was not tuned on"),
    ("tuning", "## Tuning: markets that the policy was chosen on"),
)


ByModel: TypeAlias = dict[str, Row]  # the walker's row under each queue model


@dataclass(frozen=True, slots=True)
class Against:
    """The walker beside its best opponent on some parents; `less` is what it costs more than that one, with its interval."""

    file: str
    liquidity: str
    parents: int
    blocks: int
    place: int
    of: int
    cents: float
    opponent: str
    its_cents: float
    less: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> str:
        """Return the paired difference with its interval."""
        return _signed(self.less) + ("" if self.low is None else f" [{_signed(self.low)}, {_signed(self.high)}]")

    @property
    def clear(self) -> bool | None:
        """Return whether the interval is clear of zero; None where there are too few blocks for one."""
        return None if self.low is None or self.high is None else self.low > 0 or self.high < 0

    @property
    def enough(self) -> int | None:
        """Return how many stretches like these would show the same difference: an interval narrows as their root grows.

        None where nobody can say.
        """
        if self.low is None or self.high is None or not self.less:
            return None
        beyond = self.high - self.less if self.less < 0 else self.less - self.low
        times = max(1.0, (beyond / self.less) ** 2)
        return None if times > MANY_TIMES else _rounded_up(self.blocks * times)


@dataclass(frozen=True, slots=True)
class How:
    """What a run was asked for, and what it took. `title` and `stem` are the page's, `command` is what writes it.

    `figures`: whether they are beside it.
    """

    every: int
    counts: tuple[int, ...]
    cap: str
    seconds: int
    jobs: int
    title: str
    stem: str
    command: str
    figures: bool


def page(found: dict[str, Row], refused: dict[str, str], how: How) -> str:
    """Return the page."""
    head = HEAD.format(
        title=how.title,
        command=how.command,
        beside=f", and [{how.stem}.json]({how.stem}.json) beside it," if how.figures else "",
        counts=" and ".join(f"{count:,}" for count in how.counts),
        every=how.every,
        cap=CAPS.get(how.cap, f"{how.cap} above the target"),
        seconds=how.seconds,
        jobs=how.jobs,
        few=FEW_CALLS,
    )
    text = [head]
    for half, about in HALVES:
        if half in found:
            text += ["", about, "", *_half(half, found[half])]
    if refused:
        text += ["", "## What cannot be played", "", *(f"* {name}: {why}" for name, why in sorted(refused.items()))]
    return "\n".join([*text, ""])


def _half(half: str, result: Row) -> Iterator[str]:
    markets, left_out = result["markets"], result["left_out"]
    assert isinstance(markets, list)
    assert isinstance(left_out, dict)
    left = ", ".join(f"{times:,} x {why}" for why, times in sorted(left_out.items())) or "none"
    yield f"Markets: {', '.join(markets)}."
    seen = [market for market in markets if market.rpartition("/")[2].startswith(SEEN)]
    if half == "judging" and seen:
        yield ""
        yield (
            f"Not tuned on is not unseen: {', '.join(seen)} had been looked at before the policy was settled. That each class fills"
            " the largest share of what is out of reach, and within the specification's time, was among the reasons for what is taken"
            " when (policy version 11): these targets are not untouched by the choice ([policies](guides/policy.md))."
        )
    yield from ("", standing(result), "")
    yield f"{result['runs']:,} executions; parents left out: {left}."
    yield from ("", _fill_model(result), "", *_targets(result), "", *_by_market(result), "")
    yield from _excess(result)
    for model in QueueModel:
        yield from _model(result, model)


def standing(result: Row) -> str:
    """Return on how many sessions a result stands, and what may be claimed of it (DESIGN section 7)."""
    days = result["days"]
    assert isinstance(days, list)
    if not days:
        return "Sessions: none, the markets are synthetic: what is found on them is **descriptive**."
    sessions = f"Sessions (markets of one event on one day are one): {result['sessions']}, on {', '.join(days)}"
    if result["descriptive"]:
        return (
            f"{sessions}; fewer than five days, so what is found on them is **descriptive**:"
            " nothing is claimed of other days."
        )
    return f"{sessions}."


def _fill_model(result: Row) -> str:
    model, counts = result["fill_model"], [result[key] for key in ("trades", "sides_inferred", "sides_untold")]
    trades, inferred, untold = ({} if not isinstance(count, dict) else count for count in counts)
    counted = f"Trades recorded: {trades_told(trades, inferred, untold)}."
    if not isinstance(model, dict):
        return f"Fill model: {model}. {counted}"
    files = {one: [name for name, its in model.items() if its == one] for one in sorted(set(model.values()))}
    told = "; ".join(f"{one} ({', '.join(names)})" for one, names in files.items())
    return f"Fill models: {told}. Figures of several markets may mix them, as is said where they do. {counted}"


def _targets(result: Row) -> Iterator[str]:
    """Yield what is wanted of the walker beside what it came to."""
    yield f"| the walker | target, under both queues | came to | parents | {_descriptive(result)} |"
    yield "| --- | --- | --- | ---: | --- |"
    for liquidity in CLASSES:
        both = {model.value: _lines(result, ALL, liquidity, model) for model in QueueModel}
        mine = {model: line for model, lines in both.items() for line in lines if line["algorithm"] == WALKER}
        if mine:
            row = mine[QueueModel.WORST.value]
            targets = (*_beaten(result, liquidity), *_specified(mine), *_largest(mine, both), *_quick(mine))
            for target in targets:
                yield f"| {liquidity}{_mixed(row)}: {target}"


def _beaten(result: Row, liquidity: str) -> Iterator[str]:
    found = {model.value: _against(result, ALL, liquidity, model) for model in QueueModel}
    parents = found[QueueModel.WORST.value].parents
    places = ", ".join(f"{model} {one.place} of {one.of}" for model, one in found.items())
    yield _target(
        "place by the mean",
        "the lowest of all",
        places,
        parents,
        _all(one.place == 1 for one in found.values()),
    )
    differences = ", ".join(f"{model} {one.opponent} {one.difference}" for model, one in found.items())
    differences += f", of {found[QueueModel.WORST.value].blocks:,} stretches"
    verdict = _all(one.clear and one.less < 0 for one in found.values())
    said = VERDICTS[verdict]
    if verdict is False and all(one.less < 0 for one in found.values()):
        said = NOT_SHOWN
        enough = [number for one in found.values() if (number := one.enough) is not None]
        if len(enough) == len(found):
            differences += f"; of about {max(enough):,} like these both would be clear"
    yield _told("less its best opponent, cents", "interval below zero", differences, parents, said)


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    """Return False where one is, None where one is unknown, else True."""
    found = set(verdicts)
    return False if False in found else None if None in found else True


def _specified(mine: ByModel) -> Iterator[str]:
    """Yield what the specification wants of the fills, where it names that for a class and its count is in reach."""
    row = mine[QueueModel.WORST.value]
    targets = SPECIFIED.get(str(row["liquidity"]))
    if targets is not None:
        (fill, slippage), parents = targets, row["parents_in_reach"]
        filled, slipped = _each(mine, "fill_rate_in_reach"), _each(mine, "slippage_bps_in_reach")
        yield _target(
            "filled, in reach",
            f"at least {fill:.0%}",
            _both(filled, _percent),
            parents,
            _all(_no_more(fill, one) for one in filled.values()),
        )
        yield _target(
            "slippage, in reach",
            f"at most {slippage / 100:.1f} %",
            _both(slipped, _as_percent),
            parents,
            _all(_no_more(one, slippage) for one in slipped.values()),
        )


def _largest(mine: ByModel, both: dict[str, list[Row]]) -> Iterator[str]:
    """Yield whose fills are the largest where the specification names no number.

    That is out of reach, as a share of what the bound fills, in every class; and in reach in the classes that it does not name.
    """
    row = mine[QueueModel.WORST.value]
    wanted = [("filled of what the bound fills, out of reach", "share_of_bound_out_of_reach", "parents_out_of_reach")]
    if row["liquidity"] not in SPECIFIED:
        wanted.insert(0, ("filled, in reach", "fill_rate_in_reach", "parents_in_reach"))
    for what, key, parents in wanted:
        places = {model: _place_of(lines, key) for model, lines in both.items()}
        told = _both({model: words for model, (words, _) in places.items()}, str)
        yield _target(what, "the largest share", told, row[parents], _all(met for _, met in places.values()))


def _place_of(lines: list[Row], key: str) -> tuple[str, bool | None]:
    """Return the walker's share beside the largest, in words, and whether it is that."""
    shares = {str(line["algorithm"]): _float(line[key]) for line in lines if line[key] is not None}
    mine = shares.get(WALKER)
    if mine is None:
        return "-", None
    most = max(shares, key=lambda name: shares[name])
    place = f"place {_place(-mine, [-share for share in shares.values()])} of {len(shares)}"
    tied = [name for name, share in shares.items() if share == mine and name != WALKER]
    others = f", with {' and '.join(tied)}" if tied else ""
    others += "" if shares[most] == mine else f"; {most} {_percent(shares[most])}"
    return f"{_percent(mine)} ({place}{others})", mine == shares[most]


def _quick(mine: ByModel) -> Iterator[str]:
    row = mine[QueueModel.WORST.value]
    full, under = _each(mine, "seconds_to_full"), _each(mine, "calls_under_8")
    yield _target(
        "time to the full fill, of those filled",
        f"at most {SECONDS_TO_FULL:.0f} s",
        _both(full, lambda value: "-" if value is None else f"{_shown(value, 1)} s"),
        row["parents_full"],
        _all(_no_more(one, SECONDS_TO_FULL) for one in full.values()),
    )
    yield _target(
        f"calls, fewer than {FEW_CALLS}",
        "by more than half",
        _both(under, _percent),
        row["parents"],
        all(_float(one) > USUALLY for one in under.values()),
    )
    for what, key, limited in (("mean", "calls", CALLS), ("most", "calls_most", MOST_CALLS)):
        came = _each(mine, key)
        met = _all(_no_more(one, limited) for one in came.values())
        told = _both(came, lambda value: _shown(value, 1))
        yield _target(f"calls, {what}", f"at most {limited:.0f}", told, row["parents"], met)


def _each(mine: ByModel, key: str) -> dict[str, object]:
    return {model: row[key] for model, row in mine.items()}


def _both(values: Mapping[str, object], told: Callable[[object], str]) -> str:
    """Return a figure under both queues in words, once where it reads the same."""
    words = {model: told(value) for model, value in values.items()}
    same = set(words.values())
    return same.pop() if len(same) == 1 else ", ".join(f"{model} {word}" for model, word in words.items())


def _as_percent(basis_points: object) -> str:
    return "-" if basis_points is None else f"{_float(basis_points) / 100:+.2f} %"


def _target(what: str, limit: str, came_to: str, parents: object, met: bool | None) -> str:
    return _told(what, limit, came_to, parents, VERDICTS[met])


def _told(what: str, limit: str, came_to: str, parents: object, said: str) -> str:
    return f"{what} | {limit} | {came_to} | {parents:,} | {said} |"


def _no_more(value: object, limit: object) -> bool | None:
    return None if value is None or limit is None else _float(value) <= _float(limit)


def _by_market(result: Row) -> Iterator[str]:
    """Yield the walker beside its best opponent on each market and class, and in words where it does not win."""
    files = {str(row["file"]) for row in _rows(result, "rows") if row["file"] != ALL}
    found = [
        (
            _against(result, file, liquidity, QueueModel.WORST),
            _against(result, file, liquidity, QueueModel.PRORATA),
        )
        for file in sorted(files)
        for liquidity in CLASSES
        if _lines(result, file, liquidity, QueueModel.WORST)
    ]
    yield f"Market by market, under both queues{_so_described(result)}:"
    yield ""
    yield "| market | class | parents | queue | the walker's place | its cents | best opponent | its cents | the walker less it |"
    yield "| --- | --- | ---: | --- | ---: | ---: | --- | ---: | --- |"
    for both in found:
        for model, one in zip((QueueModel.WORST, QueueModel.PRORATA), both, strict=True):
            yield (
                f"| {one.file} | {one.liquidity} | {one.parents:,} | {model.value} | {one.place} of {one.of}"
                f" | {_shown(one.cents, 3)} | {one.opponent} | {_shown(one.its_cents, 3)} | {one.difference} |"
            )
    yield ""
    yield from _losses(result, found)


def _losses(result: Row, found: list[tuple[Against, Against]]) -> Iterator[str]:
    lost: list[tuple[Against, str]] = []
    for worst, prorata in found:
        if worst.place > 1:
            lost.append((worst, ""))
        elif prorata.place > 1:
            lost.append((prorata, ", under the prorata queue alone"))
    narrow = [one for one, *_ in found if one.place == 1 and not one.clear]
    parents = {liquidity: sum(one.parents for one, *_ in found if one.liquidity == liquidity) for liquidity in CLASSES}
    by_points = list(_lost_by_points(result))
    if lost or by_points:
        yield "Where it does not win:"
        yield ""
    else:
        yield "Where it does not win: nowhere, its mean is the lowest on every market in every class."
    for one, where in lost:
        yield (
            f"* {one.file}, {one.liquidity} ({one.parents:,} of the {parents[one.liquidity]:,} {one.liquidity} parents): it is"
            f" {'the dearest' if one.place == one.of else f'number {one.place}'} of {one.of}{where}; {one.opponent} is cheaper by"
            f" {_shown(one.less, 3)} cents a contract, {_noise(one)}."
        )
    yield from by_points
    if narrow:
        yield ""
        yield (
            "Where it has the lowest mean, but not beyond noise: "
            + "; ".join(f"{one.file}, {one.liquidity} ({one.opponent}, {_noise(one)})" for one in narrow)
            + "."
        )


def _lost_by_points(result: Row) -> Iterator[str]:
    """Yield the classes in which the walker's basis points are not the lowest: cheap contracts weigh the most there."""
    for liquidity in CLASSES:
        points = {
            str(line["algorithm"]): _float(line["shortfall_bps"])
            for line in _lines(result, ALL, liquidity, QueueModel.WORST)
        }
        place = _place(points[WALKER], list(points.values())) if points else 1
        if place > 1:
            least = min(points, key=lambda name: points[name])
            yield (
                f"* In basis points of the mid, which the cheapest contracts dominate, it is number {place} of {len(points)} in"
                f" {liquidity} markets: {_shown(points[WALKER], 0)}, {least} {_shown(points[least], 0)}."
            )


def _noise(one: Against) -> str:
    if one.clear is None:
        return "with too few blocks for an interval"
    if one.clear:
        return "beyond noise"
    stretches = f"within noise of {one.blocks:,} stretches"
    return stretches + ("" if one.enough is None else f", of about {one.enough:,} like these it would be clear")


def _excess(result: Row) -> Iterator[str]:
    """Yield what stands between the walker and the bound: what it would have had to know, and where it paid for that."""
    found = _rows(result, "above_the_bound")
    yield "What stands between the walker and the bound, which knows what comes (all classes, worst queue):"
    for by, heading in EXCESS.items():
        yield ""
        yield (
            f"| {heading} | parents | of all | the walker above the bound, cents | the best switch above it"
            " | of the walker's whole difference |"
        )
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for row in found:
            if row["by"] == by:
                yield (
                    f"| {row['was']} | {row['parents']:,} | {_percent(row['share_of_parents'])} | {_shown(row['cents'], 3)}"
                    f" | {_shown(row['switch_cents'], 3)} | {_percent(row['share_of_excess'])} |"
                )


def _model(result: Row, model: QueueModel) -> Iterator[str]:
    for liquidity in (ALL, *CLASSES):
        pairs = _pairs(result, ALL, liquidity, model)
        if not pairs:
            continue
        yield from ("", f"**{liquidity}, {model.value} queue{_mixed(pairs[0])}**", "")
        lines = _lines(result, ALL, liquidity, model)
        if lines:
            yield from _table(COLUMNS, map(_line, lines))
            yield ""
            yield from _table(TAIL_COLUMNS, map(_tails, lines))
            yield ""
            yield _bound(lines[0])
            yield ""
        yield (
            f"The walker less each opponent, cents a contract, parent by parent{_so_described(result)}: "
            + "; ".join(
                f"{pair['b']} {_signed(pair['mean_cents'])} [{_signed(pair['cents_low'])}, {_signed(pair['cents_high'])}]"
                for pair in sorted(pairs, key=lambda pair: -_float(pair["mean_cents"]))
            )
            + f" ({pairs[0]['parents']:,} parents)."
        )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * (len(columns) - 1)}"
    yield from (f"| {' | '.join(cells)} |" for cells in rows)


def _bound(row: Row) -> str:
    beyond = row["parents_out_of_reach"]
    return (
        f"The bound costs {_shown(row['bound_cents'], 3)} cents a contract, the best single switch in hindsight"
        f" {_shown(row['switch_cents'], 3)} ({_percent(row['captured_by_switch'])} of the saving)."
    ) + (
        f" Out of reach ({beyond:,} parents) it fills {_percent(row['fill_rate_of_bound_out_of_reach'])}."
        if beyond
        else ""
    )


def _line(row: Row) -> tuple[str, ...]:
    interval = row["shortfall_cents_ci"]
    low, high = interval if isinstance(interval, list) else (None, None)
    slippage = row["slippage_bps_in_reach"]
    return (
        str(row["algorithm"]),
        f"{row['parents']:,}",
        _shown(row["shortfall_cents"], 3),
        f"{_shown(low, 3)} to {_shown(high, 3)}",
        _shown(row["shortfall_bps"], 0),
        _percent(row["fill_rate"]),
        _percent(row["fill_rate_in_reach"]),
        _percent(row["share_of_bound_out_of_reach"]),
        "-" if slippage is None else _shown(_float(slippage) / 100, 2),
        _shown(row["seconds_to_full"], 1),
        _shown(row["walks"], 1),
        _shown(row["calls"], 1),
        _percent(row["calls_under_8"]),
        str(row["calls_most"]),
        _captured(row),
    )


def _tails(row: Row) -> tuple[str, ...]:
    marks = (_shown(row[f"markout_{seconds}s_cents"], 2) for seconds in (5, 30, 60))
    return (
        str(row["algorithm"]),
        *(_shown(row[f"shortfall_cents_{tail}"], 2) for tail in TAILS),
        *(_shown(row[f"seconds_to_first{tail}"], 1) for tail in ("", "_median", "_p90")),
        *(_shown(row[f"seconds_to_full_{tail}"], 1) for tail in ("median", "p90")),
        *(_shown(row[f"calls_{tail}"], 0) for tail in TAILS),
        _shown(row["tokens"], 0),
        _shown(row["fee_bps"], 0),
        *marks,
    )


def _captured(row: Row) -> str:
    interval = row["captured_ci"]
    low, high = interval if isinstance(interval, list) else (None, None)
    return _percent(row["captured"]) + ("" if low is None else f" [{_percent(low)}, {_percent(high)}]")


def _mixed(row: Row) -> str:
    return ", fill models mixed" if row["fill_model"] == MIXED else ""


def _descriptive(result: Row) -> str:
    return "descriptive" if result["descriptive"] else ""


def _so_described(result: Row) -> str:
    return " (descriptive)" if result["descriptive"] else ""


def _against(result: Row, file: str, liquidity: str, model: QueueModel) -> Against:
    """Return the walker beside its best opponent."""
    costs = {str(line["algorithm"]): line for line in _lines(result, file, liquidity, model)}
    mine = costs.pop(WALKER)
    opponent, its = next(iter(costs.items()))
    pair = next(pair for pair in _pairs(result, file, liquidity, model) if pair["b"] == opponent)
    low, high = pair["cents_low"], pair["cents_high"]
    cents = _float(mine["shortfall_cents"])
    return Against(
        file=file,
        liquidity=liquidity,
        parents=round(_float(mine["parents"])),
        blocks=round(_float(pair["blocks"])),
        place=_place(cents, [_float(line["shortfall_cents"]) for line in costs.values()]),
        of=1 + len(costs),
        cents=cents,
        opponent=opponent,
        its_cents=_float(its["shortfall_cents"]),
        less=_float(pair["mean_cents"]),
        low=None if low is None else _float(low),
        high=None if high is None else _float(high),
    )


def _rounded_up(count: float) -> int:
    """Return a count to two digits that is no smaller: of fewer it would not be clear."""
    whole = ceil(round(count, 6))
    unit: int = 10 ** max(0, len(str(whole)) - 2)
    return ceil_div(whole, unit) * unit


def _place(value: float, others: list[float]) -> int:
    return 1 + sum(other < value for other in others)


def _lines(result: Row, file: str, liquidity: str, model: QueueModel) -> list[Row]:
    """Return the algorithms on some parents, cheapest first."""
    key = file, liquidity, model.value
    lines = [row for row in _rows(result, "rows") if (row["file"], row["liquidity"], row["queue_model"]) == key]
    return sorted(lines, key=lambda line: _float(line["shortfall_cents"]))


def _pairs(result: Row, file: str, liquidity: str, model: QueueModel) -> list[Row]:
    """Return the walker's differences to each opponent on some parents."""
    key = file, WALKER, liquidity, model.value
    pairs = _rows(result, "paired")
    return [pair for pair in pairs if (pair["file"], pair["a"], pair["liquidity"], pair["queue_model"]) == key]


def _rows(result: Row, which: str) -> list[Row]:
    found = result[which]
    assert isinstance(found, list)
    return found


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _shown(value: object, digits: int) -> str:
    return "-" if value is None else f"{_float(value):.{digits}f}"


def _signed(value: object) -> str:
    return "-" if value is None else f"{_float(value):+.3f}"


def _percent(value: object) -> str:
    return "-" if value is None else f"{100 * _float(value):.1f} %"
