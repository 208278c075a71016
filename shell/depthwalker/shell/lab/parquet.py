"""Parquet files, for which pyarrow is needed: recordings, and what a sweep found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

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
    """A file that is no Parquet, or a damaged one; the message says how."""


def rows(path: Path) -> Iterator[dict[str, object]]:
    """Yield a file's rows. Raises Broken."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise Broken(" ".join(str(error).split())) from error


def note(path: Path, key: str) -> str | None:
    """Return what a file says of itself under a key. Raises Broken."""
    try:
        said = (pq.read_schema(path).metadata or {}).get(key.encode())
    except (pa.ArrowInvalid, OSError) as error:
        raise Broken(" ".join(str(error).split())) from error
    return None if said is None else said.decode()


def write_recording(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    """Write the lines of a recording."""
    pq.write_table(pa.Table.from_pylist(list(records), schema=RECORDING), path)


def write(path: Path, columns: Mapping[str, Sequence[object]], notes: Mapping[str, str]) -> None:
    """Write columns, and what the file says of itself; a file of that name is replaced at one stroke."""
    table = pa.table(dict(columns)).replace_schema_metadata(dict(notes))
    beside = path.with_name(f"{path.name}.new")
    pq.write_table(table, beside)
    beside.replace(path)
