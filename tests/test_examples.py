"""The examples run as they stand."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.shell.rig import ME, TICKER, quiet, rigged, sellers
from tests.shell.test_sync import started

from depthwalker.shell.clock import SystemClock


async def test_the_engine_example_trades_once_however_often_it_runs(postgres: str, tmp_path: Path) -> None:
    tape = quiet(*sellers(4_500, 60, *(at / 4 for at in range(200))), yes=())
    async with rigged(postgres, tmp_path, tape, clock=SystemClock()) as rig:
        said: list[str] = []
        for _ in range(2):
            process = await started(rig, tmp_path, str(ROOT / "examples" / "engine.py"), TICKER)
            async with asyncio.timeout(30):
                out, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            assert not errors, errors.decode()
            said.append(out.decode())
        assert said[0] == said[1]
        assert said[0].startswith("completed: 100.00 contracts at 0.45")
        assert rig.exchange.position(ME, TICKER) == 10_000
        assert not rig.exchange.resting(ME)


async def test_the_engine_example_says_why_it_did_not_trade(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, clock=SystemClock()) as rig:
        process = await started(rig, tmp_path, str(ROOT / "examples" / "engine.py"), "NOWHERE")
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert (
            errors.decode().strip()
            == "not traded: there is no market NOWHERE: check the ticker and the exchange (base_url)"
        )


@pytest.mark.parametrize("name", ["engine.py", "sync_engine.py"])
async def test_an_example_without_a_ticker_says_how_it_is_called(name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / name), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode() == f"usage: python examples/{name} TICKER\n"


async def test_the_synchronous_example_trades(postgres: str, tmp_path: Path) -> None:
    tape = quiet(*sellers(4_500, 60, *(at / 4 for at in range(200))), yes=())
    async with rigged(postgres, tmp_path, tape, clock=SystemClock()) as rig:
        process = await started(rig, tmp_path, str(ROOT / "examples" / "sync_engine.py"), TICKER)
        async with asyncio.timeout(30):
            out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert out.decode() == "completed: 100.00 contracts at 0.4500\n"
        assert not rig.exchange.resting(ME)


async def test_the_notebooks_cells_run_as_they_stand(postgres: str, tmp_path: Path) -> None:
    cells = json.loads((ROOT / "examples" / "notebook.ipynb").read_text("utf-8"))["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    script = tmp_path / "notebook.py"
    # What a notebook does: the cells' own `await` belongs to a loop that runs already.
    script.write_text(
        f"import ast, asyncio, os, sys, types\nos.environ['DEPTHWALKER_EXAMPLE_TICKER'] = sys.argv[1]\n"
        f"module = types.ModuleType('notebook'); sys.modules['notebook'] = module\n"
        f"code = compile({code!r}, 'notebook', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
        f"module.__dict__['__name__'] = 'notebook'\nasyncio.run(types.FunctionType(code, module.__dict__)())\n"
    )
    tape = quiet(*sellers(4_500, 60, *(at / 4 for at in range(200))), yes=())
    async with rigged(postgres, tmp_path, tape, clock=SystemClock()) as rig:
        process = await started(rig, tmp_path, str(script), TICKER)
        async with asyncio.timeout(30):
            out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert out.decode().startswith("completed: 100.00 of 100 contracts at 0.4"), out
