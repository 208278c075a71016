"""Algorithms beside each other: pages of a backtest and of a period, whose numbers are those of their sources."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.shell.journals import NAMES
from tests.shell.test_report import TWO_MEGABYTES, Outline, database, kept

from depthwalker.core.config import Algorithm
from depthwalker.core.period import Sample
from depthwalker.core.units import SECOND, Count, Micros, Money
from depthwalker.shell.assess import read_trades
from depthwalker.shell.backtest_page import NotResults, Results, backtest_page, results_of
from depthwalker.shell.cli import main
from depthwalker.shell.comparison import Difference, Entrant, Mean, costs, differences
from depthwalker.shell.markup import Child, joined
from depthwalker.shell.page import page
from depthwalker.shell.period_page import Ended, Period, period_page

__all__ = ["database"]

WALKER = "dynamic_depth_walker"
DAY = Micros(86_400 * SECOND)


def outline(*parts: Child) -> Outline:
    return Outline(page("x", (), parts))


def row(algorithm: str, **changes: object) -> dict[str, object]:
    given = {
        "algorithm": algorithm,
        "liquidity": "all",
        "file": "all",
        "queue_model": "worst",
        "parents": 60,
        "fill_rate": 0.5,
        "fill_rate_of_bound": 0.9,
        "shortfall_cents": 1.25,
        "shortfall_cents_ci": [1.0, 1.5],
        "bound_cents": 0.5,
        "captured": None,
        "slippage_bps": -3.0,
        "fee_bps": None,
        "seconds_to_full": None,
        "walks": 2.0,
        "calls": 9.5,
        "a key of a later version": 1,
    }
    return given | changes


def pair(a: str, b: str, cents: tuple[float, float | None, float | None], **changes: object) -> dict[str, object]:
    mean, low, high = cents
    given = {"a": a, "b": b, "liquidity": "all", "queue_model": "worst", "parents": 60}
    return given | {"mean_cents": mean, "cents_low": low, "cents_high": high} | changes


def results(rows: list[dict[str, object]], paired: list[dict[str, object]]) -> bytes:
    found = {"runs": 120, "fill_model": "tape", "left_out": {"no mid": 3}, "rows": rows, "paired": paired}
    return json.dumps(found).encode()


# A backtest


def test_the_page_of_a_backtest_shows_costs_and_each_difference_once() -> None:
    rows = [row("cheap", shortfall_cents=0.5), row(WALKER), row("dear", shortfall_cents=3.0, shortfall_cents_ci=None)]
    backward = [pair("cheap", WALKER, (-0.75, -1.0, -0.5)), pair("dear", "cheap", (2.5, 2.0, 3.0))]
    forward = [
        pair(WALKER, "cheap", (0.75, 0.5, 1.0)),
        pair(WALKER, "dear", (-1.75, -2.5, 0.1)),
        pair("cheap", "dear", (-2.5, None, None)),
    ]

    text = backtest_page(results_of(results(rows, [*backward, *forward]), "it"))
    words = Outline(text).words

    assert "+1.250 (+1.000 to +1.500)" in words
    assert "+3.000" in words
    assert words.count("+0.750 (+0.500 to +1.000)") == 1
    assert "-0.750 (-1.000 to -0.500)" not in words
    verdicts = ("cheap is cheaper", "no difference shown", "too few blocks to say")
    assert [word for word in words if word in verdicts] == list(verdicts)
    assert "no mid" in words
    assert not Outline(text).all("script")


def test_what_a_backtest_wrote_is_the_page_that_it_writes_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [
        "backtest",
        "moderate",
        "--count",
        "10",
        "--every",
        "600",
        "--algorithm",
        WALKER,
        "--algorithm",
        "take_now",
    ]

    assert main([*asked, "--json", "--html", "at-once.html"]) == 0
    Path("results.json").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["report", "--backtest", "results.json"]) == 0

    text = (tmp_path / "report-backtest.html").read_text()
    assert text == (tmp_path / "at-once.html").read_text()
    assert "the report is report-backtest.html" in capsys.readouterr().out
    found = json.loads((tmp_path / "results.json").read_text())
    words = Outline(text).words
    for each in found["rows"]:
        low, high = each["shortfall_cents_ci"] or (None, None)
        assert Mean(each["shortfall_cents"], low, high).shown() in words
    assert len(text) < TWO_MEGABYTES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is not what `depthwalker backtest --json` writes: Expected `object`"),
        ('{"runs": 1}', "missing required field"),
        ("nothing", "malformed"),
        ('{"other":' + "[" * 100_000, "is not what"),
    ],
)
def test_a_file_that_is_no_backtests_is_refused_with_the_reason(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text)

    assert main(["report", "--backtest", str(file)]) == 2
    assert said in capsys.readouterr().err
    assert main(["report", "--backtest", str(tmp_path / "absent.json")]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_names_in_a_file_are_escaped() -> None:
    nasty = "<script>alert(1)</script>"
    found = outline_of(results_of(results([row(nasty), row("b")], [pair(nasty, "b", (1.0, 0.5, 2.0))]), "it"))

    assert not found.all("script")
    assert nasty in found.words


def outline_of(found: Results) -> Outline:
    return Outline(backtest_page(found))


def test_a_key_of_the_wrong_type_is_named() -> None:
    with pytest.raises(NotResults, match=r"it is not what .* Expected `int`, got `str` - at `\$\.runs`"):
        results_of(results([], []).replace(b"120", b'"many"'), "it")


# Figures


def test_a_dot_lies_inside_its_interval_and_zero_is_drawn() -> None:
    (part,) = costs([Entrant("all", "one", 9, Mean(2.0, 1.0, 3.0), ())], ())
    found = outline(part)

    whisker, *_ = [line for line in found.all("line") if line["class"] == "whisker" and line["y1"] != "6"]
    dot, *_ = [each for each in found.all("circle") if each["r"] == "5"]
    zero, *_ = [line for line in found.all("line") if line["class"] == "line zero"]
    assert float(str(zero["x1"])) < float(str(whisker["x1"])) < float(str(dot["cx"])) < float(str(whisker["x2"]))


def test_what_has_no_cost_is_in_the_table_and_in_no_figure() -> None:
    (part,) = costs([Entrant("all", "one", 9, None, ("x",))], ("more",))

    assert not outline(part).all("svg")
    assert "one" in outline(part).words


def test_equal_means_are_drawn_too() -> None:
    (part,) = differences([Difference("all", "a", "b", 1, Mean(0.0, None, None))])
    assert "b +0.00" in joined((part,)).text


# A period


def test_a_period_tells_what_the_tables_hold(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = asyncio.run(kept(database, *NAMES))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE execution_metrics SET created_at = clock_timestamp() - interval '1 hour'")
        connection.execute("UPDATE execution_metrics SET created_at = now() - interval '3 days' WHERE execution_id = 1")
        found = connection.execute(
            "SELECT count(*), sum(filled_quantity) / sum(target_quantity), avg(shortfall_cents) FROM execution_metrics "
            "WHERE execution_id > 1 AND algorithm = 'dynamic_depth_walker'"
        ).fetchone()
    assert found is not None

    assert main(["report", "--since", "2d", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (walker,) = [one for one in told["rows"] if (one["algorithm"], one["liquidity"]) == (WALKER, "all")]
    assert told["executions"] == len(numbers) - 1
    assert walker["executions"] == found[0]
    assert walker["fill_rate"] == pytest.approx(float(found[1]), abs=1e-6)
    assert walker["shortfall_cents"] == pytest.approx(float(found[2]), abs=1e-4)

    assert main(["report", "--since", "7d"]) == 0
    words = Outline((tmp_path / "report-period.html").read_text()).words
    assert all(str(number) in words for number in numbers)
    assert main(["report", "--since", "30m", "--html", "none.html"]) == 0
    assert "Nothing ended in this time." in (tmp_path / "none.html").read_text()


def test_a_period_is_as_long_as_it_says_where_the_servers_clocks_were_changed_meanwhile(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(kept(database, *NAMES[:2]))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET timezone = 'America/New_York'".encode())
    with psycopg.connect(database, autocommit=True) as connection:
        (days,) = connection.execute(
            "SELECT min(d) FROM generate_series(1, 300) AS d WHERE now() - d * interval '1 day' <> now() - d * interval '24 hours'"
        ).fetchone() or (0,)
        for number, hours in ((1, 24 * days + 0.5), (2, 24 * days - 0.5)):
            connection.execute(
                "UPDATE execution_metrics SET created_at = now() - %s * interval '1 hour' WHERE execution_id = %s",
                (hours, number),
            )
            connection.execute(
                "UPDATE trades SET created_at = now() - %s * interval '1 hour' WHERE execution_id = %s", (hours, number)
            )
        assert len(read_trades(connection, days * DAY)) == 1
    assert main(["report", "--since", f"{days}d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["executions"] == 1


def test_only_what_was_filled_whole_is_shown_as_that() -> None:
    most = Sample(
        algorithm=Algorithm.SIMPLE_LIMIT,
        liquidity=None,
        market="M",
        day="2026-11-30",
        wanted=Count(10_000),
        filled=Count(9_996),
        cost=None,
        slippage=None,
        fees=Money(0),
        walks=0,
        calls=None,
        last_fill=None,
    )
    for filled, told in ((9_996, "99.9 %"), (10_000, "100.0 %")):
        ended = Ended(1, DAY, "completed", replace(most, filled=Count(filled)))
        words = Outline(period_page(Period(Micros(0), DAY, (ended,)))).words
        assert [one for one in words if one.endswith(" %")] == [told] * 2


def test_a_period_that_was_cut_says_so() -> None:
    assert "More ended than a page can hold" in period_page(Period(Micros(0), DAY, (), cut=True))


@pytest.mark.parametrize("text", ["7", "7w", "0d", "-1d", "1.5h", "99999999999d", "4000d", "٣d"])
def test_a_span_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", f"--since={text}"]) == 2
    assert "is not a span such as 90m, 24h or 7d" in capsys.readouterr().err


def test_a_report_is_about_one_thing(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["1", "--since", "7d"]):
        assert main(["report", *words]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
