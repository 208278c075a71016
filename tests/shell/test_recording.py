"""Recordings on disk: what plays, what is refused with which reason, and that a saved market is the same market."""

import gzip
import json
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from depthwalker.core.book import Book, Leg, Snapshot
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.recording import Line
from depthwalker.core.structure import name_of
from depthwalker.core.tape import Arrive, Event, Take, Tape, books, two_sided
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.lab.parquet import write, write_recording
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import line_text, load, load_window, resume, save
from depthwalker.shell.synthetic import synthesize

DATA = Path(__file__).parent.parent / "data"
SNAPSHOT: dict[str, object] = {
    "ts": "2026-07-01T00:00:00.000Z",
    "type": "snapshot",
    "ticker": "T",
    "yes": [["0.4700", "3.00"]],
    "no": [["0.4800", "3.00"]],
}
DELTA: dict[str, object] = {
    "ts": "2026-07-01T00:00:01.000Z",
    "type": "delta",
    "ticker": "T",
    "side": "no",
    "price": "0.4800",
    "delta": "-1.00",
}
TRADE: dict[str, object] = {
    "ts": "2026-07-01T00:00:01.000Z",
    "type": "trade",
    "ticker": "T",
    "yes_price": "0.5200",
    "count": "1.00",
    "taker_side": "yes",
}


def written(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


def loaded(path: Path) -> Tape:
    match load(path):
        case Success(tape):
            return tape
        case Failure(refused):
            raise AssertionError(refused.reason)


def refusal(path: Path) -> str:
    match load(path):
        case Failure(refused):
            return refused.reason
        case Success():
            raise AssertionError("it played")


class TestLoad:
    def test_reads_plain_and_packed_alike(self, tmp_path: Path) -> None:
        plain = written(tmp_path / "plain.jsonl", SNAPSHOT, DELTA, TRADE)
        packed = tmp_path / "packed.jsonl.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        tape = loaded(plain)
        assert tape == loaded(packed)
        assert (tape.ticker, tape.grid, tape.span) == ("T", CENT_GRID, SECOND)
        assert tape.events == (Event(Micros(SECOND), Take(Leg.YES, Price(5_200), Count(100))),)

    def test_a_numbered_delta_and_its_trade_are_one_take(self, tmp_path: Path) -> None:
        path = written(tmp_path / "r", SNAPSHOT, DELTA | {"seq": 5}, TRADE | {"of_seq": 5})
        assert len(loaded(path).events) == 1

    def test_an_unknown_taker_and_blank_lines_are_fine(self, tmp_path: Path) -> None:
        path = written(tmp_path / "r", SNAPSHOT, TRADE | {"taker_side": None, "taker_side_inferred": True})
        path.write_text("\n" + path.read_text() + "\n\n")
        assert len(loaded(path).events) == 1

    @pytest.mark.parametrize(("side", "inferred", "guessed"), [("yes", None, 0), ("yes", True, 1), (None, True, 1)])
    def test_a_taker_that_the_recorder_inferred_is_counted(
        self, tmp_path: Path, side: str | None, inferred: bool | None, guessed: int
    ) -> None:
        path = written(tmp_path / "r", SNAPSHOT, TRADE | {"taker_side": side, "taker_side_inferred": inferred})
        assert loaded(path).guessed == guessed

    def test_a_missing_file_is_the_callers_to_name(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none")

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            ([], "it is empty"),
            ([TRADE], "there is no book in it, only trades"),
            ([SNAPSHOT | {"yes": []}], "its book never has both sides"),
            ([SNAPSHOT, SNAPSHOT | {"ticker": "U"}], "it is a cross-section of several markets (T, U, ...)"),
            ([SNAPSHOT, DELTA | {"ticker": "U"}], "it holds several markets (T, U, ...)"),
            ([SNAPSHOT, DELTA | {"delta": "-4.00"}], "where 3.00 rest: a negative size"),
            ([SNAPSHOT, DELTA | {"price": "1.2000"}], "a price of 1.2000, not between 0 and 1"),
            ([DELTA, SNAPSHOT], "line 2 is earlier than the line before it"),
            (
                [SNAPSHOT, DELTA | {"colour": "red"}],
                "line 2 is not a line of a recording: Object contains unknown field",
            ),
            ([SNAPSHOT, {"type": "delta"}], "line 2 is not a line of a recording: Object missing required field"),
            ([SNAPSHOT, DELTA | {"side": "maybe"}], "Invalid enum value 'maybe'"),
            ([SNAPSHOT, DELTA | {"delta": 1}], "Expected `str`, got `int`"),
            ([SNAPSHOT, DELTA | {"delta": "1.005"}], "the count '1.005' should be contracts with at most 2 decimals"),
            ([SNAPSHOT, DELTA | {"price": "cheap"}], "the price 'cheap' should be dollars"),
            ([SNAPSHOT, DELTA | {"ts": "yesterday"}], "Invalid isoformat string"),
            ([SNAPSHOT, DELTA | {"ts": "2026-07-01T00:00:01"}], "names no zone"),
            ([SNAPSHOT, 7], "line 2 is not a line of a recording"),
        ],
        ids=range(17),
    )
    def test_refuses_with_the_reason(self, tmp_path: Path, lines: list[object], reason: str) -> None:
        path = tmp_path / "r"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert reason in refusal(path)

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "r").write_bytes(b"\x00\xff\xfe rubbish")
        assert "line 1 is not a line of a recording" in refusal(tmp_path / "r")

    def test_parquet_is_the_same_recording(self, tmp_path: Path) -> None:
        tape = synthesize(PROFILES["moderate"], 3, 60)
        save(tape, tmp_path / "r.parquet")
        save(tape, tmp_path / "r.jsonl")
        assert loaded(tmp_path / "r.parquet") == loaded(tmp_path / "r.jsonl")
        first = (tmp_path / "r.parquet").read_bytes()
        save(tape, tmp_path / "r.parquet")
        assert (tmp_path / "r.parquet").read_bytes() == first

    @pytest.mark.parametrize(("number", "is_one"), [(5.0, True), (5.5, False)])
    def test_whole_numbers_in_parquet_may_be_floats_as_where_some_are_missing(
        self, number: float, is_one: bool, tmp_path: Path
    ) -> None:
        records = [SNAPSHOT, DELTA | {"seq": 5}, TRADE | {"of_seq": 5}]
        columns = {name: [record.get(name) for record in records] for name in {*SNAPSHOT, *DELTA, *TRADE}}
        path = tmp_path / "r.parquet"
        write(path, columns | {"seq": [None, number, None], "of_seq": [None, None, number]}, {})
        if is_one:
            assert loaded(path) == loaded(written(tmp_path / "r.jsonl", *records))
        else:
            assert "row 2 is not a line of a recording: Expected `int | null`, got `float`" in refusal(path)

    def test_what_is_wrong_in_parquet_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        write_recording(path, [SNAPSHOT, DELTA | {"price": "cheap"}])
        sound = path.read_bytes()
        assert "row 2 is not a line of a recording: the price 'cheap' should be dollars" in refusal(path)
        path.write_bytes(sound.replace(b"snapshot", b"snap\xffhot"))
        assert "it is Parquet that cannot be read: In column 2: Invalid: Invalid UTF8 sequence" in refusal(path)
        path.write_bytes(sound[:-20])
        assert "it is Parquet that cannot be read: Parquet magic bytes not found" in refusal(path)

    def test_parquet_of_other_types_is_refused_with_the_column(self, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        write(path, {"type": ["snapshot"], "ts": [date(2026, 7, 1)]}, {})
        assert "column 'ts' is of type date32[day], where texts, numbers and lists of them are read" in refusal(path)

    def test_parquet_without_what_reads_it_is_refused_with_the_remedy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_recording(tmp_path / "r", [SNAPSHOT])
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert "pip install 'depthwalker[lab]'" in refusal(tmp_path / "r")

    def test_what_crashes_as_it_reads_parquet_takes_nobody_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_recording(tmp_path / "r", [SNAPSHOT])
        crashing = tmp_path / "crashing"
        crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
        crashing.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(crashing))
        assert "it is Parquet that cannot be read: what reads it crashed (-11)" in refusal(tmp_path / "r")

    @pytest.mark.parametrize(("kept", "spoiled"), [(-9, b""), (12, b"xxxxxxxxxxxxxxxxxxxx"), (2, b"rubbish")])
    def test_a_damaged_gzip_file_is_refused(self, tmp_path: Path, kept: int, spoiled: bytes) -> None:
        packed = gzip.compress((json.dumps(SNAPSHOT) + "\n").encode() * 50)
        (tmp_path / "r.gz").write_bytes(packed[:kept] + spoiled)
        assert "it is a broken gzip file" in refusal(tmp_path / "r.gz")


class TestWindow:
    def test_the_seed_chooses_a_stretch_with_both_sides(self, tmp_path: Path) -> None:
        path = tmp_path / "m.jsonl"
        save(synthesize(PROFILES["liquid"], 3, 60), path)
        cuts = [load_window(path, 20, seed) for seed in (1, 1, 2)]
        assert cuts[0] == cuts[1] != cuts[2]
        match cuts[0]:
            case Success(tape):
                assert two_sided(tape) == ((0, 20 * SECOND),)
            case Failure(refused):
                pytest.fail(refused.reason)

    def test_too_short_a_recording_is_refused(self, tmp_path: Path) -> None:
        match load_window(written(tmp_path / "r", SNAPSHOT, DELTA), 20, 1):
            case Failure(refused):
                assert refused.reason == "its book has both sides for at most 1 s on end; 20 s are needed"
            case Success():
                pytest.fail("it played")

    def test_what_cannot_be_read_has_no_window(self, tmp_path: Path) -> None:
        assert isinstance(load_window(written(tmp_path / "r", TRADE), 1, 1), Failure)


class TestSave:
    @pytest.mark.parametrize("profile", PROFILES)
    @pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
    def test_a_saved_market_has_the_same_book_at_every_instant(self, tmp_path: Path, profile: str, name: str) -> None:
        tape = synthesize(PROFILES[profile], 11, 40)
        save(tape, tmp_path / name, Micros(1_782_864_000 * SECOND))
        again = loaded(tmp_path / name)
        assert again.opening == tape.opening
        assert states(again) == states(tape)

    def test_saves_the_same_bytes_each_time(self, tmp_path: Path) -> None:
        tape = synthesize(PROFILES["thin"], 11, 40)
        for name in ("a.gz", "b.gz"):
            save(tape, tmp_path / name)
        assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()

    def test_keeps_instants_finer_than_a_millisecond(self, tmp_path: Path) -> None:
        opening = Book(((Price(4_700), Count(1)),), ((Price(4_800), Count(1)),), Micros(0))
        tape = Tape("T", CENT_GRID, opening, (Event(Micros(1), Arrive(Leg.YES, Price(100), Count(1))),), Micros(1))
        save(tape, tmp_path / "r")
        assert loaded(tmp_path / "r") == tape

    def test_the_projects_own_recording_is_read_as_ever(self) -> None:
        """A file that was written once and is never written again: later versions must still read it."""
        tape = loaded(DATA / "thin_market.jsonl.gz")
        assert (tape.ticker, len(tape.events), name_of(tape.grid)) == ("SYN-THIN-7", 37, "linear_cent")
        assert tape.opening.yes[0] == (6_200, 2_400)
        match load_window(DATA / "thin_market.jsonl.gz", 45, 1):
            case Success(cut):
                assert cut.span == 45 * SECOND
            case Failure(refused):
                pytest.fail(refused.reason)


def states(tape: Tape) -> dict[int, Book]:
    """Return the book after each instant's events."""
    times = [Micros(0), *(event.at for event in tape.events)]
    return {at: Book(book.yes, book.no, Micros(0)) for at, book in zip(times, books(tape), strict=True)}


class TestSharedRecordings:
    """Every recording beside the checkout plays, or is refused for this reason."""

    def test_each_plays_or_is_refused(self, shared: Path) -> None:
        outcomes = {path.name.removesuffix(".jsonl.gz"): verdict(path) for path in (shared / "data").glob("*.jsonl.gz")}
        assert outcomes
        for name, outcome in outcomes.items():
            assert outcome.startswith(expected(name)), name

    def test_a_session_of_28_thousand_lines_is_read_quickly(self, shared: Path) -> None:
        path = shared / "data" / "kalshi_INXD-23APR10-ATM.jsonl.gz"
        started = time.process_time()
        tape = loaded(path)
        assert len(tape.events) > 27_000
        assert time.process_time() - started < 5  # under one on an idle machine

    @pytest.mark.parametrize("name", ["kalshi_INXD-23APR14-ATM", "betfair_BF-1.181223995-38251362"])
    def test_the_flow_ends_at_the_book_that_was_recorded(self, shared: Path, name: str) -> None:
        path = shared / "data" / f"{name}.jsonl.gz"
        recorded: dict[tuple[str, str], int] = {}
        with gzip.open(path) as lines:
            for line in map(json.loads, lines):
                if line["type"] == "snapshot":
                    sides = ((side, row) for side in ("yes", "no") for row in line[side])
                    recorded = {(side, price): cents(size) for side, (price, size) in sides}
                elif line["type"] == "delta":
                    place = (line["side"], line["price"])
                    recorded[place] = recorded.get(place, 0) + cents(line["delta"])
        *_, last = books(loaded(path))
        played = {(leg.value, f"0.{price:04d}"): int(count) for leg in Leg for price, count in last.bids(leg)}
        assert played == {place: count for place, count in recorded.items() if count}


def cents(text: str) -> int:
    return int(text.replace(".", ""))


def verdict(path: Path) -> str:
    match load_window(path, 60, 1):
        case Success(tape):
            return name_of(tape.grid)
        case Failure(refused):
            return refused.reason


def expected(name: str) -> str:
    if name.startswith("cross_section"):
        return "it is a cross-section of several markets"
    if name == "kalshi_trades_KXETH15M_all":
        return "it holds several markets"
    if name.startswith("kalshi_trades"):
        return "there is no book in it, only trades"
    if name in {"kalshi_INXD-23AUG31-B4437", "kalshi_INXD-23AUG31-T4425"}:
        return "its book never has both sides"
    if name.startswith("betfair"):
        return "center_centi_edge_centi_cent"
    if name.startswith("kalshi_L1"):
        return "deci_cent" if "-ES_" in name else "tapered_deci_cent"
    return "linear_cent"


def test_a_recording_cut_off_at_any_byte_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "T.jsonl"
    written = [line_text("T", Line(Snapshot((), (), Micros(second * SECOND)), None)).encode() for second in (1, 2)]
    whole = b"".join(written)
    for end in range(len(whole) + 1):
        file.write_bytes(whole[:end])
        kept = sum(end >= len(b"".join(written[:count])) for count in (1, 2))
        assert resume(file, "T") == kept * SECOND
        assert file.read_bytes() == b"".join(written[:kept])
