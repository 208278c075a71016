"""The generated pages of docs/reference: `python -m tools.reference` writes them, from the code that they are about.

The commands come from the command line's own parsers, the configuration from the models that validate it, and the life of an
order from the fold itself: every fact about an order is applied in every phase, and what changes the phase is drawn.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from depthwalker.core.answer import OrderStatus
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Burned,
    CancelAcknowledged,
    Deferred,
    Duplicated,
    Fact,
    Lapsed,
    Observed,
    OutcomeUnknown,
    PlaceIntended,
    Refused,
    Requested,
    Resumed,
)
from depthwalker.core.ledger import Kind, OrderKey, Style
from depthwalker.core.units import CONTRACT, DOLLAR, MILLION, SECOND, Count, Micros, Price
from depthwalker.shell import config, settings
from depthwalker.shell.cli import parser_of_all
from depthwalker.shell.commands import TABLE
from depthwalker.shell.ending import EXIT_CODES, EXPLAINED
from depthwalker.shell.exact import Table

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs" / "reference"
FOLDER_OF_STATE: Final = "`depthwalker` in `$XDG_STATE_HOME` or `~/.local/state`, for root `/var/lib/depthwalker`"
WRITTEN: Final = "<!-- written by tools/reference.py, which `make docs-figures` runs -->\n\n"
ABOUT: Final = """\
Every command explains itself, with examples: `depthwalker COMMAND --help`. `depthwalker --version` names the version.

* **Results** go to standard output, everything else (progress, what is being stopped, what is wrong) to standard error. Progress is
  a bar or a live view on a terminal, and lines where there is none. What standard output does not take (the disk is full) goes to
  standard error too, with exit code 1.
* **`--json`** leaves one JSON document on standard output and nothing else. That holds for errors too: `{"error": "...", "exit_code":
  2}`. What runs until Ctrl-C says where it listens as one line; `worker` writes a line for each parent that has ended.
* **Errors** are a line or two: what is wrong, and what to do. `depthwalker doctor` looks at everything that an execution stands on.
  `DEPTHWALKER_TRACEBACK=1` shows where a bug is, `DEPTHWALKER_LOG=json` writes the log as JSON.
* **Ctrl-C**, SIGTERM and a terminal that is closed ask to stop: what rests is cancelled and confirmed by the exchange's records. A second
  Ctrl-C leaves at once and says what may rest. Whoever reads the output and goes (`| head`) asks for the same as the first.
* **Completion**: `depthwalker completion bash > ~/.local/share/bash-completion/completions/depthwalker`, or
  `depthwalker completion zsh > ~/.zfunc/_depthwalker` with `fpath+=~/.zfunc` before `compinit`.
"""
KEY: Final = OrderKey(1, 0)
AT: Final = Micros(2)
NONE: Final = Count(0)
ALL: Final = Count(100)


def commands() -> str:
    """Return the page of all commands, each as its --help."""
    os.environ["COLUMNS"] = "110"
    parser = parser_of_all()
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    parts = [f"# Commands\n\n{ABOUT}\n## Exit codes\n\n| code | meaning |\n|---:|---|\n{codes}\n"]
    for name, entry in TABLE.items():
        needs = f"\nNeeds `pip install 'depthwalker[{entry.extra}]'`.\n" if entry.extra else ""
        text = choices.choices[name].format_help().replace(EXPLAINED, "").strip()
        parts.append(f"## {name}\n{needs}\n```text\n{text}\n```\n")
    return WRITTEN + "\n".join(parts)


def configuration() -> str:
    """Return the page of settings and of execution_config."""
    head = (
        "# Configuration\n\n## Settings\n\nA key in the TOML file that `DEPTHWALKER_CONFIG` names, or the variable, which wins; "
        "`DATABASE_URL` stands for `database_url`.\n\n"
    )
    keys = settings._Keys
    rows = "\n".join(
        f"| `{name}` | `{'DATABASE_URL' if name == 'database_url' else settings.PREFIX + name.upper()}` | {_allowed(field)} | {_default(field)} |"
        for name, field in keys.model_fields.items()
    )
    table = f"| key | variable | allowed | default |\n|---|---|---|---|\n{rows}\n"
    return f"{WRITTEN}{head}{table}\n## execution_config\n\n{''.join(_tables(config._Execution, ''))}"


def _tables(model: type[Table], path: str) -> Iterator[str]:
    inner: list[tuple[str, type[Table]]] = []
    rows = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Table):
            inner.append((f"{path}{name}", kind))
        else:
            rows.append(f"| `{name}` | {_allowed(field)} | {_default(field)} |")
    title = f"### {path.rstrip('.')}\n\n" if path else ""
    yield f"{title}| key | allowed | default |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
    for name, kind in inner:
        yield from _tables(kind, f"{name}.")


def _allowed(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    """Return a default as a person would write it; the models hold the core's whole units."""
    if field.default is PydanticUndefined:
        return FOLDER_OF_STATE if field.default_factory is not None else ""
    default: object = getattr(field.default, "value", field.default)
    match default:
        case None:
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case int():
            return f"`{_scaled(default, _unit(field))}`"
        case tuple():
            return f"`[{', '.join(_scaled(part, MILLION) for part in default)}]`"
        case _:
            return f"`{default}`"


def _unit(field: FieldInfo) -> int:
    """Return how many of the core's units make one of those that a description names first."""
    word = (field.description or "").split(" ", 1)[0]
    fraction = (field.description or "").startswith("a fraction")
    return {"seconds": SECOND, "contracts": CONTRACT, "dollars": DOLLAR}.get(word, MILLION if fraction else 1)


def _scaled(number: int, unit: int) -> str:
    return format((Decimal(number) / unit).normalize(), "f")


def order() -> str:
    """Return the page with the life of an order, as the fold has it."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, before, fact in _applied():
        after = evolve(before, fact)
        if len(after.orders) != 1:
            continue
        here = before.orders[0].phase.value if before.orders else "[*]"
        there = after.orders[0].phase.value
        if here != there:
            found.setdefault((here, there), set()).add(name)
    lines = [f"    {here} --> {there}: {', '.join(sorted(names))}" for (here, there), names in sorted(found.items())]
    drawn = "\n".join(["stateDiagram-v2", *lines, "    closed --> [*]"])
    text = (
        "# The life of an order\n\nEvery fact about an order, applied to an order in every phase by the code that folds the journal "
        "(`core/depthwalker/core/execution.py`); what changes the phase is drawn. Only the order's own record, a refusal of its placing, a burn, or a market that is over closes it.\n\n"
    )
    return f"{WRITTEN}{text}```mermaid\n{drawn}\n```\n"


def _applied() -> Iterator[tuple[str, State, Fact]]:
    """Yield every fact in every situation that the one order of an execution can be in."""
    facts = tuple(_facts())
    seen: set[object] = set()
    edge = [START]
    while edge:
        state = edge.pop(0)
        for name, fact in facts:
            yield name, state, fact
            after = evolve(state, fact)
            if len(after.orders) == 1 and (situation := _situation(after)) not in seen:
                seen.add(situation)
                edge.append(after)


def _situation(state: State) -> object:
    (order,) = state.orders
    request = None if order.request is None else order.request.kind
    return order.phase, order.ending, request, order.revision, bool(order.order_id), order.doubt, min(order.cancels, 1)


def _facts() -> Iterator[tuple[str, Fact]]:
    price = Price(5000)
    yield "PlaceIntended", PlaceIntended(KEY, price, ALL, Style.REST, NONE, "", AT)
    yield "Accepted", Accepted(KEY, "x", NONE, AT)
    yield "AmendIntended", AmendIntended(KEY, 1, Price(5100), ALL, Style.REST, NONE, False, 0, "", AT)
    yield "Amended", Amended(KEY, 1, NONE, AT)
    yield "CancelAcknowledged", CancelAcknowledged(KEY, AT)
    yield "Burned", Burned(KEY, "x", NONE, AT)
    yield "Duplicated", Duplicated(KEY, AT)
    yield "Lapsed", Lapsed(KEY, AT)
    yield "Resumed", Resumed("w", AT)
    for status in OrderStatus:
        yield f"Observed {status.value}", Observed(KEY, "x", 0, status, price, NONE, ALL, AT)
    for kind in (Kind.CANCEL, Kind.CLAIM, Kind.BURN):
        yield f"Requested {kind.value}", Requested(KEY, kind, AT)
    for kind in Kind:
        yield f"Refused {kind.value}", Refused(KEY, kind, "code", "", AT)
        yield f"Deferred {kind.value}", Deferred(KEY, kind, "", AT)
        yield f"OutcomeUnknown {kind.value}", OutcomeUnknown(KEY, kind, "", AT)


PAGES: Final = {"commands.md": commands, "configuration.md": configuration, "order.md": order}


def main() -> int:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page().rstrip() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
