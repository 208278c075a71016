"""Mutation testing of the core: `make mutate`, or `python -m tools.mutate [MODULE ...]` for some modules.

Each mutant differs from a function of the core in one place: a comparison, an operator, a condition, a number, a result. It
replaces that function's code in a child process, in which the tests of its module run until one fails; the examples of
Hypothesis are the same every time (the profile `steady`). What is written to docs/mutants.md is each module's score and
every survivor, with the reason in tools/equivalents.txt where it was found to change nothing.

mutmut needs one source root and a copy of the tree, and starts anew for each mutant; this forks from a process that has
everything imported, which takes a fraction of a second.
"""

import ast
import copy
import importlib
import inspect
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.guards import failing, noticed

ROOT: Final = Path(__file__).parents[1]
WRITTEN: Final = ROOT / "docs" / "mutants.md"
EQUIVALENTS: Final = ROOT / "tools" / "equivalents.txt"
MODULES: Final = ("reconcile", "execution", "ledger", "decide", "walk", "split", "parent", "budget")
ALSO: Final = {
    "reconcile": ("accidents",),
    "execution": ("reconcile", "accidents", "projection"),
    "ledger": ("execution", "reconcile", "accidents"),
    "decide": ("accidents", "execution"),
    "walk": ("dynamic_depth_walker", "spec_examples"),
    "split": ("spec_examples",),
    "parent": ("spec_examples",),
    "depth": ("dynamic_depth_walker",),
}
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
    """Yield every mutant of the functions of a module."""
    tree = ast.parse(source)
    for at, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.expr | ast.If) and _inside(tree, node):
            for changed in _changes(node):
                made = copy.deepcopy(tree)
                there = list(ast.walk(made))[at]
                _put(made, there, changed)
                old = ast.unparse(node.test if isinstance(node, ast.If) else node)
                yield Mutant(f"line {node.lineno}: {old} -> {ast.unparse(changed)}", made)


def _inside(tree: ast.Module, node: ast.AST) -> bool:
    """Return whether a node is in the body of a top-level function, and no type: what the child process can replace."""
    return any(
        node is inner
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for statement in function.body
        for inner in _walk_values(statement)
    )


def _walk_values(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, ast.AST) and name != "annotation":
                yield from _walk_values(inner)


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
    """Return the page: each module's score and survivors, as last found."""
    head = "# Mutants\n\nWritten by `make mutate`; a module that is not here has not been run. See `tools/mutate.py`.\n"
    return "\n".join([head, *(f"## {name}\n\n{text}\n" for name, text in sections.items())])


def main(modules: list[str]) -> int:
    """Run the mutants of each module, and write the survivors down."""
    reasons = dict(
        line.split(" | ", 1) for line in EQUIVALENTS.read_text(encoding="utf-8").splitlines() if " | " in line
    )
    sections = written()
    for name in modules or MODULES:
        begun = time.monotonic()
        module = importlib.import_module(f"depthwalker.core.{name}")
        tests = tuple(f"tests/core/test_{test}.py" for test in (name, *ALSO.get(name, ())))
        if failing(tests):
            print(f"the tests of {name} fail as they are")
            return 2
        all_of_them = list(mutants(inspect.getsource(module)))
        alive = [mutant.words for mutant in all_of_them if not noticed(module, mutant.tree, tests)]
        killed = len(all_of_them) - len(alive)
        score = f"{killed} of {len(all_of_them)} killed, {100 * killed / len(all_of_them):.1f} %"
        print(f"{name}: {score}, {time.monotonic() - begun:.0f} s", flush=True)
        lines = [f"* `{words}`: {reasons.get(f'{name} {words}', 'survives, not yet judged')}" for words in alive]
        sections[name] = "\n".join([f"{score}.", *([""] if lines else []), *lines])
        WRITTEN.write_text(document(sections), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
