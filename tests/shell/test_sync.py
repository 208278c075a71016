"""The synchronous twin, and engines in processes of their own: an interrupt winds down, a kill is taken over."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.shell.rig import KEY, ME, TICKER, AMarket, AMethod, AnEdge, Rig, rigged, simple, until

from depthwalker.shell.api import DatabaseTrouble, EngineClosed, InvalidMethod, OrderRefused
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.sync import SyncEngine

BLOCKING = """
import sys
from depthwalker.shell.settings import Settings
from depthwalker.shell.sync import SyncEngine
from tests.shell.rig import AnEdge, simple
with SyncEngine.open(Settings.load()) as engine:
    engine.execute_trade(AnEdge(1, "0.43", 60), simple(30))
"""


def key_file(folder: Path) -> Path:
    file = folder / "key.pem"
    pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem)
    file.chmod(0o600)
    return file


def environment(rig: Rig, folder: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEPTHWALKER")}
    return own | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DATABASE_URL": rig.dsn,
        "DEPTHWALKER_BASE_URL": rig.exchange.url,
        "DEPTHWALKER_KEY_ID": "kid",
        "DEPTHWALKER_KEY_FILE": str(key_file(folder)),
        "DEPTHWALKER_ACCOUNT": ME,
        "DEPTHWALKER_STATE_DIRECTORY": str(folder),
        "DEPTHWALKER_BOOK_INTERVAL_SECONDS": "0.2",
    }


async def started(rig: Rig, folder: Path, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environment(rig, folder),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )


async def ended(process: Process) -> int:
    """Return a process's exit code, killing it where it does not end by itself."""
    try:
        return await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()


async def resting(rig: Rig) -> None:
    await until(lambda: bool(rig.exchange.resting(ME)), 20)


async def resumed(rig: Rig) -> None:
    await rig.shows("SELECT 1 FROM execution_journal WHERE kind = 'Resumed'")


async def test_the_closed_twin_says_that_it_is_closed(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, clock=SystemClock()) as rig:
        settings = rig.settings({"key_id": "kid", "key_file": key_file(tmp_path)})

        def blocking() -> None:
            with SyncEngine.open(settings, dsn=postgres) as engine:
                pass
            with pytest.raises(EngineClosed, match="open another one"):
                engine.execute_trade(AnEdge(1, "0.47", 5), simple())

        await asyncio.to_thread(blocking)
        assert rig.own() == ()


async def test_the_twin_blocks_until_the_trade_is_there(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, clock=SystemClock()) as rig:
        settings = rig.settings({"key_id": "kid", "key_file": key_file(tmp_path)})

        def blocking() -> None:
            with SyncEngine.open(settings, dsn=postgres) as engine:
                engine.watch([TICKER])
                trade = engine.execute_trade(AnEdge(1, "0.47", 5), simple())
                assert trade.quantity == 5
                assert engine.execute(AnEdge(1, "0.47", 5), simple()) == trade.result
                executor = engine.get_executor(simple())
                assert executor.algorithm.value == "simple_limit"
                assert executor.execute(AnEdge(2, "0.47", "0.01"), simple(), AMarket()).filled_quantity == Decimal(
                    "0.01"
                )
                with pytest.raises(OrderRefused):
                    engine.execute_trade(AnEdge(3, "0.47", 0), simple())
                with pytest.raises(ValueError, match="vwap"):
                    engine.get_executor(AMethod({"algorithm": "vwap"}))
                with pytest.raises(InvalidMethod, match="algorithm is twap, and this executor's is simple_limit"):
                    executor.execute(AnEdge(4, "0.47", 5), AMethod({"algorithm": "twap", "order_timeout_seconds": 1}))

        await asyncio.to_thread(blocking)
        assert rig.exchange.position(ME, TICKER) == 501


def test_an_engine_that_cannot_be_opened_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from depthwalker.shell import pool
    from depthwalker.shell.settings import Settings

    monkeypatch.setattr(pool, "CONNECT_S", 1)
    before = threading.active_count()
    settings = Settings.of(state_directory=tmp_path)
    with pytest.raises(DatabaseTrouble), SyncEngine.open(settings, dsn="postgresql://nobody@127.0.0.1:1/none"):
        pass
    assert threading.active_count() == before


async def test_an_interrupt_winds_down_and_a_kill_is_taken_over(postgres: str, tmp_path: Path) -> None:
    """Two processes at once: one is interrupted, and its order is gone before it is; one is killed, and taken over."""
    async with (
        rigged(postgres, tmp_path / "i", clock=SystemClock()) as interrupted,
        rigged(postgres, tmp_path / "k", clock=SystemClock()) as killed,
    ):
        (tmp_path / "i").mkdir()
        (tmp_path / "k").mkdir()
        killing = BLOCKING.replace("AnEdge(1,", "AnEdge(2,").replace("simple(30)", "simple(12)")
        one = await started(interrupted, tmp_path / "i", "-c", BLOCKING)
        two = await started(killed, tmp_path / "k", "-c", killing)
        await asyncio.gather(resting(interrupted), resting(killed))
        one.send_signal(signal.SIGINT)
        two.kill()
        _, errors = await one.communicate()
        await two.communicate()
        assert b"KeyboardInterrupt" in errors
        assert b"never retrieved" not in errors
        assert not interrupted.exchange.resting(ME)
        assert killed.exchange.resting(ME)
        ((status, ending),) = await interrupted.rows("SELECT status, ending FROM execution_state WHERE edge_id = 1")
        assert (status, str(ending).endswith("the call was cancelled")) == ("cancelled", True)
        await killed.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        async with killed.engine() as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(2, "0.43", 60), simple(12)))
            await resumed(killed)
            engine.stop()
            await killed.settled(await call)
            assert len(killed.own()) == 1


GIVING_UP = """
import signal, time
from depthwalker.shell.settings import Settings
from depthwalker.shell.sync import SyncEngine
from tests.shell.rig import AnEdge, simple
class SoftLimit(Exception): pass
def late(*_): raise SoftLimit
signal.signal(signal.SIGALRM, late)
with SyncEngine.open(Settings.load()) as engine:
    try:
        engine.execute_trade(AnEdge(1, "0.43", 60), simple(60))
    except SoftLimit:
        print("given up", flush=True)
    time.sleep(60)
"""


async def test_a_call_that_an_exception_of_a_signal_handler_ends_is_wound_down(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        process = await started(rig, tmp_path, "-c", GIVING_UP)
        try:
            await resting(rig)
            process.send_signal(signal.SIGALRM)
            assert process.stdout is not None
            assert (await process.stdout.readline()).strip() == b"given up"
            await until(lambda: not rig.exchange.resting(ME), 10)
        finally:
            process.send_signal(signal.SIGINT)
            await process.communicate()


UNCLOSED = """
from contextlib import ExitStack
from depthwalker.shell.settings import Settings
from depthwalker.shell.sync import SyncEngine
from tests.shell.rig import AnEdge, simple
import threading, time
stack = ExitStack()
engine = stack.enter_context(SyncEngine.open(Settings.load()))
threading.Thread(target=lambda: engine.execute_trade(AnEdge(1, "0.43", 60), simple(60)), daemon=True).start()
input()
"""


async def test_an_interpreter_that_ends_without_closing_leaves_nothing_at_rest(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        process = await started(rig, tmp_path, "-c", UNCLOSED)
        try:
            await resting(rig)
            assert process.stdin is not None
            process.stdin.write(b"\n")
        finally:
            code = await ended(process)
        assert code == 0
        assert not rig.exchange.resting(ME)


EXITING = """
import asyncio, sys
from depthwalker.shell.engine import Engine
from depthwalker.shell.settings import Settings
from tests.shell.rig import AnEdge, rests, simple
def exits(state, _):
    if rests(state):
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        raise SystemExit(3)
async def main():
    async with Engine.open(Settings.load(), on_turn=exits) as engine:
        await engine.execute_trade(AnEdge(1, "0.43", 60), simple(600))
asyncio.run(main())
"""


async def test_a_handler_that_exits_twice_takes_the_loop_from_under_what_cancels_and_leaves_nothing_at_rest(
    postgres: str, tmp_path: Path
) -> None:
    """`signal.signal(SIGTERM, lambda *_: sys.exit())` raises wherever the main thread is: in a turn, then in the loop itself."""
    async with rigged(postgres, tmp_path) as rig:
        process = await started(rig, tmp_path, "-c", EXITING)
        assert await ended(process) == 3
        assert rig.exchange.orders(ME)
        assert not rig.exchange.resting(ME)


FORKED = """
import os, sys
from depthwalker.shell.settings import Settings
from depthwalker.shell.sync import SyncEngine
from tests.shell.rig import AnEdge, simple
with SyncEngine.open(Settings.load()) as engine:
    if os.fork() == 0:
        try:
            engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        except Exception as refused:
            sys.exit(f"{type(refused).__name__}: {refused}")
    os.wait()
    print(engine.execute_trade(AnEdge(2, "0.47", 5), simple()).quantity)
"""


async def test_a_forked_process_is_told_to_open_its_own_and_leaves_the_others_alone(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        process = await started(rig, tmp_path, "-c", FORKED)
        try:
            told, errors = await asyncio.wait_for(process.communicate(), 20)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert (process.returncode, told.strip()) == (0, b"5.00"), errors
        assert b"EngineClosed: the engine runs in the process that this one was forked from" in errors
        assert len(rig.own()) == 1
