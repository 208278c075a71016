"""The synthetic markets' figures stand to the recorded ones as docs/calibration.md says; what measures them is right."""

from pathlib import Path

import pytest
from tools.calibration import OUTSIDE, PAGE, RECORDED, TAPES, Evidence, Recorded, Tolerance, drawn, main, verdicts
from tools.market_figures import figures

from depthwalker.core.book import Book, Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Arrive, Event, Flow, Take, Tape, Withdraw
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Price
from depthwalker.shell.recording import save

KEY_FIGURES = (
    "spread, median",
    "at the best price, median",
    "within 5 cents, weaker side, median",
    "takers' orders an hour",
    "takers' sides, autocorrelation",
    "a taker's order, p50",
    "filled at the best within 40 s",
)


def cents(price: int) -> Price:
    return Price(price * CENT)


def contracts(count: int) -> Count:
    return Count(count * CONTRACT)


def tape(*events: tuple[float, Flow], span: int = 200) -> Tape:
    """A market of 40 bid for YES and 56 for NO (offered at 44), with what happens at its second."""
    opening = Book(
        ((cents(40), contracts(20)), (cents(39), contracts(50))),
        ((cents(56), contracts(30)), (cents(55), contracts(70))),
        Micros(0),
    )
    flow = tuple(Event(Micros(int(at * SECOND)), what) for at, what in events)
    return Tape("T", CENT_GRID, opening, flow, Micros(span * SECOND))


class TestFigures:
    def test_spreads_and_sizes_are_weighed_by_time(self) -> None:
        found = figures(
            [tape((50, Arrive(Leg.YES, cents(42), contracts(5))), (170, Withdraw(Leg.YES, cents(42), contracts(5))))]
        )
        assert found["spread, median"] == 2
        assert found["spread of 2 or less"] == pytest.approx(120 / 200)
        assert found["at the best price, median"] == 20
        assert found["within 5 cents, weaker side, median"] == 75
        assert found["within 5 cents, stronger side, median"] == 100
        assert found["added, p50"] == found["cancelled, p50"] == 5
        assert found["book changes an hour"] == 2 * 3_600 / 200

    def test_what_one_side_takes_within_a_tenth_of_a_second_is_one_order(self) -> None:
        sides = (Leg.YES, Leg.YES, Leg.NO, Leg.NO, Leg.YES, Leg.YES)
        takes = [
            (10.0 * place, Take(leg, cents(44 if leg is Leg.YES else 60), contracts(1)))
            for place, leg in enumerate(sides, 1)
        ]
        found = figures([tape(*takes, (60.05, Take(Leg.YES, cents(44), contracts(2))))])
        assert found["takers' orders an hour"] == 6 * 3_600 / 200
        assert found["a taker's order, p90"] == 3
        assert found["takers' sides, autocorrelation"] == pytest.approx(0.2)

    def test_an_order_at_rest_is_filled_by_what_comes_past_the_queue(self) -> None:
        """Of those who joined each ten seconds until 100, for both legs, four stood at 40 behind twenty when 25 were taken."""
        found = figures([tape((45, Take(Leg.NO, cents(60), contracts(25))))])
        assert [found[f"filled at the best within {seconds} s"] for seconds in (10, 20, 40)] == [1 / 20, 2 / 20, 4 / 20]
        assert found["filled a tick behind within 40 s"] == 0


class TestVerdicts:
    def test_a_factor_or_a_distance_admits(self) -> None:
        either = Tolerance(1.5, 10)
        assert either.admits(15, 4, 5)
        assert either.admits(150, 90, 100)
        assert not either.admits(151, 90, 100)
        assert not either.admits(59, 90, 100)

    def test_a_stand_in_is_never_called_a_match(self) -> None:
        own, proxy = (Recorded("x", (1,), Tolerance(2, 0), "key", evidence) for evidence in Evidence)
        assert (own.verdict(1.5), own.verdict(3)) == ("within", OUTSIDE)
        assert proxy.verdict(1.5) == "the data cannot say: within by the stand-in"

    @pytest.mark.parametrize(
        ("name", "seeds", "seconds"), [("thin", 2, 3_600), ("moderate", 3, 3_600), ("liquid", 1, 600)]
    )
    def test_key_figures_are_within_their_tolerances(self, name: str, seeds: int, seconds: int) -> None:
        told = verdicts(name, figures(drawn(name, seeds, seconds)))
        assert [figure for figure in KEY_FIGURES if told[figure] == OUTSIDE] == []

    def test_the_page_holds_every_recorded_figure_and_none_is_outside(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        assert all(f"| {one.figure} |" in text and one.source in text for rows in RECORDED.values() for one in rows)
        assert OUTSIDE not in text


def test_recordings_can_be_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TAPES:
        monkeypatch.setitem(TAPES, name, (1, 60))
    save(tape((45, Take(Leg.NO, cents(60), contracts(25)))), tmp_path / "kalshi_INXD-23APR99-X.jsonl.gz")
    main(["--data", str(tmp_path), "--out", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "Moderate, file by file" in text
    assert "| spread, median | 4 |" in text


def test_a_folder_without_a_recording_of_a_known_kind_leaves_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, mine = tmp_path / "page.md", tmp_path / "mine"
    page.write_text("as it was")
    mine.mkdir()
    save(tape(), mine / "KXBTC-1.jsonl")
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(mine), "--out", str(page)])
    told = " ".join(capsys.readouterr().err.split())
    assert (ended.value.code, page.read_text()) == (2, "as it was")
    assert f"{mine} holds no recording that can be read and is called betfair_BF*, kalshi_INXD-23APR*" in told
