"""Mutation testing of the core: `make mutate`, or `python -m tools.mutate [--again] [MODULE ...]` for some modules.

Each mutant differs from a function of the core in one place: a comparison, an operator, a condition, a number, a result. It
replaces that function's code in a child process, in which the tests of its module run until one fails; the examples of
Hypothesis are the same every time (the profile `hasty`). What is written to docs/mutants.md is each module's score and
every survivor, with the reason in tools/equivalents.txt where it was found to change nothing.

`--again` runs only what docs/mutants.md says is alive: enough where tests have been added since and nothing else was changed.

mutmut needs one source root and a copy of the tree, and starts anew for each mutant; this forks from a process that has
everything imported, which takes a fraction of a second.
"""

import ast
import copy
import fcntl
import importlib
import inspect
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.guards import failing, noticed

ROOT: Final = Path(__file__).parents[1]
WRITTEN: Final = ROOT / "docs" / "mutants.md"
EQUIVALENTS: Final = ROOT / "tools" / "equivalents.txt"
CORE: Final = ROOT / "core" / "depthwalker" / "core"
ALSO: Final = {
    "reconcile": ("accidents",),
    "execution": ("reconcile", "accidents", "projection"),
    "ledger": ("execution", "reconcile", "accidents"),
    "decide": ("accidents", "execution"),
    "walk": ("dynamic_depth_walker", "spec_examples"),
    "split": ("spec_examples",),
    "pit": ("matching", "matching_laws"),
    "crossing": ("matching", "matching_laws"),
    "desk": ("stream",),
    "line": ("stream",),
    "recording": ("mirror",),
    "recorder": ("mirror",),
    "subscriptions": ("stream",),
    "placing": ("adaptive_limit", "twap", "opponents"),
    "tick": ("dynamic_depth_walker", "twap", "adaptive_limit"),
    "parent": ("spec_examples",),
    "depth": ("dynamic_depth_walker",),
}
AGAIN: Final = "--again"
SCORE: Final = re.compile(r"(\d+) of (\d+) killed")
UNJUDGED: Final = "survives, not yet judged"
SWAPS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
TURNS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True)
class Mutant:
    """One place that differs: what it was and is, in words, and the module with it."""

    words: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of the functions and methods of a module; the words of each stay as other lines come and go."""
    tree = ast.parse(source)
    places, told = _places(tree), Counter[str]()
    for at, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.expr | ast.If) and id(node) in places:
            for changed in _changes(node):
                made = copy.deepcopy(tree)
                there = list(ast.walk(made))[at]
                _put(made, there, changed)
                old = ast.unparse(node.test if isinstance(node, ast.If) else node)
                function, statement = places[id(node)]
                words = f"{function}: {old} -> {ast.unparse(changed)} in {statement}"
                told[words] += 1
                yield Mutant(words if told[words] == 1 else f"{words} ({told[words]})", made)


def _places(tree: ast.Module) -> dict[int, tuple[str, str]]:
    """Return, by identity, the function and the statement of every node that the child process can replace."""
    found: dict[int, tuple[str, str]] = {}
    for name, function in _functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and node is not function and not _is_assertion(node):
                line = ast.unparse(node).partition("\n")[0].replace("|", "or")
                found |= {id(inner): (name, line) for inner in _walk_values(node)}
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for one in tree.body:
        if isinstance(one, ast.FunctionDef):
            yield one.name, one
        if isinstance(one, ast.ClassDef):
            yield from ((f"{one.name}.{each.name}", each) for each in one.body if isinstance(each, ast.FunctionDef))


def _walk_values(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, ast.AST) and name != "annotation" and not _is_assertion(inner):
                yield from _walk_values(inner)


def _is_assertion(node: ast.AST) -> bool:
    """Return whether this says what is so anyway: an assertion, or `strict` of a zip."""
    return isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg == "strict")


def _changes(node: ast.expr | ast.If) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in SWAPS:
            yield ast.Compare(left, [SWAPS[type(operator)]()], right)
        case ast.BinOp(left, operator, right) if type(operator) in TURNS:
            yield ast.BinOp(left, TURNS[type(operator)](), right)
        case ast.BoolOp(ast.And(), values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(None):
            yield ast.Constant(value=0)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call(ast.Name("min"), arguments, keywords):
            yield ast.Call(ast.Name("max", ast.Load()), arguments, keywords)
        case ast.Call(ast.Name("max"), arguments, keywords):
            yield ast.Call(ast.Name("min", ast.Load()), arguments, keywords)
        case ast.Call(ast.Name("any"), arguments, keywords):
            yield ast.Call(ast.Name("all", ast.Load()), arguments, keywords)
        case ast.Call(ast.Name("all"), arguments, keywords):
            yield ast.Call(ast.Name("any", ast.Load()), arguments, keywords)
        case ast.If(test):
            yield ast.UnaryOp(ast.Not(), test)
        case _:
            pass


def _put(tree: ast.Module, there: ast.AST, changed: ast.expr) -> None:
    if isinstance(there, ast.If):
        there.test = changed
        ast.fix_missing_locations(tree)
        return
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is there:
                setattr(parent, name, changed)
            elif isinstance(value, list) and any(one is there for one in value):
                setattr(parent, name, [changed if one is there else one for one in value])
    ast.fix_missing_locations(tree)


def written() -> dict[str, str]:
    """Return what earlier runs found, by module."""
    if not WRITTEN.exists():
        return {}
    _, *parts = WRITTEN.read_text(encoding="utf-8").split("\n## ")
    return {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}


def document(sections: dict[str, str]) -> str:
    """Return the page: each module's score and survivors, as last found, and the sum."""
    scores = [SCORE.match(text) for text in sections.values()]
    killed, made = (sum(int(score[place]) for score in scores if score is not None) for place in (1, 2))
    open_ = sum(text.count(UNJUDGED) for text in sections.values())
    head = (
        "# Mutants\n\nWritten by `make mutate`: the core broken in one place at a time, and whether its tests notice "
        "(`tools/mutate.py`); a module that is not here has not been run.\n\n"
        f"**{killed:,} of {made:,} killed, {_percent(killed, made)}; {made - killed - open_} change nothing, for the reasons given, "
        f"and {open_} are not judged. {len(sections)} of {len(modules())} modules.**\n"
    )
    return "\n".join([head, *(f"## {name}\n\n{text}\n" for name, text in sections.items())])


def modules() -> dict[str, str]:
    """Return every module of the core that has something to break: its name, and how it is imported."""
    return {
        file.stem: ".".join(("depthwalker.core", *file.relative_to(CORE).with_suffix("").parts))
        for file in sorted(CORE.rglob("*.py"))
        if any(True for _ in mutants(file.read_text(encoding="utf-8")))
    }


def tests_of(name: str) -> tuple[str, ...]:
    """Return the tests of a module: those under its name and those that ALSO names, or else all that import it."""
    own = [f"tests/core/test_{test}.py" for test in (name, *ALSO.get(name, ()))]
    found = tuple(test for test in own if (ROOT / test).exists())
    importing = re.compile(rf"from depthwalker\.core(\.algorithms)?(\.{name} import| import .*\b{name}\b)")
    return found or tuple(
        f"tests/core/{file.name}"
        for file in sorted((ROOT / "tests" / "core").glob("test_*.py"))
        if importing.search(file.read_text(encoding="utf-8"))
    )


def main(words: list[str]) -> int:
    """Run the mutants of each module, and write the survivors down."""
    again, names = AGAIN in words, [word for word in words if word != AGAIN]
    reasons = dict(
        line.split(" | ", 1) for line in EQUIVALENTS.read_text(encoding="utf-8").splitlines() if " | " in line
    )
    known = modules()
    for name in names or known:
        begun = time.monotonic()
        if name not in known:
            print(f"{name}: there is no such module; there are {', '.join(known)}")
            return 2
        module = importlib.import_module(known[name])
        tests = tests_of(name)
        source = inspect.getsource(module)
        if failing(tests) or noticed(module, ast.parse(source), tests):
            print(f"the tests of {name} fail as they are")
            return 2
        all_of_them = list(mutants(source))
        last = written().get(name) if again else None
        alive = [
            mutant.words
            for mutant in all_of_them
            if (last is None or f"* `{mutant.words}`" in last) and not noticed(module, mutant.tree, tests)
        ]
        killed = len(all_of_them) - len(alive)
        score = f"{killed} of {len(all_of_them)} killed, {_percent(killed, len(all_of_them))}"
        print(f"{name}: {score}, {time.monotonic() - begun:.0f} s", flush=True)
        lines = [f"* `{words}`: {reasons.get(f'{name} {words}', UNJUDGED)}" for words in alive]
        text = "\n".join([f"{score}.", *([""] if lines else []), *lines])
        with WRITTEN.open("a") as page:
            fcntl.flock(page, fcntl.LOCK_EX)  # other runs write into it too
            WRITTEN.write_text(document(dict(sorted((written() | {name: text}).items()))), encoding="utf-8")
    return 0


def _percent(killed: int, made: int) -> str:
    return f"{100 * killed / made:.1f} %" if made else "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
