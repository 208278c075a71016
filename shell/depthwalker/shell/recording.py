"""Recordings on disk: JSON Lines, gzip'd or plain, or Parquet, read into a tape and written from one.

A line is a `snapshot` {ts, type, ticker, yes, no}, a `delta` {ts, type, ticker, side, price, delta, seq?} or a `trade` {ts,
type, ticker, yes_price, count, taker_side, of_seq?, taker_side_inferred?}; prices and counts are strings, bids of both legs, one market a file,
in time order. In Parquet a row is a line, its columns the keys, null where a line has no such key. What cannot be replayed is refused with the reason, never repaired.
"""

import gzip
import io
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, Literal, TypeAlias, TypeVar, assert_never

import msgspec

from depthwalker.core.book import Delta, Leg, Level, Snapshot
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.recording import PATIENCE, Line, Print, lines_of, tape_of
from depthwalker.core.tape import Tape, Unplayable, drawn_window
from depthwalker.core.units import (
    SECOND,
    Count,
    Malformed,
    Micros,
    Price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)

LONGEST_LINE: Final = 16_000_000  # bytes; a snapshot of a full book is under one hundred thousand
# Bytes, unpacked; our longest of one market has six million, the worst takes 4 GB.
LONGEST_RECORDING: Final = 256_000_000
MOST_LINES: Final = 10_000  # while takes are owed, for which the flow behind them is searched; the busiest had hundreds
MOST_TEXTS: Final = 4_096  # of prices and of counts whose numbers are kept: a recording repeats a few hundred of each
_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_BEGINNING: Final = b'{"ts"'  # of a line of ours
_TAIL: Final = 1 << 20  # longer than any line
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START: Final = Micros(0)
_MICROSECOND: Final = timedelta(microseconds=1)
T = TypeVar("T")
_Side: TypeAlias = Literal["yes", "no"]


class _Snapshot(msgspec.Struct, tag="snapshot", forbid_unknown_fields=True):
    ts: str
    ticker: str
    yes: list[tuple[str, str]]
    no: list[tuple[str, str]]


class _Delta(msgspec.Struct, tag="delta", forbid_unknown_fields=True):
    ts: str
    ticker: str
    side: _Side
    price: str
    delta: str
    seq: int | None = None


class _Trade(msgspec.Struct, tag="trade", forbid_unknown_fields=True):
    ts: str
    ticker: str
    yes_price: str
    count: str
    taker_side: _Side | None = None
    of_seq: int | None = None
    taker_side_inferred: bool | None = None


_Parsed: TypeAlias = _Snapshot | _Delta | _Trade
_DECODER: Final[msgspec.json.Decoder[_Parsed]] = msgspec.json.Decoder(_Snapshot | _Delta | _Trade)


class _Refused(Exception):
    """A line that is not of the format; the reason is for the user."""


def load(path: Path) -> Outcome[Tape, Unplayable]:
    """Return the whole recording as a tape, or why it cannot be replayed; raises OSError where there is no such file."""
    lines: list[Line] = []
    only = ""
    try:
        for where, found in _lines_of(path):
            _fits(where, found, only, lines)
            only, line = found
            lines.append(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return Failure(Unplayable(f"it is a broken gzip file: {error}"))
    except _Refused as refused:
        return Failure(Unplayable(str(refused)))
    return tape_of(only, lines)


def began(path: Path) -> Micros:
    """Return when the tape of a recording that `load` reads begins: at its first snapshot, in microseconds since 1970."""
    return next(line.body.at for _, (_, line) in _lines_of(path) if isinstance(line.body, Snapshot))


def load_window(path: Path, seconds: int, seed: int) -> Outcome[Tape, Unplayable]:
    """Return a stretch of a recording in which both sides rest throughout, its start drawn by the seed."""
    match load(path):
        case Success(tape):
            draw = random.Random(seed).getrandbits(64)  # noqa: S311 - chooses a window, guards nothing
            return drawn_window(tape, Micros(seconds * SECOND), draw)
        case Failure() as failure:
            return failure


def save(tape: Tape, path: Path, start: Micros = _START) -> None:
    """Write the tape as a recording that begins at `start`: Parquet where the name ends in .parquet, gzip'd where in .gz.

    The same tape gives the same bytes each time.
    """
    if path.suffix == ".parquet":
        from depthwalker.shell.lab.parquet import write_recording

        write_recording(path, (_record(tape.ticker, line) for line in lines_of(tape, start)))
        return
    text = "".join(line_text(tape.ticker, line) for line in lines_of(tape, start)).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def resume(path: Path, ticker: str) -> Micros:
    """Return the time of a recording's last whole line, 0 where there is none; a line torn by a crash is cut off.

    Raises ValueError where the file is something else than this market's recording, uncompressed.
    """
    if not path.exists():
        return Micros(0)
    with path.open("r+b") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        whole = tail.rfind(b"\n") + 1
        last = _last(path, ticker, tail[:whole].splitlines(), tail[whole:])
        file.truncate(size - len(tail) + whole)
    return last


def _last(path: Path, ticker: str, lines: list[bytes], torn: bytes) -> Micros:
    """Return the time of the last whole line. Raises ValueError where these are not lines of this market's recording."""
    if not lines and (not torn or torn.startswith(_BEGINNING[: len(torn)])):
        return Micros(0)
    try:
        found, line = _line("its last line", lines[-1] if lines else torn)
    except _Refused as refused:
        raise ValueError(f"{path} is no recording: move it away, or record into another folder") from refused
    if found != ticker:
        raise ValueError(f"{path} is a recording of {found}: move it away, or record into another folder")
    return line.body.at


def _fits(where: str, following: tuple[str, Line], only: str, lines: list[Line]) -> None:
    ticker, line = following
    if not lines:
        return
    if ticker != only:
        kind = "is a cross-section of" if line.body.at == lines[0].body.at else "holds"
        raise _Refused(f"it {kind} several markets ({only}, {ticker}, ...); a replay needs one market over time")
    if line.body.at < lines[-1].body.at:
        raise _Refused(f"{where} is earlier than the line before it")
    if len(lines) >= MOST_LINES and line.body.at - lines[-MOST_LINES].body.at <= PATIENCE:
        raise _Refused(f"by {where} there are more than {MOST_LINES} within {PATIENCE // SECOND} seconds")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _lines_of(path: Path) -> Iterator[tuple[str, tuple[str, Line]]]:
    what, raw_lines = ("row", _raw_rows(path)) if _is_parquet(path) else ("line", _raw_lines(path))
    for number, raw in enumerate(raw_lines, 1):
        if not raw.isspace():
            where = f"{what} {number}"
            yield where, _line(where, raw)


def _raw_rows(path: Path) -> Iterator[bytes]:
    if find_spec("pyarrow") is None:
        raise _Refused("it is Parquet, which needs pyarrow: pip install 'depthwalker[lab]'")
    command = [sys.executable, "-P", "-m", "depthwalker.shell.lab.parquet", str(path)]
    with (
        TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as reader,
    ):
        assert reader.stdout is not None
        try:
            yield from _bounded(reader.stdout)
            reader.wait()
        finally:
            reader.kill()
        if reader.returncode:
            said.seek(0)
            reasons = said.read().decode(errors="replace").splitlines()
            reason = reasons[-1] if reasons else f"what reads it crashed ({reader.returncode})"
            raise _Refused(f"it is Parquet that cannot be read: {reason}")


def _raw_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked) as buffered:
                yield from _bounded(buffered)
        else:
            yield from _bounded(file)


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    left = LONGEST_RECORDING
    while raw := file.readline(LONGEST_LINE + 1):
        if len(raw) > LONGEST_LINE:
            raise _Refused(f"a line of it is longer than {LONGEST_LINE} bytes")
        left -= len(raw)
        if left < 0:
            longest = f"{LONGEST_RECORDING // 1_000_000} MB unpacked"
            raise _Refused(f"it is longer than {longest}: split it, each part beginning with a snapshot")
        yield raw


def _line(where: str, raw: bytes) -> tuple[str, Line]:
    try:
        parsed = _DECODER.decode(raw)
        return parsed.ticker, _read(parsed)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _Refused(f"{where} is not a line of a recording: {error}") from error


def _read(parsed: _Parsed) -> Line:
    match parsed:
        case _Snapshot():
            return Line(Snapshot(_levels(parsed.yes), _levels(parsed.no), _instant(parsed.ts)), None)
        case _Delta():
            delta = Delta(Leg(parsed.side), _price(parsed.price), _count(parsed.delta), _instant(parsed.ts))
            return Line(delta, parsed.seq)
        case _Trade():
            taker = None if parsed.taker_side is None else Leg(parsed.taker_side)
            inferred = bool(parsed.taker_side_inferred) and taker is not None
            trade = Print(_price(parsed.yes_price), _count(parsed.count), taker, _instant(parsed.ts), inferred)
            return Line(trade, parsed.of_seq)
        case _ as never:
            assert_never(never)


def _levels(rows: list[tuple[str, str]]) -> tuple[Level, ...]:
    return tuple((_price(price), _count(count)) for price, count in rows)


@lru_cache(maxsize=MOST_TEXTS)
def _price(text: str) -> Price:
    return _number(parse_price(text))


@lru_cache(maxsize=MOST_TEXTS)
def _count(text: str) -> Count:
    return _number(parse_count(text))


def _number(parsed: Outcome[T, Malformed]) -> T:
    match parsed:
        case Success(number):
            return number
        case Failure(malformed):
            raise ValueError(f"the {malformed.what} {malformed.text!r} should be {malformed.allowed}")


def _instant(text: str) -> Micros:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} names no zone")
    return Micros((moment - _EPOCH) // _MICROSECOND)


def line_text(ticker: str, line: Line) -> str:
    """Return a line of a recording as text, its newline included."""
    return msgspec.json.encode(_record(ticker, line)).decode() + "\n"


def _record(ticker: str, line: Line) -> dict[str, object]:
    body, seq = line.body, line.seq
    record: dict[str, object] = {"ts": _time_text(body.at), "ticker": ticker}
    match body:
        case Snapshot(yes, no):
            record |= {"type": "snapshot", "yes": _rows(yes), "no": _rows(no)}
        case Delta(leg, price, change):
            record |= {"type": "delta", "side": leg.value, "price": format_price(price), "delta": format_count(change)}
            record |= {} if seq is None else {"seq": seq}
        case Print(yes_price, count, taker):
            side = None if taker is None else taker.value
            record |= {"type": "trade", "yes_price": format_price(yes_price), "count": format_count(count)}
            record |= {"taker_side": side} if seq is None else {"taker_side": side, "of_seq": seq}
    return record


def _rows(levels: tuple[Level, ...]) -> list[tuple[str, str]]:
    return [(format_price(price), format_count(count)) for price, count in sorted(levels)]


def _time_text(at: Micros) -> str:
    spec = "microseconds" if at % 1000 else "milliseconds"
    return (_EPOCH + at * _MICROSECOND).isoformat(timespec=spec).replace("+00:00", "Z")
