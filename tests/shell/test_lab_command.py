"""The command: parents are sampled, everyone executes them, and the report says by what fill model."""

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tests.shell.lab_tapes import drawn_tape

from depthwalker.core.book import Book, Leg
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.parent import Action
from depthwalker.core.tape import Arrive, Event, Replace, Take, Tape, books
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.cli import main
from depthwalker.shell.lab.experiment import (
    GUESSED,
    PARTIAL,
    SAMPLED,
    TRADED,
    UNTRADED,
    Design,
    experiment,
    fill_model,
    indexed,
)
from depthwalker.shell.lab.parents import Aim, LeftOut, Sampled, Sampling, sample
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.shown import shown
from depthwalker.shell.lab.statistics import Estimate, estimated, ratio
from depthwalker.shell.recording import save

WIDE = Book(((Price(4_500), Count(100_000)),), ((Price(5_000), Count(100_000)),), Micros(0))
FULL = Path("/dev/full")
ASKED = ("--horizon", "8", "--every", "7", "--count", "5")


def long_tape(seed: int) -> Tape:
    """Return five minutes: one after another."""
    events: list[Event] = []
    minute = drawn_tape(seed)
    for number in range(5):
        drawn = drawn_tape(seed + number)
        if number:
            events.append(Event(Micros(number * 60 * SECOND), _back(drawn)))
        events.extend(Event(Micros(event.at + number * 60 * SECOND), event.flow) for event in drawn.events)
    return Tape("T", minute.grid, minute.opening, tuple(events), Micros(5 * 60 * SECOND))


def _back(tape: Tape) -> Replace:
    return Replace(tape.opening.yes, tape.opening.no)


def after(tape: Tape) -> Iterator[Book]:
    return islice(books(tape), 1, None)


def snapshots(tape: Tape) -> Tape:
    """Return the tape as snapshots of its book alone."""
    events = tuple(
        Event(event.at, Replace(book.yes, book.no)) for event, book in zip(tape.events, after(tape), strict=True)
    )
    return Tape(tape.ticker, tape.grid, tape.opening, events, tape.span)


def run(*words: str) -> int:
    return main(["backtest", *words])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "market.jsonl.gz"
    save(long_tape(3), path)
    return path


def test_everyone_executes_the_same_parents(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(recording), *ASKED) == 0
    shown = capsys.readouterr().out
    assert run(str(recording), *ASKED, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    names = set(players(DEFAULT_EXECUTION))
    whole = [row for row in found["rows"] if row["file"] == "all" and row["queue_model"] == "worst"]
    assert {row["algorithm"] for row in found["rows"]} == names
    assert all(name in shown for name in names)
    assert all(f"{heading}: " in shown for heading in ("cents", "interval", "share", "bound's", "slip bp", "mark30"))
    parents = sum(row["parents"] for row in whole if row["algorithm"] == "take_now")
    assert found["runs"] == 2 * parents * len(names)
    assert found["fill_model"].startswith("tape")
    assert all(row["shortfall_cents"] >= row["bound_cents"] for row in found["rows"])
    assert {row["captured"] for row in whole if row["algorithm"] == "take_now"} <= {0.0}
    keys = {
        "fill_rate",
        "shortfall_bps",
        "shortfall_ci",
        "slippage_bps",
        "fee_bps",
        "seconds_to_full",
        "walks",
        "calls",
    }
    assert keys <= set(found["rows"][0])
    assert {"a", "b", "liquidity", "mean_bps", "ci_low", "ci_high", "parents"} <= set(found["paired"][0])
    pair = {(row["a"], row["b"], row["liquidity"], row["queue_model"]): row["mean_cents"] for row in found["paired"]}
    assert all(pair[b, a, *rest] == pytest.approx(-mean) for (a, b, *rest), mean in pair.items())


def test_markets_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "monday" / "market.jsonl", tmp_path / "tuesday" / "market.jsonl"
    alone: list[dict[str, object]] = []
    for seed, file in enumerate((first, second)):
        file.parent.mkdir()
        save(long_tape(seed), file)
        assert run(str(file), *ASKED, "--every", "60", "--algorithm", "take_now", "chase", "--json") == 0
        alone.extend({**row, "file": ""} for row in rows_of(capsys.readouterr().out, "market.jsonl"))
    words = (str(first), "thin", str(second), "thin", *ASKED, "--every", "60")
    assert run(*words, "--algorithm", "take_now", "chase", "--json") == 0
    text = capsys.readouterr().out
    together = [row for day in ("monday", "tuesday") for row in rows_of(text, f"{day}/market.jsonl")]
    assert [{**row, "file": ""} for row in together] == alone
    assert {row["file"] for row in json.loads(text)["rows"]} == {
        "all",
        "monday/market.jsonl",
        "tuesday/market.jsonl",
        "thin (seed 1)",
        "thin (seed 3)",
    }
    taken = [row["captured"] for row in json.loads(text)["rows"] if row["algorithm"] == "take_now"]
    assert set(taken) <= {0.0, None}


def rows_of(text: str, file: str) -> list[dict[str, object]]:
    return [row for row in json.loads(text)["rows"] if row["file"] == file]


def test_a_recording_that_is_given_twice_is_refused(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = recording.parent / ".." / recording.parent.name / recording.name
    assert run(str(recording), str(again), *ASKED) == 2
    assert f"{recording} is given twice" in capsys.readouterr().err


def test_a_copy_of_a_recording_is_not_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, packed, next_day = (tmp_path / name for name in ("market.jsonl", "market.jsonl.gz", "later.parquet"))
    for file, day in ((plain, 1), (packed, 1), (next_day, 2)):
        save(long_tape(3), file, Micros(day * 86_400 * SECOND))

    assert run(*map(str, (plain, packed, next_day)), *ASKED, "--algorithm", "take_now", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert {row["file"] for row in found["rows"]} == {"all", "market.jsonl", "later.parquet"}
    reason = "it is of T at a time at which market.jsonl is too: each parent counts once"
    assert found["refused"] == [{"file": "market.jsonl.gz", "reason": reason}]


def test_what_stands_on_fewer_than_five_days_is_descriptive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{day}.jsonl" for day in range(1, 6)]
    for day, file in enumerate(files, 1):
        save(long_tape(3), file, Micros(day * 86_400 * SECOND))
    page, json_file = tmp_path / "page.html", tmp_path / "found.json"
    words = (*ASKED, "--every", "60", "--algorithm", "take_now", "--json", str(json_file), "--html", str(page))
    few = "fewer than five: descriptive, nothing is claimed of other days"
    for data, days, told, descriptive in (
        (["thin"], 0, "ays: none, the markets are drawn", True),
        (files[:1], 1, "ays: 1970-01-02", True),
        (files[:4], 4, "ays: 4, 1970-01-02 to 1970-01-05", True),
        (files, 5, "ays: 5, 1970-01-02 to 1970-01-06", False),
    ):
        assert run(*map(str, data), *words) == 0
        found = json.loads(json_file.read_text())
        assert (found["sessions"], len(found["days"]), found["descriptive"]) == (days, days, descriptive)
        for text in (capsys.readouterr().out, page.read_text()):
            assert told in text
            assert (few in text) == descriptive


def test_no_two_markets_of_an_experiment_have_one_name() -> None:
    two = [("market", long_tape(3)), ("market", long_tape(4))]
    config = replace(DEFAULT_EXECUTION, timeout=Micros(8 * SECOND))
    sampling = Sampling((Count(100),), (Leg.YES,), Action.BUY, Aim("offer", 0), Micros(SECOND), Micros(0), config)
    with pytest.raises(ValueError, match="two markets are called market"):
        experiment(two, Design((), sampling, (), Micros(0), Micros(80 * SECOND)))


def test_what_cannot_be_played_is_named_beside_what_was(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, short, kept, page = (tmp_path / name for name in ("broken.jsonl", "short.jsonl", "kept.json", "page.html"))
    broken.write_text("no recording\n")
    save(drawn_tape(3), short)
    markets = ("nowhere.jsonl", str(broken), str(short), str(recording))
    words = (*ASKED, "--algorithm", "take_now", "--json", str(kept), "--html", str(page))
    assert run(*markets, *words) == 0
    whole = json.loads(kept.read_text())
    reasons = {one["file"]: one["reason"] for one in whole["refused"]}
    assert list(reasons) == ["nowhere.jsonl", "broken.jsonl", "short.jsonl"]
    assert "nowhere.jsonl cannot be read" in reasons["nowhere.jsonl"]
    assert "broken.jsonl cannot be replayed" in reasons["broken.jsonl"]
    assert reasons["short.jsonl"] == "no parent could be sampled"
    shown = capsys.readouterr().out
    for file, reason in reasons.items():
        assert f"not played: {file}: {reason}" in shown
        assert f"Not played: {file}: " in page.read_text()
    assert {row["file"] for row in whole["rows"]} == {"all", recording.name}
    assert run(*markets[:2], *words) == 2
    told = capsys.readouterr().err
    assert all(told.count(f"{file} cannot be re") == 1 for file in ("nowhere.jsonl", "broken.jsonl"))


def test_several_counts_and_algorithms_a_policy_and_both_reports_as_files(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, kept, page = tmp_path / "policy.toml", tmp_path / "kept.json", tmp_path / "page.html"
    policy.write_text('algorithm = "dynamic_depth_walker"\n[dynamic_depth_walker]\nmax_walks = 3\n')
    words = (
        str(recording),
        "--algorithm",
        "twap",
        "chase",
        "--policy",
        str(policy),
        "--count",
        "10",
        "20",
        "--queue",
        "worst",
    )
    assert run(*words, "--json", str(kept), "--html", str(page)) == 0
    assert "chase" in capsys.readouterr().out, "the table is shown beside the file"
    found = json.loads(kept.read_text())
    assert {row["algorithm"] for row in found["rows"]} == {"twap", "chase"}
    assert {row["queue_model"] for row in found["rows"]} == {"worst"}
    assert page.read_text().startswith("<!doctype html>")
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.skipif(not FULL.exists(), reason="no device here is always full")
def test_a_disk_that_is_full_at_the_end_costs_the_file_and_not_the_result(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(recording), *ASKED, "--algorithm", "take_now")
    page = tmp_path / "page.html"
    assert run(*words, "--json", str(FULL), "--html", str(page)) == 1
    assert "take_now" in capsys.readouterr().out
    assert "take_now" in page.read_text()
    assert run(*words, "--json", "--html", str(FULL)) == 1
    told = capsys.readouterr()
    assert {row["algorithm"] for row in json.loads(told.out)["rows"]} == {"take_now"}
    assert told.err.endswith("/dev/full: No space left on device\n")


def test_parents_of_a_count_that_is_given_twice_count_once(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (str(recording), "--algorithm", "take_now", "chase", "--json")
    assert run(*words, "--count", "10", "20") == 0
    once = json.loads(capsys.readouterr().out)
    assert run(*words, "--count", "10", "20", "10.00", "--count", "20") == 0
    assert json.loads(capsys.readouterr().out) == once


@pytest.mark.parametrize(
    ("algorithms", "first"),
    [(("dynamic_depth_walker", "chase", "take_now"), "dynamic_depth_walker"), (("chase", "take_now"), None)],
    ids=["the walker", "without it the cheapest"],
)
def test_each_table_ends_with_the_paired_difference_to_the_best_opponent(
    algorithms: tuple[str, ...], first: str | None, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(recording), *ASKED, "--queue", "worst", "--algorithm", *algorithms)
    assert run(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    for liquidity in {row["liquidity"] for row in found["rows"]}:
        rows = [row for row in found["rows"] if (row["liquidity"], row["file"]) == (liquidity, "all")]
        ranked = [row["algorithm"] for row in sorted(rows, key=lambda row: float(row["shortfall_cents"]))]
        one = first or ranked[0]
        other = next(name for name in ranked if name != one)
        pairs = (pair for pair in found["paired"] if (pair["file"], pair["liquidity"]) == ("all", liquidity))
        (pair,) = (pair for pair in pairs if (pair["a"], pair["b"]) == (one, other))
        sure = "" if pair["cents_low"] is None else f" [{pair['cents_low']:+.3f}, {pair['cents_high']:+.3f}]"
        assert f"{one} less {other}, parent by parent: {pair['mean_cents']:+.3f}{sure} cents" in lines


def test_a_policy_keeps_its_own_cap_and_time_out_unless_others_are_given(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("max_slippage_percent = 0\nmax_slippage_dollars = 0.01\norder_timeout_seconds = 12\n")
    asked = (str(recording), "--every", "7", "--count", "20", "--algorithm", "chase", "--queue", "worst", "--json")

    def found(*words: str) -> str:
        assert run(*asked, *words) == 0
        return capsys.readouterr().out

    own = found("--policy", str(policy))
    other = found("--policy", str(policy), "--cap", "0.02", "--horizon", "8")

    assert own == found("--cap", "0.01,0%", "--horizon", "12")
    assert other == found("--cap", "0.02", "--horizon", "8") != own
    assert found() == found("--cap", "0.03", "--horizon", "40")


@pytest.mark.parametrize("side", ["bid", "offer"])
def test_simple_limit_rests_at_its_target(side: str, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(str(recording), *ASKED, "--algorithm", "simple_limit", f"simple_limit_{side}", "--target", side, "--json")
        == 0
    )
    rows = json.loads(capsys.readouterr().out)["rows"]
    mine = [row for row in rows if row["algorithm"] == "simple_limit"]
    sides = [row | {"algorithm": "simple_limit"} for row in rows if row not in mine]
    assert mine == sides != []


def test_the_same_words_give_the_same_bytes(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        run(str(recording), *ASKED, "--queue-model", "worst", "--algorithm", "chase", "--json")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["runs"]


def test_a_recording_without_trades_says_what_its_fills_stand_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(snapshots(long_tape(4)), tmp_path / "silent.jsonl")
    words = (*ASKED, "--algorithm", "twap", "--queue-model", "worst")
    assert run(str(tmp_path / "silent.jsonl"), *words) == 0
    shown = capsys.readouterr().out
    assert f"fill model: {SAMPLED}{UNTRADED}\ntrades recorded: 0 of silent.jsonl\n" in shown
    assert "mixed" not in shown


def test_what_rests_on_several_fill_models_is_said_to_be_mixed(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    untraded = SAMPLED + UNTRADED
    save(snapshots(long_tape(4)), tmp_path / "silent.jsonl")
    out, page = tmp_path / "kept.json", tmp_path / "page.html"
    words = (*ASKED, "--algorithm", "twap", "chase", "--queue-model", "worst", "--json", str(out), "--html", str(page))
    assert run(str(recording), str(tmp_path / "silent.jsonl"), *words) == 0
    shown, found = capsys.readouterr().out, json.loads(out.read_text())
    models = {file: {row["fill_model"] for row in found["rows"] if row["file"] == file} for file in found["trades"]}
    assert models == {recording.name: {TRADED}, "silent.jsonl": {untraded}}
    assert {row["fill_model"] for row in found["rows"] if row["file"] == "all"} >= {"mixed"}
    pairs = {(row["file"], row["fill_model"]) for row in found["paired"] if row["liquidity"] == "all"}
    assert pairs == {("all", "mixed"), (recording.name, TRADED), ("silent.jsonl", untraded)}
    assert found["fill_model"] == {recording.name: TRADED, "silent.jsonl": untraded}
    assert f"fill model of silent.jsonl: {untraded}" in shown
    assert f"trades recorded: {found['trades'][recording.name]} of {recording.name}, 0 of silent.jsonl" in shown
    assert " cents), fill models mixed\n" in shown
    assert " markets, worst queue, fill models mixed" in page.read_text()
    assert "Trades recorded: " in page.read_text()


def test_a_tape_of_snapshots_and_trades_is_a_sampled_one() -> None:
    tape = long_tape(4)
    takes = tuple(event for event in tape.events if isinstance(event.flow, Take))
    sampled = replace(tape, events=tuple(sorted((*snapshots(tape).events, *takes), key=lambda event: event.at)))
    tapes = (sampled, tape, replace(tape, events=()))
    assert [fill_model(one) for one in tapes] == [SAMPLED + TRADED + PARTIAL, TRADED, UNTRADED]
    assert [fill_model(replace(one, guessed=1)) for one in tapes] == [
        SAMPLED + TRADED + PARTIAL + GUESSED,
        TRADED + GUESSED,
        UNTRADED,
    ]


def test_what_is_not_known_of_the_takers_of_a_recording_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out, page = (tmp_path / name for name in ("proxy.jsonl", "kept.json", "page.html"))
    save(long_tape(4), file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    first = next(place for place, line in enumerate(lines) if line["type"] == "trade")
    lines[first] |= {"taker_side_inferred": True}
    lines[first].pop("of_seq")
    inside = lines[first] | {"yes_price": "0.5000", "taker_side": None}
    book = {"type": "snapshot", "yes": [["0.0100", "1.00"]], "no": [["0.0100", "1.00"]]}
    ends = {key: lines[-1][key] for key in ("ts", "ticker")}
    file.write_text("\n".join(map(json.dumps, [*lines, ends | book, inside | ends])) + "\n")
    words = (*ASKED, "--algorithm", "twap", "--queue-model", "worst", "--json", str(out), "--html", str(page))

    assert run(str(file), *words) == 0

    shown, found = capsys.readouterr().out, json.loads(out.read_text())
    assert found["fill_model"] == TRADED + GUESSED
    assert (found["sides_inferred"], found["sides_untold"]) == ({"proxy.jsonl": 1}, {"proxy.jsonl": 1})
    played = found["trades"]["proxy.jsonl"]
    told = f"{played} of proxy.jsonl (the taker's side of 1 inferred, 1 more of no known side left out)"
    assert f"trades recorded: {told}\n" in shown
    assert told.replace("'", "&#x27;") in page.read_text()


def test_actions_may_arrive_at_once(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(recording), *ASKED, "--latency", "0", "--algorithm", "take_now", "--json") == 0
    whole = [row for row in json.loads(capsys.readouterr().out)["rows"] if row["file"] == "all"]
    assert {row["seconds_to_first"] for row in whole} == {0.0}


def test_a_synthetic_market_needs_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "moderate",
        "--every",
        "900",
        "--algorithm",
        "dynamic_depth_walker",
        "--queue-model",
        "prorata",
        "--seed",
        "2",
    )
    assert run(*words, "--action", "sell", "--outcome", "no", "--target", "mid+1", "--cap", "2.5%") == 0
    assert "prorata" in capsys.readouterr().out


def test_a_figure_stands_apart_from_the_one_before_it(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (str(recording), "--horizon", "4", "--every", "60", "--count", "5", "--queue", "worst")
    assert run(*words, "--algorithm", "take_now", "chase", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    for row in found["rows"]:
        row["captured"] = -218.611  # of a saving of next to nothing

    lines = [line.split() for line in shown(found) if line.startswith(("take_now ", "chase "))]

    assert {"-218.611" in line for line in lines if "less" not in line} == {True}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl cannot be read"),
        (("thin", "--algorithm", "luck"), "there is no algorithm 'luck'"),
        (("thin", "--count", "0"), "--count '0'"),
        (("thin", "--cap", "free"), "--cap 'free'"),
        (("thin", "--cap", "200%"), "--cap '200%'"),
        (("thin", "--method", "nowhere.toml"), "nowhere.toml cannot be read: No such file or directory"),
        (
            ("thin", "--horizon", "3600"),
            "shorter than the 30 s until the first (--every), its horizon of 3600 s and the minute",
        ),
        (
            ("thin", "--every", "3502"),
            "shorter than the 3502 s until the first (--every), its horizon of 40 s and the minute",
        ),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.toml", "algorithm = 'luck'", "allowed is"),
        ("a.json", "[1]", "holds no table"),
        ("b.json", '{"execution_config": {"order_timeout_seconds": 40}}', ""),
        ("b.toml", "[dynamic_depth_walker]\nmax_walks = 4", 'such as "dynamic_depth_walker"'),
    ],
)
def test_a_policy_is_an_execution_config(
    name: str, text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    code = run("thin", "--every", "3000", "--algorithm", "twap", "--method", str(tmp_path / name))
    assert (code, complaint in capsys.readouterr().err) == (2 if complaint else 0, True)


@pytest.mark.parametrize("target", ["ask", "mid+x", "offer++1"])
def test_a_target_is_a_side_and_ticks(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("thin", "--target", target) == 2
    assert "is not bid, mid or offer" in capsys.readouterr().err


def test_a_sale_costs_basis_points_of_its_own_price_and_by_itself_aims_where_it_fills_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, more = (Price(9400), Count(500)), (Price(9300), Count(100_000))
    quiet = Event(Micros(200 * SECOND), Arrive(Leg.YES, Price(3000), Count(100)))
    opening = Book((best, more), ((Price(400), Count(100_000)),), Micros(0))
    save(Tape("T", CENT_GRID, opening, (quiet,), quiet.at), tmp_path / "high.jsonl")
    asked = (str(tmp_path / "high.jsonl"), "--action", "sell", "--outcome", "yes", "--count", "10", "--queue", "worst")

    def found(*words: str) -> dict[str, float]:
        assert run(*asked, "--algorithm", "take_now", "--json", *words) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
        assert isinstance(rows[0], dict)
        return rows[0]

    row = found()

    assert row["fill_rate"] == 1.0
    assert row["slippage_bps"] == pytest.approx(10_000 * 0.005 / 0.94)
    assert row["shortfall_bps"] == pytest.approx(10_000 * row["shortfall_cents"] / 95)
    assert row["fee_bps"] == pytest.approx(row["shortfall_bps"] - 10_000 * 0.015 / 0.95)
    assert row == found("--target", "bid")
    assert found("--target", "offer", "--cap", "0.01")["fill_rate"] == 0.0


def drawn(**changes: object) -> list[Sampled | LeftOut]:
    wanted = {
        "counts": (Count(500),),
        "outcomes": tuple(Leg),
        "action": Action.BUY,
        "aim": Aim("offer", 0),
        "every": Micros(10 * SECOND),
        "offset": Micros(0),
        "config": DEFAULT_EXECUTION,
    }
    return list(sample(indexed(long_tape(5)), Sampling(**{**wanted, **changes})))  # type: ignore[arg-type] # as named


def test_a_sale_aims_at_the_bid_and_offer_of_the_outcome_that_it_sells() -> None:
    for aim in (Aim("bid", 0), Aim("offer", 0), Aim("bid", 1), Aim("offer", -1)):
        buys = [found for found in drawn(outcomes=(Leg.YES,), aim=aim) if isinstance(found, Sampled)]
        sells = [
            found for found in drawn(outcomes=(Leg.YES,), action=Action.SELL, aim=aim) if isinstance(found, Sampled)
        ]
        assert [one.parent.ticket.target for one in sells] == [one.parent.ticket.target for one in buys] != []


def test_a_target_is_taken_from_the_book_in_the_frame_of_the_leg() -> None:
    offered = [found for found in drawn() if isinstance(found, Sampled)]
    bid = [found for found in drawn(aim=Aim("bid", 0)) if isinstance(found, Sampled)]
    above = [found for found in drawn(aim=Aim("bid", 1)) if isinstance(found, Sampled)]
    below = [found for found in drawn(aim=Aim("bid", -1)) if isinstance(found, Sampled)]
    assert len(offered) == len(bid) == len(above) == len(below) > 30
    assert all(
        one.parent.target + other.parent.target == one.twice_mid for one, other in zip(offered, bid, strict=True)
    )
    assert all(one.parent.target == other.parent.target + 100 for one, other in zip(above, bid, strict=True))
    assert all(one.parent.target == other.parent.target - 100 for one, other in zip(below, bid, strict=True))


def test_selling_an_outcome_acquires_the_other_leg() -> None:
    buys = [found.parent for found in drawn(outcomes=(Leg.NO,)) if isinstance(found, Sampled)]
    sold = drawn(outcomes=(Leg.YES,), action=Action.SELL, aim=Aim("bid", 0))
    sells = [found.parent for found in sold if isinstance(found, Sampled)]
    assert [(one.leg, one.target) for one in buys] == [(one.leg, one.target) for one in sells]
    assert sells[0].ticket.action is Action.SELL


def test_a_parent_without_a_mid_or_a_price_is_left_out_and_counted() -> None:
    tape = long_tape(5)
    bare = Tape(tape.ticker, tape.grid, tape.opening, (Event(Micros(60 * SECOND), Replace((), ())),), tape.span)
    wanted = Sampling(
        (Count(100),), (Leg.YES,), Action.BUY, Aim("offer", 99), Micros(90 * SECOND), Micros(0), DEFAULT_EXECUTION
    )
    reasons = [found.reason for found in sample(indexed(bare), wanted) if isinstance(found, LeftOut)]
    assert reasons == ["no price at the target", "no mid at arrival", "no mid at arrival"]


MINUTE = 60 * SECOND
BOOK = Replace(((Price(4_500), Count(10_000)),), ((Price(5_000), Count(10_000)),))
OTHER_BOOK = Replace(((Price(4_400), Count(10_000)),), BOOK.no)


def left_out(*events: Event) -> list[int]:
    """Return the minutes at which no parent was drawn from twenty minutes of a quiet market."""
    tape = Tape("T", CENT_GRID, Book(BOOK.yes, BOOK.no, Micros(0)), events, Micros(20 * MINUTE))
    every = Micros(MINUTE)
    wanted = Sampling((Count(100),), (Leg.YES,), Action.BUY, Aim("offer", 0), every, every, DEFAULT_EXECUTION)
    return [
        minute
        for minute, found in enumerate(sample(indexed(tape), wanted), 1)
        if isinstance(found, LeftOut) and found.reason == "a gap in the recording"
    ]


@pytest.mark.parametrize(
    ("blank", "again", "left"),
    [  # seconds; a parent arrives each minute, and has forty seconds
        (140, 150, [2]),
        (160, 170, [2]),  # at the last instant of the one before
        (161, 170, []),
        (140, 180, [2]),  # at the instant of the next one
        (140, 400, [2]),  # those in it meet no mid
        (1_060, None, [17]),
    ],
)
def test_a_parent_at_work_as_the_recorder_loses_the_book_is_left_out_and_counted(
    blank: int, again: int | None, left: list[int]
) -> None:
    heard = Event(Micros((blank - 1) * SECOND), Arrive(Leg.YES, Price(3_000), Count(100)))  # no silence of minutes
    gone = Event(Micros(blank * SECOND), Replace((), ()))
    found = () if again is None else (Event(Micros(again * SECOND), OTHER_BOOK),)
    touched = Event(Micros(blank * SECOND), Take(Leg.YES, Price(5_000), Count(0)))
    assert left_out(heard, gone, gone, touched, *found) == left
    # One side that is missing is a market's own.
    assert left_out(heard, Event(gone.at, Replace(BOOK.yes, ())), *found) == []


def test_a_parent_in_a_silence_of_minutes_that_another_book_ends_is_left_out_and_counted() -> None:
    last, again = Event(Micros(2 * MINUTE - SECOND), Arrive(Leg.YES, Price(3_000), Count(100))), Micros(10 * MINUTE)
    assert left_out(last, Event(again, OTHER_BOOK)) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert left_out(Event(Micros(6 * MINUTE), OTHER_BOOK)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "ending",
    [
        Event(Micros(10 * MINUTE), BOOK),  # a checkpoint: nothing is missing
        Event(Micros(10 * MINUTE), Arrive(Leg.YES, Price(3_000), Count(100))),  # a quiet market
        Event(Micros(5 * MINUTE), OTHER_BOOK),  # not long
    ],
)
def test_a_market_that_is_only_quiet_has_its_parents(ending: Event) -> None:
    assert left_out(ending) == []


def test_an_interval_is_of_blocks_and_too_few_claim_nothing() -> None:
    values = [float(n % 7) for n in range(100)]
    each = estimated(values, list(range(100)))
    whole = estimated(values, [n // 20 for n in range(100)])
    assert each.mean is not None
    assert each.mean == whole.mean == pytest.approx(sum(values) / 100)
    assert each.low is not None
    assert each.high is not None
    assert each.low < each.mean < each.high
    assert estimated(values, [0] * 100) == Estimate(each.mean, None, None)
    assert ratio([1.0, 2.0], [2.0, 4.0], [1, 2]).mean == pytest.approx(0.5)
    assert ratio([1.0, 2.0], [0.0, 0.0], [1, 2]) == Estimate(None, None, None)


@pytest.mark.parametrize("blocks", [5, 9, 30])
def test_an_interval_of_few_blocks_holds_the_truth_as_often_as_one_of_many(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    told = [estimated(rng.normal(size=blocks).tolist(), range(blocks)) for _ in range(2_000)]
    held = sum(one.low is not None and one.high is not None and one.low <= 0 <= one.high for one in told)
    assert 0.91 < held / len(told) < 0.97


def test_an_interval_of_thousands_of_blocks_takes_no_gigabytes() -> None:
    tracemalloc.start()
    try:
        told = estimated([1.0, 0.0] * 2_500, range(5_000))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 250_000_000
    assert told.low is not None
    assert told.high is not None
    assert 0.48 < told.low < 0.49
    assert 0.51 < told.high < 0.52


@pytest.mark.parametrize("count", ["100", "0.37"])
def test_a_market_where_nothing_can_be_saved_has_no_share_of_the_saving(
    count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still, kept, page = tmp_path / "still.jsonl", tmp_path / "kept.json", tmp_path / "page.html"
    late = Event(Micros(300 * SECOND), Arrive(Leg.YES, Price(3_000), Count(100)))
    save(Tape("T", CENT_GRID, WIDE, (late,), late.at), still)
    words = (str(still), "--count", count, "--outcome", "yes", "--algorithm", "take_now", "dynamic_depth_walker")
    assert run(*words, "--json", str(kept), "--html", str(page)) == 0
    rows = json.loads(kept.read_text())["rows"]
    taken = [row for row in rows if row["algorithm"] == "take_now"]
    spared = {row["shortfall_cents"] - row["bound_cents"] for row in taken}  # by fees that are not rounded up
    assert all(0 <= cents < 0.03 and (cents > 0) == (count == "0.37") for cents in spared)
    assert {(row["captured"], row["captured_ci"], row["captured_by_switch"]) for row in rows} == {(None, None, None)}
    shown = capsys.readouterr().out
    assert ("nan" in shown, "nan" in page.read_text()) == (False, False)
