"""What a method's file holds: execution_config, or a table that is more than that, as .toml or .json."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path

from depthwalker.core.config import ExecutionConfig
from depthwalker.core.outcome import Failure, Success
from depthwalker.shell.config import parse_config
from depthwalker.shell.ending import Wrong


def read_method(file: Path | None, algorithm: str | None = None) -> ExecutionConfig:
    """Return the configuration in a method's file: its own keys, or those under `execution_config`. None is the defaults.

    An `algorithm` that is given goes before the file's. Raises Wrong.
    """
    given = {} if file is None else table_in(file, "execution_config")
    table = given.get("execution_config", given)
    if not isinstance(table, dict):
        raise Wrong(f"{file} holds no table: write the keys of execution_config")
    match parse_config(table if algorithm is None else {**table, "algorithm": algorithm}):
        case Success(config):
            return config
        case Failure(errors):
            raise Wrong(f"{file}: {errors.in_words()}")


def table_in(file: Path, what: str) -> dict[str, object]:
    """Return the table that a .toml or .json file holds, its numbers exact. Raises Wrong."""
    kind = "JSON" if file.suffix == ".json" else "TOML"
    try:
        text = file.read_text(encoding="utf-8")
        found: object = (
            json.loads(text, parse_float=Decimal, object_pairs_hook=_each_once)
            if kind == "JSON"
            else tomllib.loads(text, parse_float=Decimal)
        )
    except OSError as error:
        raise Wrong(f"{file} cannot be read: {error.strerror}; name a file with the keys of {what}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Wrong(
            f"{file} is not {kind}: {error}; write the keys of {what}, or end its name in .toml or .json"
        ) from error
    if not isinstance(found, dict):
        raise Wrong(f"{file} holds no table: write the keys of {what}")
    return found


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object, whose keys may stand in it once, as TOML's do: of two caps neither is meant more."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} stands there twice")
        found[key] = value
    return found
