"""`make lab`: the fixed protocol, its two halves, its page and its figures."""

import gzip
import json
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from tests.shell.test_lab_command import long_tape
from tools import ablation
from tools.lab import PAGE, TARGETS, Played, Task, command, design, main, played, sources
from tools.lab_page import WALKER, How, page
from tools.otherwise import OTHERWISE

from depthwalker.core.units import DAY, SECOND, Micros, Price
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.report import TAILS, Row
from depthwalker.shell.recording import save


def test_the_protocol_is_that_of_the_issue() -> None:
    drawn = design()
    sampling = drawn.sampling

    assert [count // 100 for count in sampling.counts] == [10, 100]
    assert {leg.value for leg in sampling.outcomes} == {"yes", "no"}
    assert (sampling.aim.base, sampling.aim.ticks, sampling.action.value) == ("offer", 0, "buy")
    assert (sampling.every, sampling.config.timeout, drawn.latency) == (30 * SECOND, 40 * SECOND, SECOND // 10)
    assert (sampling.config.slippage_ppm, sampling.config.slippage_dollars) == (25_000, Price(300))
    assert drawn.models == tuple(QueueModel)
    assert drawn.block == 400 * SECOND


def test_a_market_that_the_policy_was_chosen_on_never_judges_it(tmp_path: Path) -> None:
    day = Micros(1_681_084_800 * SECOND)  # 2023-04-10
    begins = {
        "INXD-23APR10-ATM": Micros(0),
        "INXD-23APR10-B4137": day,
        "NASDAQ100D-23APR10-B13050": Micros(day + 13 * 3_600 * SECOND),  # another event of that day
        "INXD-23APR14-ATM": Micros(day + 4 * DAY),
        "INXD-23APR100-ATM": Micros(0),
    }
    tickers = tuple(begins)
    for number, (ticker, begin) in enumerate(begins.items()):  # whatever it is called
        save(replace(long_tape(3), ticker=ticker), tmp_path / f"kalshi_{number}.jsonl.gz", begin)
    files = [Task(str(tmp_path / f"kalshi_{number}.jsonl.gz"), ticker, SELDOM) for number, ticker in enumerate(tickers)]

    halves: dict[str, str] = {}
    for task in (*files, Task("thin", "thin", SELDOM)):
        part = played(task)
        assert isinstance(part, Played)
        halves[task.name] = part.half

    assert halves == dict.fromkeys(tickers[:3], "tuning") | dict.fromkeys((*tickers[3:], "thin"), "judging")


SELDOM = Micros(3_600 * SECOND)  # no parent is drawn


def test_recordings_are_named_or_found_in_folders(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl.gz").touch()
    (tmp_path / "a.jsonl.gz").touch()
    (tmp_path / "a.parquet").touch()
    (tmp_path / "notes.txt").touch()

    assert sources([tmp_path, Path("c.jsonl.gz")]) == [
        *(str(tmp_path / name) for name in ("a.jsonl.gz", "a.parquet", "b.jsonl.gz")),
        "c.jsonl.gz",
    ]


def test_a_folder_without_recordings_is_refused_and_without_any_data_markets_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.jsonl").touch()

    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--out", str(tmp_path / "lab.md")])

    assert ended.value.code == 2
    assert f"{tmp_path} holds no recording: none of *.jsonl.gz, *.jsonl, *.parquet" in capsys.readouterr().err
    assert not (tmp_path / "lab.md").exists()
    assert sources([]) == ["thin", "moderate", "liquid"]


def test_paths_may_hold_spaces_and_several_may_come_as_one_word(tmp_path: Path) -> None:
    spaced = tmp_path / "my recordings"
    spaced.mkdir()
    (spaced / "a.jsonl").touch()

    assert sources([spaced]) == [str(spaced / "a.jsonl")]
    assert sources([Path("a.jsonl.gz b.parquet")]) == ["a.jsonl.gz", "b.parquet"]


def test_a_run_writes_a_page_and_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "lab.md"

    assert main(["moderate", "--out", str(out), "--every", "600", "--jobs", "1"]) == 0

    text, figures = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    assert list(figures) == ["judging"]
    rows = figures["judging"]["rows"]
    assert {row["queue_model"] for row in rows} == {"worst", "prorata"}
    for row in rows:
        if row["file"] == "all":
            assert f"| {row['algorithm']} | {row['parents']:,} | {row['shortfall_cents']:.3f} |" in text
    walker = next(
        row for row in rows if (row["algorithm"], row["queue_model"], row["file"]) == (WALKER, "worst", "all")
    )
    verdict = "met" if walker["calls"] <= 8 else "**missed**"
    parents = walker["parents"]
    assert f"| moderate: calls, mean | at most 8 | {walker['calls']:.1f} | {parents} | {verdict} |" in text
    verdict = "met" if walker["calls_under_8"] > 0.5 else "**missed**"
    under = f"{walker['calls_under_8']:.1%}".replace("%", " %")
    assert f"| moderate: calls, fewer than 8 | by more than half | {under} | {parents} | {verdict} |" in text
    assert "Fill model: tape: " in text
    assert "Sessions: none, the markets are synthetic: what is found on them is **descriptive**." in text
    assert "every 600 seconds" in text
    assert {pair["file"] for pair in figures["judging"]["paired"]} == {"all", "moderate"}
    every = sum(
        row["parents"]
        for row in rows
        if (row["algorithm"], row["file"], row["queue_model"]) == (WALKER, "all", "worst") and row["liquidity"] != "all"
    )
    for by in ("best", "ended"):
        some = [one for one in figures["judging"]["above_the_bound"] if one["by"] == by]
        assert len(some) == 3
        assert sum(one["share_of_excess"] for one in some if one["parents"]) == pytest.approx(1, abs=0.001)
        assert sum(one["parents"] for one in some) == every
        assert all(one["cents"] >= 0 and one["switch_cents"] >= 0 for one in some if one["parents"])
    assert {pair["a"] for pair in figures["judging"]["paired"]} == {WALKER}


def result(*markets: tuple[str, float, float], **more: object) -> Row:
    """Return a result of markets, each with 50 thin parents, told by name and what the walker costs less than two opponents."""
    rows: list[Row] = []
    paired: list[Row] = []
    mean = sum(less for _, less, _ in markets) / len(markets)
    other = sum(less for _, _, less in markets) / len(markets)
    for (file, less, lesser), queue in product((("all", mean, other), *markets), ("worst", "prorata")):
        key: Row = {"file": file, "liquidity": "thin", "queue_model": queue}
        rows.append(ROW | key | {"algorithm": WALKER, "shortfall_cents": 3.0})
        for name, cents in (("twap", less), ("spec", lesser)):
            rows.append(ROW | key | {"algorithm": name, "shortfall_cents": 3 + cents})
            interval: Row = {
                "fill_model": "tape",
                "mean_cents": -cents,
                "cents_low": -cents - 0.2,
                "cents_high": -cents + 0.2,
            }
            paired.append(key | interval | {"a": WALKER, "b": name, "parents": 50, "blocks": 20})
    return {
        "runs": 1,
        "left_out": {},
        "fill_model": "tape",
        "trades": {name: 1_000 for name, *_ in markets},
        "sides_inferred": {},
        "sides_untold": {},
        "markets": [name for name, *_ in markets],
        "sessions": 2,
        "days": ["2023-04-14", "2023-04-15"],
        "descriptive": True,
        "rows": rows,
        "paired": paired,
        "above_the_bound": [],
        **more,
    }


ROW: Row = {
    "fill_model": "tape",
    "parents": 50,
    "fill_rate": 0.9,
    "parents_in_reach": 40,
    "fill_rate_in_reach": 0.97,
    "parents_out_of_reach": 10,
    "fill_rate_of_bound_out_of_reach": 0.8,
    "share_of_bound_out_of_reach": 0.5,
    "shortfall_cents_ci": [2.0, 4.0],
    "bound_cents": 1.0,
    "switch_cents": 1.5,
    "captured_by_switch": 0.7,
    "slippage_bps_in_reach": 130.0,
    "parents_full": 30,
    "seconds_to_full": 20.0,
    "walks": 1.0,
    "calls": 7.0,
    "calls_under_8": 0.4,
    "calls_most": 21,
    "captured": 0.3,
    "captured_ci": [0.1, 0.5],
    "shortfall_bps": 123.4,
    "seconds_to_first": 3.0,
    "tokens": 60.0,
    "fee_bps": 150.0,
    **{
        f"{of}_{tail}": 5.0
        for of, tail in product(("shortfall_cents", "seconds_to_first", "seconds_to_full", "calls"), TAILS)
    },
    **{f"markout_{seconds}s_cents": -0.5 for seconds in (5, 30, 60)},
}


def told(some: Row, half: str = "judging") -> str:
    return page({half: some}, {}, How(30, (10, 100), "2.5%,0.03", 1, 2, "", "lab", "make lab DATA=folder", True))


def test_where_the_walker_does_not_win_is_said_market_by_market() -> None:
    text = told(result(("x", 0.5, 0.6), ("y", -0.3, -0.1), ("z", -0.1, 0.4), ("w", 0.1, 0.2)))

    assert "| y | thin | 50 | worst | 3 of 3 | 3.000 | twap | 2.700 | +0.300 [+0.100, +0.500] |" in text
    assert "| x | thin | 50 | prorata | 1 of 3 | 3.000 | twap | 3.500 | -0.500 [-0.700, -0.300] |" in text
    lost, within = (
        "of the 200 thin parents): it is",
        "within noise of 20 stretches, of about 80 like these it would be clear",
    )
    assert f"* y, thin (50 {lost} the dearest of 3; twap is cheaper by 0.300 cents a contract, beyond noise." in text
    assert f"* z, thin (50 {lost} number 2 of 3; twap is cheaper by 0.100 cents a contract, {within}." in text
    assert "* x, thin" not in text
    assert f"Where it has the lowest mean, but not beyond noise: w, thin (twap, {within})." in text


def test_what_is_lost_under_one_queue_alone_or_in_basis_points_is_said_too() -> None:
    some = result(("x", 0.5, 0.6), ("y", 0.5, 0.6))
    for row in rows_of(some, "rows"):
        if (row["algorithm"], row["queue_model"], row["file"]) == ("twap", "prorata", "y"):
            row["shortfall_cents"] = 2.8
        if row["algorithm"] == "spec":
            row["shortfall_bps"] = 99.6
    for pair in rows_of(some, "paired"):
        if (pair["b"], pair["queue_model"], pair["file"]) == ("twap", "prorata", "y"):
            pair |= {"mean_cents": 0.2, "cents_low": 0.1, "cents_high": 0.3}

    text = told(some)

    lost = (
        "it is number 2 of 3, under the prorata queue alone; twap is cheaper by 0.200 cents a contract, beyond noise."
    )
    assert f"* y, thin (50 of the 100 thin parents): {lost}" in text
    assert "* x, thin" not in text
    assert "dominate, it is number 2 of 3 in thin markets: 123, spec 100." in text


def test_where_no_share_is_specified_the_largest_is_wanted() -> None:
    some = result(("x", 0.5, 0.6))
    for row in (*rows_of(some, "rows"), *rows_of(some, "paired")):
        row["liquidity"] = "moderate"
    for row in rows_of(some, "rows"):
        if (row["algorithm"], row["queue_model"]) == ("spec", "worst"):
            row["fill_rate_in_reach"] = 0.999

    text = told(some)

    came_to = "worst 97.0 % (place 2 of 3, with twap; spec 99.9 %), prorata 97.0 % (place 1 of 3, with twap and spec)"
    assert f"| moderate: filled, in reach | the largest share | {came_to} | 40 | **missed** |" in text
    assert "slippage, in reach |" not in text


def test_who_wins_everywhere_is_said_to() -> None:
    text = told(result(("x", 0.5, 0.6), ("y", 0.4, 0.6)))

    assert "Where it does not win: nowhere, its mean is the lowest on every market in every class." in text
    assert "not beyond noise" not in text


def test_the_targets_tell_who_is_behind_them_and_what_is_missed() -> None:
    text = told(result(("x", 0.1, 0.6)))
    less = "twap -0.100 [-0.300, +0.100]"
    came_to = f"worst {less}, prorata {less}, of 20 stretches; of about 80 like these both would be clear"

    for line in (
        "place by the mean | the lowest of all | worst 1 of 3, prorata 1 of 3 | 50 | met |",
        f"less its best opponent, cents | interval below zero | {came_to} | 50 | **not shown** |",
        "filled, in reach | at least 96% | 97.0 % | 40 | met |",
        "slippage, in reach | at most 1.2 % | +1.30 % | 40 | **missed** |",
        "filled of what the bound fills, out of reach | the largest share | 50.0 % (place 1 of 3, with twap and spec) | 10 | met |",
        "time to the full fill, of those filled | at most 25 s | 20.0 s | 30 | met |",
        "calls, fewer than 8 | by more than half | 40.0 % | 50 | **missed** |",
        "calls, most | at most 20 | 21.0 | 50 | **missed** |",
    ):
        assert f"| thin: {line}" in text, line


def test_what_holds_under_one_queue_alone_is_missed_and_what_nobody_can_tell_is_not_judged() -> None:
    one, none = result(("x", 0.5, 0.6)), result(("x", 0.5, 0.6))
    for row in rows_of(one, "rows"):
        if (row["algorithm"], row["queue_model"]) == ("twap", "prorata"):
            row["shortfall_cents"] = 2.0
        if (row["algorithm"], row["file"]) == ("spec", "all"):
            row["share_of_bound_out_of_reach"] = 0.75
    for row in rows_of(none, "rows"):
        row |= {"parents_out_of_reach": 0, "share_of_bound_out_of_reach": None, "slippage_bps_in_reach": None}
    for pair in rows_of(none, "paired"):
        pair |= {"cents_low": None, "cents_high": None, "blocks": 3}

    assert "the lowest of all | worst 1 of 3, prorata 2 of 3 | 50 | **missed** |" in told(one)
    assert "| the largest share | 50.0 % (place 2 of 3, with twap; spec 75.0 %) | 10 | **missed** |" in told(one)
    assert "| the largest share | - | 0 | not judged |" in told(none)
    assert "| at most 1.2 % | - | 40 | not judged |" in told(none)
    assert "| worst twap -0.500, prorata twap -0.500, of 3 stretches | 50 | not judged |" in told(none)
    assert "not beyond noise: x, thin (twap, with too few blocks for an interval)." in told(none)


def rows_of(some: Row, which: str) -> list[Row]:
    found = some[which]
    assert isinstance(found, list)
    return found


def test_the_stretches_that_would_show_a_difference_are_never_fewer_than_did_not() -> None:
    some = result(("x", 0.5, 0.6))
    for pair in rows_of(some, "paired"):
        pair |= {"cents_high": 0.0, "blocks": 1_234}

    assert "x, thin (twap, within noise of 1,234 stretches, of about 1,300 like these it would be clear)." in told(some)


def test_the_stretches_that_would_meet_a_target_meet_it_under_both_queues() -> None:
    some, dearer = result(("x", 0.1, 0.6)), result(("x", 0.1, 0.6))
    for pair in rows_of(some, "paired"):
        if pair["queue_model"] == "prorata":
            pair["cents_high"] = 0.3
    for row in rows_of(dearer, "rows"):
        if (row["algorithm"], row["queue_model"]) == ("twap", "prorata"):
            row["shortfall_cents"] = 2.9
    for pair in rows_of(dearer, "paired"):
        if (pair["b"], pair["queue_model"]) == ("twap", "prorata"):
            pair |= {"mean_cents": 0.1, "cents_low": -0.1, "cents_high": 0.3}

    less = "worst twap -0.100 [-0.300, +0.100], prorata twap"
    assert (
        f"| {less} -0.100 [-0.300, +0.300], of 20 stretches; of about 320 like these both would be clear | 50 |"
        in told(some)
    )
    assert f"| {less} +0.100 [-0.100, +0.300], of 20 stretches | 50 | **missed** |" in told(dearer)


def test_few_days_are_descriptive_wherever_something_is_claimed() -> None:
    few, many = told(result(("x", 0.5, 0.6))), told(result(("x", 0.5, 0.6), descriptive=False, sessions=7))

    assert ": 2, on 2023-04-14, 2023-04-15; fewer than five days, so what is found on them is **descriptive**" in few
    assert "| the walker | target, under both queues | came to | parents | descriptive |" in few
    assert "Market by market, under both queues (descriptive):" in few
    assert "parent by parent (descriptive): " in few
    assert ": 7, on 2023-04-14, 2023-04-15.\n" in many
    assert "descriptive" not in many


def test_judging_markets_that_were_looked_at_are_said_to_be() -> None:
    looked_at = "day/kalshi_INXD-23APR14-ATM"
    some = result((looked_at, 0.5, 0.6), ("mine", 0.5, 0.6))

    assert f"Not tuned on is not unseen: {looked_at} had been looked at before the policy was settled." in told(some)
    assert "Not tuned on" not in told(some, "tuning")
    assert "Not tuned on" not in told(result(("mine", 0.5, 0.6)))


def test_several_fill_models_are_told_with_their_markets() -> None:
    models = {"x": "tape: all", "y": "lower bound: no trades", "z": "tape: all"}
    some = result(("x", 0.5, 0.6), fill_model=models, trades={"x": 1_234, "y": 0, "z": 1})
    proxy = some | {"sides_inferred": {"x": 1_230}, "sides_untold": {"x": 2, "z": 5}}
    sides = (
        "1,234 of x (the taker's side of 1,230 inferred, 2 more of no known side left out), 0 of y, 1 of z (5 more of"
    )
    assert f"Trades recorded: {sides} no known side left out)." in told(proxy)
    for row in (*rows_of(some, "rows"), *rows_of(some, "paired")):
        row["fill_model"] = "mixed"

    text = told(some)

    assert "Fill models: lower bound: no trades (y); tape: all (x, z). Figures of several markets may mix them" in text
    assert "Trades recorded: 1,234 of x, 0 of y, 1 of z." in text
    assert "**thin, worst queue, fill models mixed**" in text
    assert "| thin, fill models mixed: calls, most |" in text


def test_other_counts_and_another_cap_are_judged_and_named(tmp_path: Path) -> None:
    out = tmp_path / "lab-large.md"
    asked = [
        "--count",
        "500",
        "2000",
        "--cap",
        "0.03",
        "--title",
        ": large parents",
        "--every",
        "900",
        "--jobs",
        "1",
        "--no-figures",
    ]

    assert main(["moderate", "--out", str(out), *asked]) == 0

    text = " ".join(out.read_text().split())
    words = (
        f"python -m tools.lab moderate --out {out} --count 500 2000 --cap 0.03 --title ': large parents' --every 900"
    )
    written = f"`{words} --jobs 1 --no-figures` writes this page from the"
    assert f"# The laboratory's judgement: large parents {written}" in text
    assert not out.with_suffix(".json").exists()
    assert "500 and 2,000 contracts of both outcomes, every 900 seconds" in text
    assert "capped at 3 cents above the target. Cost is" in text


def test_a_page_that_the_documentation_keeps_is_written_by_make() -> None:
    rules = (PAGE.parents[1] / "Makefile").read_text().splitlines()

    for target in TARGETS:
        assert any(rule.startswith(f"{target}: ") for rule in rules)
        assert command(PAGE.with_name(f"{target}.md"), ["a folder"]) == f"make {target} DATA=folder"
    assert command(PAGE.with_name("mine.md"), ["a folder"]) == "python -m tools.lab 'a folder'"


@pytest.mark.parametrize("wrong", [("--cap", "three cents"), ("--count", "0"), ("--every", "0"), ("--jobs", "-1")])
def test_what_cannot_be_asked_is_refused(wrong: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["moderate", "--out", str(tmp_path / "lab.md"), *wrong])
    assert ended.value.code == 2


def test_recordings_of_one_name_are_markets_of_their_own(tmp_path: Path) -> None:
    files = [
        tmp_path / folder / f"day.{ending}" for folder, ending in (("a", "jsonl"), ("b", "jsonl"), ("b", "parquet"))
    ]
    for seed, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        save(long_tape(seed), file)
    out = tmp_path / "lab.md"

    assert main([*map(str, files), "--out", str(out), "--every", "120", "--jobs", "1"]) == 0

    assert "Markets: a/day, b/day.jsonl, day.parquet." in out.read_text()
    rows = json.loads(out.with_suffix(".json").read_text())["judging"]["rows"]
    assert {row["file"] for row in rows} == {"all", "a/day", "b/day.jsonl", "day.parquet"}


def test_a_market_that_is_given_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["thin", "thin", "--out", str(tmp_path / "lab.md")])
    assert (ended.value.code, "thin is given twice" in capsys.readouterr().err) == (2, True)


def test_a_copy_of_a_market_is_not_judged_by(tmp_path: Path) -> None:
    for ending in ("jsonl", "jsonl.gz"):
        save(long_tape(3), tmp_path / f"market.{ending}", Micros(86_400 * SECOND))
    out = tmp_path / "lab.md"

    assert main([str(tmp_path), "--out", str(out), "--every", "120", "--jobs", "1"]) == 0

    text = out.read_text()
    assert "Markets: market.jsonl." in text
    assert "market.jsonl.gz: it is of T at a time at which market.jsonl is too: each parent counts once" in text


def test_what_cannot_be_played_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.jsonl.gz"
    wrong.write_bytes(gzip.compress(b"no recording\n"))

    assert main([str(wrong), "--out", str(tmp_path / "lab.md"), "--jobs", "1"]) == 2

    assert "nothing could be played: wrong: " in capsys.readouterr().err
    assert not (tmp_path / "lab.md").exists()

    assert main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "lab.md"), "--jobs", "1"]) == 2

    assert "none.jsonl cannot be read: No such file or directory" in capsys.readouterr().err


def test_what_stays_within_noise_and_what_is_cheaper_but_left_out_are_named_with_the_reason() -> None:
    calls, rest, unknown, worth = (
        "no saving of calls",
        "takes the rest 2 s before the end instead of 5",
        "something new",
        "worth it",
    )

    def row(
        varied: str, half: str, low: float | None, high: float | None, liquidity: str = "all", queue: str = "worst"
    ) -> Row:
        return {
            "queue_model": queue,
            "policy": int(bool(varied)),
            "varied": varied,
            "half": half,
            "liquidity": liquidity,
            "low": low,
            "high": high,
        }

    text = "\n".join(
        ablation.stays(
            [
                row("", "tuning", None, None),
                row(calls, "tuning", -0.1, 0.1),
                row(calls, "judging", 0.0, 0.0),
                row(rest, "tuning", -0.2, -0.1),
                row(rest, "judging", -0.2, 0.1),
                row(unknown, "tuning", 0.1, 0.2),
                row(unknown, "judging", None, None),
                row(worth, "tuning", 0.1, 0.2),
                row(worth, "judging", 0.1, 0.2),
                row(worth, "judging", -0.1, 0.2, "thin"),
                row(calls, "tuning", -0.1, 0.1, queue="prorata"),
                row(calls, "judging", -0.1, 0.1, queue="prorata"),
                row(unknown, "judging", -0.1, 0.1, queue="prorata"),
            ]
        )
    )

    stays, left = text.split("Cheaper beyond noise")
    assert f"* {calls} (everywhere): a bound on calls" in stays
    assert f"* {unknown} (judging, worst; judging, prorata): no reason is written down." in stays
    assert f"* {rest} (tuning, worst): later and less filled" in left
    assert (rest in stays, worth in text, text.count("\n* ")) == (False, False, 3)
    assert "none." in "\n".join(ablation.stays([]))


def test_reasons_are_of_changes_that_are_made() -> None:
    changes = tomllib.loads(ablation.SPACE.read_text())["alone"]

    assert set(ablation.REASONS) <= {*changes, *dict(OTHERWISE)}


def test_what_each_part_is_worth_is_a_table_of_changes_made_alone(tmp_path: Path) -> None:
    out = tmp_path / "ablation.md"

    assert ablation.main(["--tune", "moderate", "--judge", "thin", "--every", "900", "--out", str(out)]) == 0

    text = out.read_text()
    assert "Tuning: moderate. Sessions: none" in text
    lines = text.splitlines()
    changes = tomllib.loads(ablation.SPACE.read_text())["alone"]
    for change in (*changes, *dict(OTHERWISE)):
        assert any(line.startswith(f"| {change} | ") for line in lines), change
