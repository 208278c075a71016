"""What goes wrong between the engine, the exchange and the store: nothing is bought twice, nothing rests, nobody is misled.

Every end is checked against the exchange's own books, and what was filled and resting after every single request against
the parent's count (invariant 1).
"""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shell.rig import (
    ACCEPTED_500,
    LOST,
    NEVER_CAME,
    PAGE,
    TICKER,
    TOO_MANY,
    AnEdge,
    Hurried,
    Moment,
    Rig,
    abandon,
    as_store,
    quiet,
    rests,
    rigged,
    sellers,
    simple,
    until,
    walker,
)

from depthwalker.core.command import Command
from depthwalker.core.decide import decide
from depthwalker.core.execution import State
from depthwalker.core.fact import Burned, Duplicated, OutcomeUnknown
from depthwalker.core.ids import parse_client_id
from depthwalker.core.ledger import Ending, Phase
from depthwalker.core.policy import Policy
from depthwalker.core.tape import Tape
from depthwalker.core.units import SECOND, Micros
from depthwalker.core.view import View
from depthwalker.shell import runner as loop
from depthwalker.shell.api import Trade, Unresolved
from depthwalker.shell.engine import Engine
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.paper import Answered, Delayed, Options, Reply
from depthwalker.shell.paper.faults import Fault
from depthwalker.shell.ports import HttpRequest, HttpResponse
from depthwalker.shell.ports import Lost as LostAnswer
from depthwalker.shell.spool import Spool
from depthwalker.shell.store import PostgresStore

SLOW = Delayed(Micros(SECOND // 3), applied=True)
LATE = Delayed(Micros(SECOND // 3))
UNREADABLE = Answered(Reply(201, b'{"order_id": 7}'), applied=True)

Plan = tuple[tuple[str, Fault, int], ...]


def _plan(kind: str, *faults: Fault) -> Plan:
    return tuple((kind, fault, nth) for nth, fault in enumerate(faults, 1))


CREATES: dict[str, Plan] = {
    "answer lost": _plan("create", LOST),
    "answer lost twice": _plan("create", LOST, LOST),
    "answer lost, then the claim's": _plan("create", NEVER_CAME, LOST),
    "request lost": _plan("create", NEVER_CAME),
    "request lost thrice": _plan("create", NEVER_CAME, NEVER_CAME, NEVER_CAME),
    "500 after it was accepted": _plan("create", ACCEPTED_500),
    "a gateway's page": _plan("create", PAGE),
    "429": _plan("create", TOO_MANY, TOO_MANY),
    "slow": _plan("create", SLOW),
    "late": _plan("create", LATE),
    "unreadable answer": _plan("create", UNREADABLE),
    "answer lost and the list fails": _plan("create", LOST) + _plan("orders", PAGE, NEVER_CAME),
    "the list fails for a while": _plan("orders", PAGE, NEVER_CAME) + _plan("fills", PAGE),
}
AMENDS: dict[str, Plan] = {
    "answer lost": _plan("amend", LOST),
    "answer lost twice": _plan("amend", LOST, LOST),
    "request lost": _plan("amend", NEVER_CAME),
    "500 after it was done": _plan("amend", ACCEPTED_500),
    "a gateway's page": _plan("amend", PAGE, PAGE),
    "429": _plan("amend", TOO_MANY),
    "slow": _plan("amend", SLOW, SLOW),
    "late": _plan("amend", LATE),
    "answer lost and the list fails": _plan("amend", LOST) + _plan("orders", PAGE, NEVER_CAME),
}
CANCELS: dict[str, Plan] = {
    "answer lost": _plan("cancel", LOST),
    "request lost": _plan("cancel", NEVER_CAME, NEVER_CAME),
    "500 after it was done": _plan("cancel", ACCEPTED_500),
    "a gateway's page": _plan("cancel", PAGE),
    "429": _plan("cancel", TOO_MANY, TOO_MANY),
    "slow": _plan("cancel", SLOW),
    "not found though it rests": _plan("cancel", Answered(Reply(404, b'{"error":{"code":"not_found"}}'))),
    "the list fails": _plan("orders", PAGE, PAGE, NEVER_CAME),
}


# Others sell for longer than any machine takes.
SOLD = quiet(*sellers(4_500, 20, *(at / 4 for at in range(4, 1_200))))


def _outbid(rig: Rig) -> Callable[[State, object], None]:
    """Have others bid more than an order of ours, once it is known to rest: the walker amends it."""
    resting = False

    def look(state: State, _: object) -> None:
        nonlocal resting
        if not resting and rests(state):
            resting = True
            rig.bid(4_600, 2_000)

    return look


async def _each(
    dsn: str,
    folder: Path,
    plans: dict[str, Plan],
    run: Callable[[Engine, int], Awaitable[Trade]],
    *,
    tape: Tape = SOLD,
    options: Options | None = None,
    watcher: Callable[[Rig], Callable[[State, object], None] | None] = lambda _: None,
) -> dict[str, tuple[Trade, State]]:
    """Run each plan on an exchange of its own, all at once, and check its end; `run` gets a number for its edge."""

    async def one(number: int, name: str, plan: Plan, store: PostgresStore) -> tuple[str, tuple[Trade, State]]:
        async with rigged(dsn, folder, tape, options=options) as rig:
            for kind, fault, nth in plan:
                rig.exchange.faults.add(kind, fault, nth)
            async with rig.engine({"max_concurrent": 50}, store=store, on_turn=watcher(rig)) as engine:
                trade = await run(engine, number)
            assert sum(map(len, rig.exchange.faults.planned().values())) < len(plan), f"{name}: it was not met"
            try:
                return name, (trade, await rig.settled(trade))
            except AssertionError as wrong:
                raise AssertionError(f"{name}: {wrong}; {trade.result}") from wrong

    async with PostgresStore(dsn) as store:
        ends = (one(number, name, plan, store) for number, (name, plan) in enumerate(plans.items(), 1))
        return dict(await asyncio.gather(*ends))


async def _each_outbid(
    dsn: str, folder: Path, plans: dict[str, Plan], options: Options | None = None
) -> dict[str, tuple[Trade, State]]:
    """Run a walker by each plan, in a market where nobody sells and others outbid it."""
    return await _each(
        dsn,
        folder,
        plans,
        lambda engine, number: engine.execute_trade(AnEdge(number, "0.44", 60), walker(120, split_ratios=[1.0])),
        tape=quiet(),
        options=options,
        watcher=_outbid,
    )


async def test_whatever_becomes_of_a_create_one_order_is_placed(postgres: str, tmp_path: Path) -> None:
    ends = await _each(
        postgres,
        tmp_path,
        CREATES,
        lambda engine, number: engine.execute_trade(AnEdge(number, "0.45", 60), simple(120)),
    )
    for name, (trade, state) in ends.items():
        assert trade.quantity == 60, (name, trade)
        assert len([order for order in state.orders if order.ending is Ending.EXECUTED]) == 1, name


async def test_whatever_becomes_of_a_taking_order_it_takes_once(postgres: str, tmp_path: Path) -> None:
    ends = await _each(
        postgres,
        tmp_path,
        CREATES,
        lambda engine, number: engine.execute_trade(AnEdge(number, "0.47", 60), simple(120)),
    )
    for name, (trade, _) in ends.items():
        assert trade.quantity == 60, (name, trade)


async def test_whatever_becomes_of_an_amend_the_walk_goes_on_within_the_parent(postgres: str, tmp_path: Path) -> None:
    for name, (trade, _) in (await _each_outbid(postgres, tmp_path, AMENDS)).items():
        assert trade.quantity == 60, (name, trade)


async def test_whatever_becomes_of_a_cancel_nothing_rests(postgres: str, tmp_path: Path) -> None:
    ends = await _each(
        postgres,
        tmp_path,
        CANCELS,
        lambda engine, number: engine.execute_trade(AnEdge(number, "0.43", 60), simple(12)),
    )
    for name, (trade, _) in ends.items():
        assert (trade.quantity, trade.result.status) == (Decimal(0), "failed"), (name, trade)


def _by_hand(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Have every list show something of the same account that is not as documented."""
    kind = request.path.rpartition("/")[2]
    if request.method != "GET" or kind not in {"orders", "fills"}:
        return answer
    found = json.loads(answer.body)
    odd = {"order_id": "by hand", "client_order_id": "", "status": "pending_review", "created_time": None}
    return HttpResponse(answer.status, answer.headers, json.dumps({**found, kind: [odd, *found[kind]]}).encode())


async def test_an_odd_order_put_in_by_hand_keeps_no_execution_from_its_end(postgres: str, tmp_path: Path) -> None:
    """The lists are the whole account's: an order of unknown outcome is still found, and what it filled is itemised."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        rig.wires[0].told = _by_hand
        rig.exchange.faults.add("create", LOST)
        trade = await engine.execute_trade(AnEdge(1, "0.47"), simple())
        await rig.settled(trade)
        assert trade.quantity == 60


async def test_reads_that_lag_behind_the_writes_change_nothing(postgres: str, tmp_path: Path) -> None:
    plans = {name: CREATES[name] for name in ("answer lost", "request lost")}
    ends = await _each_outbid(postgres, tmp_path, plans, Options(read_lag=Micros(SECOND // 2)))
    assert {trade.quantity for trade, _ in ends.values()} == {60}


async def test_an_order_of_unknown_outcome_that_is_not_wanted_any_more_is_burned(postgres: str, tmp_path: Path) -> None:
    """The first create never arrives; a stop comes before it can be claimed; its id is spent by a burn."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        (wire,) = rig.wires

        async def stop_then_lose(request: HttpRequest) -> None:
            if request.method == "POST":
                wire.before = None
                engine.stop("enough")
                raise LostAnswer("cut")

        wire.before = stop_then_lose
        trade = await engine.execute_trade(AnEdge(1, "0.43", 60), simple(5))
        state = await rig.settled(trade)
        assert (trade.result.status, trade.quantity) == ("cancelled", Decimal(0))
        (order,) = state.orders
        assert order.ending is Ending.BURNED
        facts = await rig.journal(trade.execution_id)
        assert any(isinstance(fact, Burned) for fact in facts)
        (spent,) = rig.own()
        assert (spent.filled, spent.remaining, spent.initial) == (0, 0, 1)


async def test_a_burn_that_finds_the_original_there_waits_for_its_record(postgres: str, tmp_path: Path) -> None:
    """The create is accepted, its answer is lost, a stop comes: the burn is refused as a duplicate, and it is cancelled."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        (wire,) = rig.wires

        async def lose_then_stop(request: HttpRequest) -> None:
            if request.method == "POST":
                wire.after = None
                engine.stop("enough")
                raise LostAnswer("cut")

        wire.after = lose_then_stop
        trade = await engine.execute_trade(AnEdge(1, "0.43", 60), simple(5))
        await rig.settled(trade)
        facts = await rig.journal(trade.execution_id)
        assert any(isinstance(fact, Duplicated) for fact in facts)
        (record,) = rig.own()
        assert (record.initial, record.filled, trade.result.status) == (6000, 0, "cancelled")


# The end cannot be confirmed


async def test_an_end_that_cannot_be_confirmed_is_told_with_its_bounds_and_resolved_later(
    postgres: str, tmp_path: Path
) -> None:
    placed = Moment()
    tape = quiet(*sellers(4_500, 1, *(at / 4 for at in range(400))))
    async with (
        rigged(postgres, tmp_path, tape, clock=Hurried(8)) as rig,
        rig.engine(on_turn=placed.when(rests)) as engine,
    ):
        (wire,) = rig.wires
        edge, method = AnEdge(1, "0.45", 60), simple(4)

        async def silent(request: HttpRequest) -> None:
            if "portfolio" in request.path:
                raise LostAnswer("silence")

        call = asyncio.create_task(engine.execute_trade(edge, method))
        await placed.come()
        wire.before = silent
        with pytest.raises(Unresolved) as unresolved:
            await call
        await until(lambda: not rig.exchange.resting("me"))
        held = Decimal(rig.exchange.position("me", TICKER)) / 100
        assert unresolved.value.filled_at_least < held < 60 == unresolved.value.filled_at_most
        wire.before = None
        trade = await engine.execute_trade(edge, method)
        assert trade.execution_id == unresolved.value.execution_id
        assert trade.quantity == held, "its expiration ended it, and the fills of the silence were found"
        await rig.settled(trade)


async def test_more_orders_a_day_than_can_be_read_keep_no_execution_from_its_end(postgres: str, tmp_path: Path) -> None:
    """A market maker's account has tens of thousands in one market."""

    def told(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        asked = dict(request.query)
        if not request.path.endswith("/portfolio/orders") or int(asked.get("min_ts", "0")) > began - 2 * 3_600:
            return answer
        return replace(answer, body=json.dumps({**json.loads(answer.body), "cursor": "there are more"}).encode())

    async with rigged(postgres, tmp_path) as rig:
        began = rig.clock.now() // SECOND
        async with rig.engine() as engine:
            rig.wires[0].told = told
            trade = await engine.execute_trade(AnEdge(1, "0.45", 60), simple(5))
        await rig.settled(trade)


async def test_an_exchange_that_never_answers_is_no_reason_to_hang(postgres: str, tmp_path: Path) -> None:
    clock = Hurried(10)
    async with rigged(postgres, tmp_path, clock=clock) as rig, rig.engine() as engine:
        await engine.watch([TICKER])
        await rig.exchange.stop()
        trade = await engine.execute_trade(AnEdge(1, "0.43", 60), simple(3))
        assert (trade.result.status, trade.quantity) == ("failed", Decimal(0))
        state = await rig.fold(trade.execution_id)
        assert all(order.phase is Phase.CLOSED for order in state.orders)


# The store


async def test_a_store_that_goes_away_winds_down_and_the_journal_gets_everything_when_it_is_back(
    postgres: str, tmp_path: Path
) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        async with rig.engine(store=as_store(store), on_turn=placed.when(_rests_alone)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            store.down = True
            sent = rig.exchange.requests.copy()
            await until(lambda: not rig.exchange.resting("me"))
            assert rig.exchange.requests["create"] == sent["create"]
            assert rig.exchange.requests["amend"] == sent["amend"]
            await until(lambda: bool(list((tmp_path / "spool").glob("*.jsonl"))))
            assert not call.done()
            store.down = False
            trade = await call
            assert "the store is unavailable" in trade.result.reason
            assert not list((tmp_path / "spool").glob("*.jsonl"))
        await rig.settled(trade)


def _rests_alone(state: State) -> bool:
    """Whether orders rest, and none is on its way: its intent would be in the journal, and it may be sent."""
    return rests(state) and all(order.request is None for order in state.orders)


async def test_what_a_dying_process_spooled_is_journalled_by_the_next_one(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    edge, method = AnEdge(1, "0.45", 60), walker(5)
    spool = tmp_path / "spool"
    async with rigged(postgres, tmp_path) as rig:
        async with (
            rig.shaky() as store,
            rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine,
        ):
            call = asyncio.create_task(engine.execute_trade(edge, method))
            await placed.come()
            store.down = True
            await until(lambda: not rig.exchange.resting("me") and bool(list(spool.glob("*.jsonl"))))
            await abandon(engine)
            with pytest.raises(Unresolved):
                await call
        (spooled,) = Spool(spool).kept()
        assert len(await rig.journal(1)) == spooled.seat.next_seq - 1
        async with rig.engine() as later:
            assert not list(spool.glob("*.jsonl"))
            assert (await rig.journal(1))[spooled.seat.next_seq - 1 :] == spooled.facts
            await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
            trade = await later.execute_trade(edge, method)
        await rig.settled(trade)


async def test_a_commit_whose_answer_is_lost_leaves_no_entry_twice(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        lost = iter((False, True, False, True, True))
        store.fail = lambda name: "after" if name == "append" and next(lost, False) else ""
        async with rig.engine(store=as_store(store)) as engine:
            trade = await engine.execute_trade(AnEdge(1, "0.45", 60), walker(3))
        await rig.settled(trade)
        ((most, count),) = await rig.rows("SELECT max(seq), count(*) FROM execution_journal")
        assert most == count


# Whether an execution has begun is unknown


@pytest.mark.parametrize("action", ["buy", "sell"])
async def test_a_begin_whose_answer_is_lost_is_asked_for_again_by_the_same_call(
    postgres: str, tmp_path: Path, action: str
) -> None:
    """The caller would else be told that nothing has begun, and whoever finds the execution would execute it all the same."""
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        held = await engine.execute_trade(AnEdge(1, "0.47", 60), simple())
        assert held.quantity == 60
        lost = iter((True, True))
        asked = "begin" if action == "buy" else "admission"
        store.fail = lambda name: "after" if name == asked and next(lost, False) else ""
        trade = await engine.execute_trade(
            AnEdge(2, "0.47" if action == "buy" else "0.44", 60, action=action), simple()
        )
        await rig.settled(trade, alone=False)
        assert trade.quantity == 60
        assert next(lost, None) is None
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(2,)]


async def test_a_begin_whose_answer_never_comes_is_told_as_an_execution_that_may_have_begun(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        store.fail = lambda name: "after" if name == "begin" else ""
        with pytest.raises(Unresolved) as unresolved:
            await engine.execute_trade(AnEdge(1, "0.47", 60), simple(1))
        assert unresolved.value.execution_id is None
        assert unresolved.value.filled_at_most == 60
        store.fail = lambda _: ""
        trade = await engine.execute_trade(AnEdge(1, "0.47", 60), simple(1))
        await rig.settled(trade)
        assert trade.quantity == 0, "its time was over before anything was sent"
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(1,)]


async def test_a_call_cancelled_while_it_may_have_begun_leaves_nothing_for_others_to_buy(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        store.fail = lambda name: "after" if name == "begin" else ""
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple(60)))
        await until(lambda: store.calls["begin"] > 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        store.fail = lambda _: ""
        await rig.shows("SELECT 1 FROM execution_state WHERE status = 'cancelled'")
        assert rig.exchange.requests["create"] == 0


async def test_an_engine_that_closes_while_one_may_have_begun_says_so(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        async with rig.engine(store=as_store(store)) as engine:
            store.fail = lambda name: "after" if name == "begin" else ""
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple(60)))
            await until(lambda: store.calls["begin"] > 0)
        with pytest.raises(Unresolved, match="may have begun"):
            await call


async def test_an_engine_that_closes_before_an_end_is_confirmed_tells_the_call_its_bounds(
    postgres: str, tmp_path: Path
) -> None:
    """A CancelledError would tell nothing, and whoever called in a task of a group would not even hear it."""

    async def silent(request: HttpRequest) -> None:
        if "portfolio" in request.path:
            raise LostAnswer("silence")

    placed = Moment()
    async with rigged(postgres, tmp_path, clock=Hurried(8)) as rig:
        async with rig.engine(on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), simple(60)))
            await placed.come()
            rig.wires[0].before = silent
        with pytest.raises(Unresolved) as unresolved:
            await call
        assert (unresolved.value.filled_at_least, unresolved.value.filled_at_most) == (Decimal(0), Decimal(60))
        assert len(rig.exchange.resting("me")) == 1


@pytest.mark.usefixtures("impatient")
async def test_cancels_do_not_wait_for_a_store_that_hangs(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        async with rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            store.hang = asyncio.Event()
            await until(lambda: not rig.exchange.resting("me"), 6)
            assert not call.done()
            store.hang.set()
            trade = await call
        await rig.settled(trade)


@pytest.mark.usefixtures("impatient")
async def test_nor_do_they_wait_for_a_disk_that_hangs_with_it(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, thawed = Moment(), threading.Event()
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        async with rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            store.hang = asyncio.Event()
            monkeypatch.setattr(os, "fsync", lambda _: thawed.wait(8))  # of the spool's file
            await until(lambda: not rig.exchange.resting("me"), 6)
            thawed.set()
            store.hang.set()
            trade = await call
            assert not Spool(tmp_path / "spool").kept()
        await rig.settled(trade)


async def test_a_disk_that_hangs_takes_no_thread_in_which_hosts_names_are_looked_up(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those are asyncio's own, and few: without them no cancel gets a new connection."""
    placed, hung, thawed = Moment(), threading.Event(), threading.Event()

    def hang(_: int) -> None:
        hung.set()
        thawed.wait(8)

    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        async with rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            monkeypatch.setattr(os, "fsync", hang)
            store.down = True
            await until(hung.is_set)
            try:
                await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 443), 2)
            finally:
                thawed.set()
                store.down = False
            trade = await call
        await rig.settled(trade)


async def test_no_intent_reaches_the_exchange_before_it_is_durable(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, quiet(*sellers(4_500, 9, 0.5))) as rig, rig.engine() as engine:
        (wire,) = rig.wires
        checked: list[str] = []

        async def durable(request: HttpRequest) -> None:
            if request.method != "POST" or request.body is None:
                return
            body = json.loads(request.body)
            amends = "updated_client_order_id" in body
            identity = parse_client_id(body["updated_client_order_id" if amends else "client_order_id"])
            assert identity is not None
            found = await rig.rows(
                "SELECT 1 FROM execution_journal j JOIN execution_state e USING (execution_id) "
                "WHERE e.uuid = %s AND j.kind = %s AND (j.body -> 'key' ->> 'split')::int = %s "
                "AND coalesce(j.body ->> 'revision', j.body -> 'key' ->> 'birth')::int = %s",
                identity.execution,
                "AmendIntended" if amends else "PlaceIntended",
                identity.split,
                identity.revision,
            )
            assert found, body
            checked.append("amend" if amends else "create")

        wire.before = durable
        trade = await engine.execute_trade(AnEdge(1, "0.45", 60), walker(12))
        await rig.settled(trade)
        assert {"amend", "create"} <= set(checked)
        facts = await rig.journal(trade.execution_id)
        assert not any(isinstance(fact, OutcomeUnknown) for fact in facts), "no request was stopped by the check"


# Our own bugs


async def test_a_bug_in_an_algorithm_winds_down_and_is_named(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
        await placed.come()
        monkeypatch.setattr(loop, "decide", _decide_but_quotes_nothing)
        trade = await call
        assert "internal error: ZeroDivisionError" in trade.result.reason
        await rig.settled(trade)


async def test_a_bug_in_the_decider_itself_cancels_what_rests_and_raises_its_bounds(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = Moment()
    edge, method = AnEdge(1, "0.45", 60), walker(4)
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        call = asyncio.create_task(engine.execute_trade(edge, method))
        await placed.come()
        with monkeypatch.context() as broken:
            broken.setattr(loop, "decide", _raise)
            with pytest.raises(Unresolved) as unresolved:
                await call
        assert isinstance(unresolved.value.__cause__, ZeroDivisionError)
        assert not rig.exchange.resting("me")
        trade = await engine.execute_trade(edge, method)
        await rig.settled(trade)


@pytest.mark.parametrize("what", ["the store", "the rate budget"])
@pytest.mark.usefixtures("impatient")
async def test_nor_do_a_bugs_cancels_wait_for(
    what: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, never, entered = Moment(), asyncio.Event(), 0
    acquire = Limiter.acquire

    async def second_entry_waits(limiter: Limiter, purpose: Purpose) -> None:
        nonlocal entered
        entered += purpose is Purpose.ENTRY
        if entered == 2 and purpose is Purpose.ENTRY:
            await never.wait()
        await acquire(limiter, purpose)

    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        if what == "the rate budget":
            monkeypatch.setattr(Limiter, "acquire", second_entry_waits)
        async with rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            if what == "the store":
                store.hang = never
            monkeypatch.setattr(loop, "decide", _raise)
            await until(lambda: not rig.exchange.resting("me"), 6)
            never.set()
            with pytest.raises(Unresolved):
                await call


def _decide_but_quotes_nothing(state: State, view: View, policy: Policy) -> tuple[Command, ...]:
    if not state.winding and rests(state):
        raise ZeroDivisionError
    return decide(state, view, policy)


def _raise(*_: object) -> None:
    raise ZeroDivisionError


async def test_whoever_watches_may_raise(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=_raise) as engine:
        await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 5), simple()))


async def test_a_loop_that_cancels_everything_still_sees_what_rests_cancelled(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig:
        async with rig.engine(on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), simple(20)))
            await placed.come()
            (task,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("execution "))
            task.cancel()
            trade = await call
            assert trade.result.reason.endswith("cancelled")
        await rig.settled(trade)
