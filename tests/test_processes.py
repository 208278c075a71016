"""Real workers that are stopped and go on, a database that goes away under one, and `depthwalker recover` beside them."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.killing.ground import ME, UNFINISHED, Ground
from tests.shell.rig import TICKER, AMarket, AnEdge, quiet, simple, until

from depthwalker.core.book import Leg
from depthwalker.core.ids import ClientId
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.ports import PlaceRequest
from depthwalker.shell.transport import AioHttpTransport

THEIRS, NOBODY = "89abcdef", "f" * 32
PARENT = AnEdge(1, "0.43", 60, market=AMarket(TICKER, TICKER))
EXPIRE = """
    WITH parents AS (UPDATE execution_queue SET held_until = clock_timestamp() WHERE status = 'taken' RETURNING 1)
    UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1
"""
EPOCHS = "SELECT array_agg(epoch ORDER BY seq) FROM execution_journal"


@asynccontextmanager
async def at_work(folder: Path, seconds: float, held: asyncio.Event | None = None) -> AsyncIterator[Ground]:
    """A ground on which one worker has a parent of sixty contracts below the market; its order is `held` up until then."""
    await asyncio.to_thread(folder.mkdir, mode=0o755)
    settings = {"BOOK_INTERVAL_SECONDS": "0.2", "RECOVERY": "off", "ORDER_GROUPS": "false"}  # without that belt
    ground = Ground(folder, [quiet()], settings, slots=1, relayed=True)
    async with ground.open() as submitter:
        await ground.start_worker()
        ground.line.held = held
        await submitter.submit(PARENT, simple(seconds))
        yield ground
        for worker in ground.workers:
            with suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGCONT)


async def ended(ground: Ground) -> None:
    """Wait until nothing is queued and nothing executes."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(ground.number, UNFINISHED):  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.1)


async def recovered(ground: Ground, *options: str) -> dict[str, list[object]]:
    """Return what `depthwalker recover` says."""
    said = await ground.command("recover", "--json", *options)
    found: dict[str, list[object]] = json.loads(said)
    return found


async def test_a_worker_that_was_stopped_and_lost_its_lease_writes_nothing_more_and_what_it_still_sends_buys_nothing(
    open_folder: Path,
) -> None:
    """Its create is on its way when it stops; whoever takes over burns that id before it ends."""
    on_its_way = asyncio.Event()
    async with at_work(open_folder / "stopped", 40, on_its_way) as ground:
        (worker,) = ground.workers
        await until(lambda: any(call.asked for call in ground.line.calls), 30)
        worker.process.send_signal(signal.SIGSTOP)
        ground.line.held = None  # for what comes later
        ground.rows(EXPIRE)
        found = await recovered(ground, "--wind-down")
        assert len(found["trades"]) == 1
        assert ground.exchange.resting(ME) == ()
        written = ground.rows(EPOCHS)
        on_its_way.set()
        worker.process.send_signal(signal.SIGCONT)
        await until(lambda: ground.exchange.answers["create", 409] == 1, 30)  # its own create, too late
        await ended(ground)
        assert ground.rows(EPOCHS) == written, "the worker that went on has written nothing"
        assert [order.initial for order in ground.exchange.orders(ME)] == [1], "the burn, a hundredth of a contract"
        ground.judge()


async def test_recover_cancels_our_orders_that_belong_to_nothing_and_leaves_another_installations_alone(
    open_folder: Path,
) -> None:
    async with at_work(open_folder / "strays", 2) as ground:
        await ended(ground)
        ours = ground.exchange.orders(ME)[0].client_order_id.split("-")[1]
        transport = AioHttpTransport(ground.exchange.url)
        expires = Micros((SystemClock().now() // SECOND + 300) * SECOND)
        for installation in (ours, THEIRS):
            name = ClientId(installation, NOBODY, 1, 0).text()
            request = PlaceRequest(TICKER, name, Leg.YES, Price(1_000), Count(100), False, True, expires)
            await KalshiVenue(transport, ground.signer, SystemClock()).place(request)
        await transport.close()
        stray, _ = (order.order_id for order in ground.exchange.resting(ME))
        assert (await recovered(ground))["strays"] == [stray]
        assert len(ground.exchange.resting(ME)) == 2, "told, and left"
        assert (await recovered(ground, "--cancel-strays"))["strays"] == [stray]
        (left,) = ground.exchange.resting(ME)
        assert left.client_order_id.split("-")[1] == THEIRS


async def test_with_the_database_gone_cancels_go_out_and_the_journal_gets_everything_when_it_is_back(
    open_folder: Path,
) -> None:
    async with at_work(open_folder / "gone", 40) as ground:
        await until(lambda: bool(ground.exchange.resting(ME)), 30)
        await asyncio.to_thread(ground.kill_database)
        await until(lambda: not ground.exchange.resting(ME), 30)
        spool = ground.folder / "state" / "spool"
        await until(lambda: bool(list(spool.glob("*.jsonl"))), 30)
        await asyncio.to_thread(ground.cluster.start)
        await ended(ground)
        assert not list(spool.glob("*.jsonl"))
        ((reason,),) = ground.rows("SELECT ending FROM execution_state")
        assert "the store is unavailable" in str(reason)
        ground.judge()
