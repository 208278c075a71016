"""The core is pure: proved on the syntax tree, on the classes, at run time and across hash seeds."""

import ast
import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

import depthwalker.core

ROOT = Path(depthwalker.core.__path__[0])
MODULES = sorted(ROOT.rglob("*.py"))

# An allow-list: what is not named here is not pure until someone argues for it in review.
IMPORTS = {
    "bisect",
    "collections.abc",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "operator",
    "returns.result",
    "typing",
}
BUILTINS = {
    "__import__",
    "breakpoint",
    "compile",
    "delattr",
    "eval",
    "exec",
    "float",
    "globals",
    "id",
    "input",
    "open",
    "print",
    "setattr",
    "vars",
}
EFFECTS = {"aiohttp", "asyncio", "decimal", "json", "logging", "psycopg", "pydantic", "random", "socket", "ssl"}

# A scene of the real core, as a program: `outcome` is built from everything that decides. Extend it with the core.
SCENE = """
from dataclasses import replace

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Delta, EMPTY, Leg, OwnOrder, Snapshot, apply
from depthwalker.core.command import intents
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import Started
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import NO_HISTORY, observe
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.parent import Action, Holding, Identity, Ticket, admit
from depthwalker.core.policy import policy_for
from depthwalker.core.projection import project
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.core.view import Conditions, look

def scene():
    now = Micros(1_000 * SECOND)
    yes = tuple((Price(price), Count(30_000)) for price in range(4000, 4800, 100))
    no = tuple((Price(price), Count(50_000)) for price in range(4000, 5100, 100))
    book = apply(EMPTY, Snapshot(yes, no, now))
    book = apply(book, Delta(Leg.NO, Price(5000), Count(-200), now))
    gap = apply(book, Delta(Leg.YES, Price(4700), Count(-99_999), now))
    market = Market("T", "E", MarketStatus.ACTIVE, CENT_GRID, Micros(now * 2), 0)
    ticket, holding = Ticket(Leg.NO, Action.SELL, Count(9_950), Price(4_800)), Holding(Count(99_999), Count(0))
    identity = Identity("0123abcd", "0123456789abcdef" * 2)
    parent = admit(ticket, market, STANDARD, DEFAULT_EXECUTION, holding, identity, now, SECOND).unwrap()
    policy = policy_for(replace(DEFAULT_EXECUTION, algorithm=Algorithm.DYNAMIC_DEPTH_WALKER))
    conditions = Conditions(parent.grid, STANDARD, 90, 0, 5, 10_000, True)
    history, own = observe(NO_HISTORY, book, now), (OwnOrder(Leg.YES, Price(4700), Count(100)),)
    state, decisions = evolve(START, Started(parent, policy, now)), []
    for later in (0, 0, 4 * SECOND, 5 * SECOND, 50 * SECOND):
        view = look(book, history, parent.leg, state.cap, own, (), conditions, Micros(now + later))
        commands = decide(state, view, policy)
        decisions.append(commands)
        for fact in intents(commands, view):
            state = evolve(state, fact)
    return gap, decisions, state, project(state)
"""


def sins(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"import {name.name}" for name in names if name.name not in IMPORTS)
            case ast.ImportFrom(module=module, level=level):
                if level or not (module in IMPORTS or f"{module}.".startswith("depthwalker.core.")):
                    yield f"from {module}"
            case ast.Name(id=name, ctx=ast.Load()) if name in BUILTINS:
                yield name
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield "async"
            case ast.Global() | ast.Nonlocal():
                yield "global state"
            case ast.Attribute(ctx=ast.Store() | ast.Del(), attr=attr):
                yield f"assigns .{attr}"
            case ast.Constant(value=float()) | ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield "float arithmetic"
            case ast.ExceptHandler(type=None) | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException")):
                yield "broad except"
            case ast.FunctionDef(name=name, returns=ast.Constant(value=None)) if name != "__post_init__":
                yield f"{name}() -> None: a pure function without a result does nothing"
            case _:
                pass


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_syntax_is_pure(path: Path) -> None:
    assert list(sins(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from datetime import datetime",
        "import logging",
        "from decimal import Decimal",
        "from random import random",
        "from . import book",
        "from depthwalker.shell import postgres",
        "from depthwalker.corelike import x",
        "print(1)",
        "open('x')",
        "__import__('time')",
        "float('1')",
        "async def f() -> int: ...",
        "def f() -> int:\n    global x\n    return x",
        "x.y = 1",
        "x.y += 1",
        "del x.y",
        "x / y",
        "x /= y",
        "0.5",
        "try:\n    x\nexcept Exception:\n    y",
        "try:\n    x\nexcept:\n    y",
        "def f() -> None: ...",
    ],
)
def test_the_check_has_teeth(source: str) -> None:
    assert list(sins(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "from depthwalker.core.book import Book",
        "from returns.result import Success",
        "x // y",
        "levels = []\nlevels.append(1)",
        "levels[0] = 1",
        "class Market:\n    open: bool",
        "def __post_init__(self) -> None:\n    assert self.price > 0",
    ],
)
def test_the_check_lets_the_innocent_go(source: str) -> None:
    assert list(sins(ast.parse(source))) == []


def core_classes() -> Iterator[type]:
    for info in pkgutil.walk_packages(depthwalker.core.__path__, "depthwalker.core."):
        module = importlib.import_module(info.name)
        yield from (
            value for value in vars(module).values() if isinstance(value, type) and value.__module__ == info.name
        )


def frozen(kind: type) -> bool:
    return (
        dataclasses.is_dataclass(kind)
        and "__slots__" in vars(kind)
        and "__setattr__" in vars(kind)  # only a frozen dataclass writes one
        and kind.__bases__ == (object,)
    )


def test_every_class_is_a_frozen_slotted_dataclass_or_an_enumeration() -> None:
    assert [kind for kind in core_classes() if not (frozen(kind) or issubclass(kind, Enum))] == []


def test_a_class_that_can_change_is_found() -> None:
    @dataclasses.dataclass(slots=True)
    class Thawed:
        price: int

    @dataclasses.dataclass(frozen=True)
    class Slotless:
        price: int

    @dataclasses.dataclass(frozen=True, slots=True)
    class Good:
        price: int

    class Plain:
        pass

    assert [frozen(kind) for kind in (Thawed, Slotless, Plain, Good)] == [False, False, False, True]


def python(code: str, seed: str = "0") -> str:
    """Run the core in a fresh interpreter that sees only the core's source root."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT.parents[1])!r})\n{code}"],
        env={"PYTHONHASHSEED": seed},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def everything() -> str:
    """The source of an import of every module of the core."""
    names = [info.name for info in pkgutil.walk_packages(depthwalker.core.__path__, "depthwalker.core.")]
    return f"import {', '.join(names)}\n"


def test_importing_the_core_pulls_in_no_effects(everything: str) -> None:
    assert python(f"{everything}print(sorted({EFFECTS} & set(sys.modules)))").strip() == "[]"


def test_a_decision_touches_nothing_outside() -> None:
    """CPython reports opens, sockets, processes, sleeps and imports to audit hooks; allow none."""
    forbid = "def forbid(event, args): raise RuntimeError(event)"
    python(f"{SCENE}\n{forbid}\nscene()\nsys.addaudithook(forbid)\nscene()")


def test_the_audit_has_teeth() -> None:
    forbid = "def forbid(event, args): raise SystemExit(3)"
    with pytest.raises(subprocess.CalledProcessError):
        python(f"{forbid}\nsys.addaudithook(forbid)\nopen('/dev/null')")


def test_decisions_do_not_depend_on_the_hash_seed() -> None:
    assert len({python(f"{SCENE}\nprint(scene())", seed) for seed in ("0", "1", "2")}) == 1
