"""Order groups at the paper exchange: a kill-switch on fills (fact sheet, section 5.9)."""

import pytest
from tests.shell.paper_desk import ME, Answer, Desk, Json, desk, error, tape

from depthwalker.core.book import Leg
from depthwalker.core.tape import Take
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import Listing, Options

GROUPS = "/portfolio/order_groups"
EMPTY = Answer(200, b"{}")
TRIGGERED = Answer(400, error("invalid_order", details="order group is triggered"))


async def grouped(me: Desk, limit: int = 2, **more: object) -> str:
    answer = await me.send("POST", GROUPS + "/create", {"contracts_limit": limit, **more})
    assert answer.status == 201, answer
    return str(answer.json()["order_group_id"])


def sells(*seconds: int, count: int = 400) -> Listing:
    """Somebody sells so many hundredths into the best bids, at each of these seconds."""
    return Listing(tape(*((second, Take(Leg.NO, Price(5_300), Count(count))) for second in seconds)))


class TestGroups:
    async def test_it_is_made_shown_and_forgotten(self) -> None:
        async with desk() as me:
            assert await me.send("GET", GROUPS) == EMPTY
            group = await grouped(me, 5)
            state = {"is_auto_cancel_enabled": True, "contracts_limit_fp": "5.00", "exchange_index": 0}
            assert await me.get(GROUPS) == {"order_groups": [{"id": group} | state]}
            order_id = await me.placed(order_group_id=group)
            assert await me.get(f"{GROUPS}/{group}") == state | {"orders": [order_id]}
            assert (await me.get(f"/portfolio/orders/{order_id}"))["order"]["order_group_id"] == group
            assert await me.send("DELETE", f"{GROUPS}/{group}") == EMPTY
            assert me.exchange.resting(ME) == ()
            assert await me.send("GET", f"{GROUPS}/{group}") == Answer(404, error("not_found"))

    async def test_fills_above_the_limit_cancel_what_rests_and_refuse_what_comes(self) -> None:
        async with desk(sells(1)) as me:
            group = await grouped(me)
            filled, other = (
                await me.placed(price="0.48", count="3", order_group_id=group),
                await me.placed(price="0.40"),
            )
            rests = await me.placed(price="0.41", order_group_id=group)
            await me.clock.move(1)
            assert [record.order_id for record in me.exchange.resting(ME)] == [other]
            assert (await me.get(f"/portfolio/orders/{rests}"))["order"]["status"] == "canceled"
            assert (await me.get(f"/portfolio/orders/{filled}"))["order"]["fill_count_fp"] == "3.00"
            assert await me.create(order_group_id=group) == TRIGGERED
            assert await me.send("PUT", f"{GROUPS}/{group}/reset") == EMPTY
            assert (await me.create(order_group_id=group)).status == 201

    async def test_fills_up_to_the_limit_do_not(self) -> None:
        async with desk(sells(1, count=200)) as me:
            group = await grouped(me, 2)
            await me.placed(price="0.48", count="3", order_group_id=group)
            await me.clock.move(1)
            assert me.exchange.resting(ME)[0].filled == 200

    async def test_only_the_last_fifteen_seconds_count(self) -> None:
        for last, triggers in ((15, True), (16, False)):
            async with desk(sells(1, last, count=200)) as me:
                group = await grouped(me, 3)
                await me.placed(price="0.48", count="5", order_group_id=group)
                await me.clock.move(last)
                assert (me.exchange.resting(ME) == ()) == triggers

    async def test_a_taker_that_goes_beyond_the_limit_overshoots_and_rests_no_more(self) -> None:
        async with desk() as me:
            group = await grouped(me)
            answer = await me.create(price="0.52", count="5", order_group_id=group)
            assert (answer.json()["fill_count"], answer.json()["remaining_count"]) == ("3.00", "0.00")
            assert await me.create(order_group_id=group) == TRIGGERED

    async def test_it_is_triggered_by_hand_and_by_a_limit_below_what_counts(self) -> None:
        async with desk() as me:
            for change in ("trigger", "limit"):
                group = await grouped(me, 5)
                await me.placed(price="0.52", count="1.5", order_group_id=group)
                await me.placed(price="0.30", order_group_id=group)
                body = {"contracts_limit": 1} if change == "limit" else {}
                assert await me.send("PUT", f"{GROUPS}/{group}/{change}", body) == EMPTY
                assert me.exchange.resting(ME) == ()
                assert await me.create(order_group_id=group) == TRIGGERED

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, "missing_parameters"),
            ({"contracts_limit": 0}, "invalid_parameters"),
            ({"contracts_limit": 1_000_001}, "invalid_parameters"),
            ({"contracts_limit_fp": "many"}, "invalid_parameters"),
            ({"contracts_limit": "5"}, "bad_request"),
        ],
    )
    async def test_it_refuses_other_limits(self, body: Json, code: str) -> None:
        async with desk() as me:
            told = (await me.send("POST", GROUPS + "/create", body)).json()
            assert told.get("error", told)["code"] == code

    async def test_it_lives_on_one_shard(self) -> None:
        async with desk(Listing(tape(), shard=1)) as me:
            group, astray = await grouped(me, 5, exchange_index=1), await grouped(me, 5)
            assert (await me.create(order_group_id=astray)).status == 404
            assert (await me.create(order_group_id=group)).status == 201
            assert (await me.send("PUT", f"{GROUPS}/{group}/trigger")).status == 404
            assert await me.send("PUT", f"{GROUPS}/{group}/trigger?exchange_index=1") == EMPTY

    async def test_it_is_nobody_elses(self) -> None:
        async with desk() as me:
            group = await grouped(me)
            assert (await me.other().send("DELETE", f"{GROUPS}/{group}")).status == 404
            assert (await me.other().create(order_group_id=group)).status == 404
            assert await me.other().send("GET", GROUPS) == EMPTY

    async def test_a_read_of_one_lags_and_the_list_does_not(self) -> None:
        async with desk(options=Options(read_lag=Micros(SECOND))) as me:
            group = await grouped(me)
            assert (await me.send("GET", f"{GROUPS}/{group}")).status == 404
            assert len((await me.get(GROUPS))["order_groups"]) == 1
            await me.clock.move(1)
            assert (await me.send("GET", f"{GROUPS}/{group}")).status == 200
