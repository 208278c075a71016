"""Faults planned over HTTP or in process, on real sockets: what a client would see of a bad day (`control`, `faults`)."""

import asyncio

import aiohttp
import pytest
from tests.shell.paper_desk import ME, ORDERS, ROOT, TICKER, Answer, Desk, Json, desk, error

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.paper import Cut, Duplicated, Side

DONE = Answer(200, b"{}")


async def plan(me: Desk, **fault: object) -> None:
    assert await me.control("POST", "/faults", {"kind": "create"} | fault) == DONE


class TestFaults:
    async def test_an_answer_lost_leaves_the_order_live(self) -> None:
        async with desk() as me:
            await plan(me, fault="answer_lost", nth=2)
            await me.placed(client_order_id="one")
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await me.create(client_order_id="two")
            assert len(me.exchange.resting(ME)) == 2
            assert (await me.create(client_order_id="two")).status == 409

    async def test_a_request_lost_leaves_nothing(self) -> None:
        async with desk() as me:
            await plan(me, fault="request_lost")
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await me.create(client_order_id="one")
            assert me.exchange.orders(ME) == ()
            assert (await me.create(client_order_id="one")).status == 201

    async def test_a_connection_can_close_in_the_middle_of_the_answer(self) -> None:
        async with desk() as me:
            me.exchange.faults.add("create", Cut())
            with pytest.raises(aiohttp.ClientPayloadError):
                await me.create()
            assert len(me.exchange.resting(ME)) == 1

    @pytest.mark.parametrize(("last", "status"), [(True, 409), (False, 201)])
    async def test_a_request_can_take_effect_twice(self, last: bool, status: int) -> None:
        async with desk() as me:
            await plan(me, fault="duplicate", last=last)
            assert (await me.create(client_order_id="one")).status == status
            assert len(me.exchange.resting(ME)) == 1
            assert (me.exchange.requests["create"], me.exchange.answers["create", 409]) == (1, 1)

    async def test_without_a_client_order_id_there_are_then_two_orders(self) -> None:
        async with desk() as me:
            me.exchange.faults.add("create", Duplicated())
            await me.placed()
            assert len(me.exchange.resting(ME)) == 2

    @pytest.mark.parametrize("applied", [False, True])
    async def test_a_gateway_can_answer_instead(self, applied: bool) -> None:
        async with desk() as me:
            await plan(me, fault="answer", status=502, body="<html>Bad Gateway</html>", applied=applied)
            assert await me.create() == Answer(502, b"<html>Bad Gateway</html>")
            assert len(me.exchange.resting(ME)) == applied
            await plan(me, fault="answer")
            assert await me.create() == Answer(503, b"")

    @pytest.mark.parametrize("applied", [False, True])
    async def test_an_answer_can_be_late(self, applied: bool) -> None:
        async with desk() as me:
            await plan(me, fault="delay", ms=3_000, applied=applied)
            pending = asyncio.create_task(me.create())
            while not me.exchange.requests["create"]:  # noqa: ASYNC110 - the server is in this very loop
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert (len(me.exchange.resting(ME)), pending.done()) == (applied, False)
            await me.clock.move(3)
            assert (await pending).status == 201

    async def test_the_clock_can_be_off_when_signatures_are_judged(self) -> None:
        async with desk() as me:
            assert await me.control("POST", "/clock", {"skew_ms": 11_000}) == DONE
            assert await me.create() == Answer(401, error("header_timestamp_expired"))
            ahead = me.signer.sign("GET", ROOT + "/portfolio/orders", Micros(me.clock.now() + 11 * SECOND))
            assert (await me.send("GET", "/portfolio/orders", headers=ahead)).status == 200

    @pytest.mark.parametrize(("side", "applied"), [("requests", 0), ("answers", 1)])
    async def test_one_account_can_be_cut_off_from_one_side(self, side: str, applied: int) -> None:
        async with desk() as me:
            assert await me.control("POST", "/partition", {"side": side, "key_id": "key-1"}) == DONE
            for _ in range(2):
                with pytest.raises(aiohttp.ServerDisconnectedError):
                    await me.create(client_order_id="one")
            assert len(me.exchange.resting(ME)) == applied
            assert (await me.other().create(price="0.10")).status == 201
            assert await me.control("DELETE", "/faults") == DONE
            assert (await me.create(client_order_id="one")).status == (409 if applied else 201)

    async def test_everybody_can_be_cut_off(self) -> None:
        async with desk() as me:
            me.exchange.faults.partition(Side.REQUESTS)
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await me.other().get("/exchange/status")


class TestControl:
    async def test_it_tells_what_it_can_do_and_what_is_planned(self) -> None:
        async with desk() as me:
            assert "POST /control/faults" in (await me.control("GET", "")).json()
            await plan(me, fault="delay", ms=5, nth=2)
            told = (await me.control("GET", "/faults")).json()
            assert told["planned"] == {"create": [None, {"fault": "Delayed", "by": 5_000, "applied": False}]}
            assert {"create", "cancel_batch", "group_trigger"} <= set(told["kinds"])

    async def test_it_stands_beside_the_contract(self) -> None:
        async with desk() as me:
            assert me.exchange.control_url == me.exchange.url.replace(ROOT, "/control")
            assert (await me.send("GET", "/control/faults")).status == 404

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/faults", {}, 400),
            ("/faults", {"kind": "nothing", "fault": "delay"}, 400),
            ("/faults", {"kind": "create", "fault": "flood"}, 400),
            ("/faults", {"kind": "create", "fault": "delay", "nth": 0}, 400),
            ("/faults", {"kind": "create", "fault": "delay", "ms": "soon"}, 400),
            ("/partition", {"side": "inside"}, 400),
            ("/pause", {"what": "everything"}, 400),
            ("/markets/NONE/close", {}, 404),
            (f"/markets/{TICKER}/explode", {}, 404),
            (f"/markets/{TICKER}/determine", {"result": "maybe"}, 400),
            (f"/markets/{TICKER}/determine", {"result": "scalar"}, 400),
            (f"/markets/{TICKER}/determine", {"result": "scalar", "value": "1.5"}, 400),
            (f"/markets/{TICKER}/regrid", {"structure": "rough"}, 400),
            (f"/markets/{TICKER}/settle", {}, 409),
            ("/fees", {"series_ticker": "NONE"}, 404),
            ("/fees", {"series_ticker": "PAPER"}, 400),
            ("/fees", {"series_ticker": "PAPER", "fee_type": "flat", "fee_multiplier": "-1"}, 400),
        ],
    )
    async def test_it_refuses_what_it_cannot_do(self, path: str, body: Json, status: int) -> None:
        async with desk() as me:
            answer = await me.control("POST", path, body)
            assert (answer.status, "error" in answer.json() or "code" in answer.json()) == (status, True)
            assert (await me.create()).status == 201

    async def test_a_body_that_is_not_json_is_refused(self) -> None:
        async with (
            desk() as me,
            me.session.post(me.exchange.control_url + "/faults", data=b"{") as response,
        ):
            assert response.status == 400


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
async def test_a_page_in_a_browser_controls_nothing(origin: str) -> None:
    async with desk() as me:
        url = me.exchange.control_url
        async with me.session.post(f"{url}/pause", data=b"{}", headers={"Origin": origin}) as response:
            assert response.status == 404
        assert (await me.create()).status == 201, "nothing is paused"


async def test_no_body_of_any_request_makes_the_exchange_fail() -> None:
    """Every mutation with every kind of JSON in every field: refused or done, never a 5xx."""
    bodies: list[object] = [None, [], {}, 7, "text", {"orders": [None]}, {"orders": [{"order_id": 7}]}, {"orders": {}}]
    fields = (
        "ticker",
        "side",
        "count",
        "price",
        "expiration_time",
        "order_group_id",
        "client_order_id",
        "exchange_index",
    )
    values: tuple[object, ...] = (
        None,
        [],
        {},
        "",
        "x",
        -1,
        1 << 70,
        1.5,
        True,
        "9" * 40,
        "\u0000",
        "NaN",
        "-0.5",
        253_402_300_800,
    )
    good = {"ticker": TICKER, "side": "bid", "count": "1", "price": "0.40"}
    more = {"time_in_force": "good_till_canceled", "self_trade_prevention_type": "maker"}
    bodies += [good | more | {name: value} for name in fields for value in values]
    async with desk() as me:
        order_id = await me.placed()
        paths = (("POST", ORDERS), ("POST", f"{ORDERS}/{order_id}/amend"), ("POST", f"{ORDERS}/{order_id}/decrease"))
        for method, path in (*paths, ("POST", ORDERS + "/batched"), ("DELETE", ORDERS + "/batched")):
            for body in bodies:
                await me.clock.move(1)
                answer = await me.send(method, path, body)
                assert answer.status < 500, (method, path, body, answer)
        for path in ("orders", "fills", "positions", "settlements", "balance", "orders/queue_positions"):
            await me.clock.move(1)
            query = "limit=x&cursor=%F0&status=%00&min_ts=99999999999999999999&subaccount=q&exchange_index=z&depth=-1"
            assert (await me.send("GET", f"/portfolio/{path}?{query}")).status < 500
        assert (await me.get("/portfolio/orders"))["orders"]
