"""Break each guard of a core module once, and see whether a test notices: `python tools/guards.py reconcile [TESTS ...]`.

A guard is a condition of an `if`, or one operand of an `and` or `or`: it is broken by letting it never stop anything. The
broken functions replace the code of the imported ones in a child process, in which the tests then run. Prints the guards
that no test noticed, and exits with 1 if there are any.
"""

import ast
import contextlib
import copy
import gc
import importlib
import inspect
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Final

TESTS: Final = ("tests/core/test_reconcile.py", "tests/core/test_accidents.py")
OPTIONS: Final = (
    *("-x", "-q", "--tb=no"),
    *("-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
SECONDS: Final = 20  # of computing, however busy the machine is: a broken guard may loop


def broken(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield each guard in words, and the module without it."""
    tree = ast.parse(source)
    for at, node in enumerate(ast.walk(tree)):
        match node:
            case ast.BoolOp(op, operands):
                neutral = ast.Constant(isinstance(op, ast.And))
                for place, operand in enumerate(operands):
                    changed = copy.deepcopy(tree)
                    there = list(ast.walk(changed))[at]
                    assert isinstance(there, ast.BoolOp)
                    there.values[place] = ast.copy_location(neutral, operand)
                    yield f"line {operand.lineno}: {ast.unparse(operand)}", changed
            case ast.If(test) if not isinstance(test, ast.BoolOp):
                changed = copy.deepcopy(tree)
                there = list(ast.walk(changed))[at]
                assert isinstance(there, ast.If)
                there.test = ast.copy_location(ast.Constant(value=False), test)
                yield f"line {test.lineno}: if {ast.unparse(test)}", changed
            case _:
                pass


def install(module: ModuleType, code: CodeType) -> None:
    """Give the module's functions the code that they have in `code`, and its constants what that code makes of them."""
    made = ModuleType(module.__name__)
    exec(code, made.__dict__)  # noqa: S102 - our own module, but for one place
    _replace(vars(module), vars(made), module.__name__)
    for name, value in vars(made).items():
        if not name.startswith("__") and not callable(value) and repr(value) != repr(vars(module)[name]):
            setattr(module, name, value)
    for name, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ == module.__name__:
            _replace(vars(kind), vars(getattr(made, name)), module.__name__)


def _replace(old: Mapping[str, object], new: Mapping[str, object], module: str) -> None:
    for name, thing in old.items():
        function, changed = _function(thing), _function(new.get(name))
        if function is not None and changed is not None and function.__module__ == module:
            function.__code__ = changed.__code__


def _function(thing: object) -> FunctionType | None:
    match thing:
        case FunctionType():
            return thing
        case property(fget=FunctionType() as getter):
            return getter
        case staticmethod(__func__=FunctionType() as inner) | classmethod(__func__=FunctionType() as inner):
            return inner
        case _:
            return None


def failing(tests: tuple[str, ...]) -> bool:
    """Return whether any of the tests fails."""
    os.environ["HYPOTHESIS_PROFILE"] = "hasty"
    import pytest

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pytest.main([*OPTIONS, *tests]) != 0


def noticed(module: ModuleType, tree: ast.Module, tests: tuple[str, ...]) -> bool:
    """Return whether the tests fail with this code in the module's functions."""
    with warnings.catch_warnings(action="ignore"):  # of what a mutant compares
        code = compile(tree, str(module.__file__), "exec")
    sys.stdout.flush()
    gc.freeze()  # what the child need not look through
    child = os.fork()
    if child == 0:
        import signal

        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            install(module, code)
            os._exit(failing(tests))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return status != 0


def main(arguments: list[str]) -> int:
    """Break the guards of the named module and print those that no test noticed."""
    name, *tests = arguments
    module = importlib.import_module(f"depthwalker.core.{name}")
    by = tuple(tests) or TESTS
    source = inspect.getsource(module)
    # At first in this process, so that the children find everything imported.
    if failing(by) or noticed(module, ast.parse(source), by):
        print(f"the tests fail as it is: {' '.join(by)}")
        return 2
    guards = list(broken(source))
    missed = [words for words, tree in guards if not noticed(module, tree, by)]
    for words in missed:
        print(f"no test notices: {words}")
    print(f"{len(guards) - len(missed)} of {len(guards)} guards of {name} are noticed when broken")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
