"""Parquet files, for which pyarrow is needed: recordings, and what a sweep found.

A small file can be made to unpack to any amount, or to crash what reads it. So a recording, which may be anybody's, is read by
a process of its own: `python -m depthwalker.shell.lab.parquet FILE` tells its rows as JSON Lines, in bounded memory.
"""

import contextlib
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

MOST_MEMORY: Final = 1_000_000_000  # bytes, where the system holds a process to them: Linux does, macOS does not
_AT_ONCE: Final = 256  # rows; of full books they take tens of megabytes
_LONGEST_REASON: Final = 300
_PLAIN: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_null,
)
_LEVELS: Final = pa.list_(pa.list_(pa.string()))
RECORDING: Final = pa.schema(
    {
        "ts": pa.string(),
        "ticker": pa.string(),
        "type": pa.string(),
        "yes": _LEVELS,
        "no": _LEVELS,
        "side": pa.string(),
        "price": pa.string(),
        "delta": pa.string(),
        "seq": pa.int64(),
        "yes_price": pa.string(),
        "count": pa.string(),
        "taker_side": pa.string(),
        "of_seq": pa.int64(),
    }
)


class Broken(Exception):
    """A file that is no Parquet, a damaged one, or one of other columns than we write; the message says how."""


def rows(path: Path) -> Iterator[dict[str, object]]:
    """Yield a file's rows. Raises Broken."""
    with _reading(), pq.ParquetFile(path) as file:
        for field in file.schema_arrow:
            if not _plain(field.type):
                kind = f"column {field.name!r} is of type {field.type}"
                raise Broken(f"{kind}, where texts, numbers and lists of them are read"[:_LONGEST_REASON])
        for batch in file.iter_batches(batch_size=_AT_ONCE, use_threads=False):
            batch.validate(full=True)
            yield from batch.to_pylist()


def note(path: Path, key: str) -> str | None:
    """Return what a file says of itself under a key. Raises Broken."""
    with _reading():
        said = (pq.read_schema(path).metadata or {}).get(key.encode())
        return None if said is None else said.decode()


def tell(path: Path, out: BinaryIO) -> None:
    """Write a file's rows as JSON Lines, without the keys that are null. Raises Broken."""
    given = ({key: _whole(value) for key, value in row.items() if value is not None} for row in rows(path))
    out.writelines(msgspec.json.encode(row) + b"\n" for row in given)


def _whole(value: object) -> object:
    """Return a whole number as one: where some of a column are missing, pandas makes floats of all."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_recording(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    """Write the lines of a recording."""
    pq.write_table(pa.Table.from_pylist(list(records), schema=RECORDING), path)


def write(path: Path, columns: Mapping[str, Sequence[object]], notes: Mapping[str, str]) -> None:
    """Write columns, and what the file says of itself; a file of that name is replaced at one stroke."""
    table = pa.table(dict(columns)).replace_schema_metadata(dict(notes))
    beside = path.with_name(f"{path.name}.new")
    pq.write_table(table, beside)
    beside.replace(path)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise Broken("it takes more memory than there is for it") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Broken(" ".join(str(error).split())[:_LONGEST_REASON]) from error


def _plain(kind: pa.DataType) -> bool:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(is_one(kind) for is_one in _PLAIN)


def _tell_alone(file: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # where there is no such file, or less is allowed already
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        tell(Path(file), sys.stdout.buffer)
    except Broken as broken:
        sys.exit(str(broken))


if __name__ == "__main__":
    _tell_alone(sys.argv[1])
