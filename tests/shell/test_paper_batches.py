"""Batches, decreases, cancel-all, queue places and shards at the paper exchange (fact sheet, sections 5.4 to 5.8)."""

import asyncio
import json

import pytest
from tests.shell.paper_desk import CASH, ED, ME, ORDERS, START, TICKER, Answer, Desk, Json, desk, error, order, tape

from depthwalker.core.book import Leg
from depthwalker.core.tape import Take
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import Account, Listing, Options

BATCH = ORDERS + "/batched"
TAKE = {"count": "1", "price": "0.52", "time_in_force": "immediate_or_cancel"}


def flat(details: str) -> Answer:
    body = {"code": "bad_request", "message": "bad request", "details": details}
    return Answer(400, json.dumps(body, separators=(",", ":")).encode())


class TestBatchedCreate:
    async def test_each_item_has_its_own_outcome_in_the_order_of_the_request(self) -> None:
        async with desk() as me:
            rows = [order(client_order_id="a"), order(client_order_id="a"), order(price="0.4750"), order(**TAKE)]
            answer = await me.send("POST", BATCH, {"orders": rows})
            first, twice, off_grid, taken = answer.json()["orders"]
            assert answer.status == 201
            assert (first["client_order_id"], first["remaining_count"]) == ("a", "2.00")
            exists = {"code": "order_already_exists", "message": "order already exists", "details": ""}
            assert twice == {"client_order_id": "a", "error": exists}
            assert off_grid == {"error": {"code": "invalid_price", "message": "invalid price", "details": ""}}
            assert (taken["fill_count"], taken["average_fill_price"]) == ("1.00", "0.5200")

    async def test_it_is_201_though_every_item_is_refused(self) -> None:
        async with desk() as me:
            answer = await me.send("POST", BATCH, {"orders": [order(price="0"), order(ticker="NONE")]})
            assert answer.status == 201
            assert [row["error"]["code"] for row in answer.json()["orders"]] == ["invalid_price", "market_not_found"]

    async def test_a_wrong_type_in_one_item_refuses_the_whole(self) -> None:
        async with desk() as me:
            details = (
                "json: cannot unmarshal number into Go struct field CreateOrderV2Request.orders.count of type string"
            )
            assert await me.send("POST", BATCH, {"orders": [order(), order(count=1)]}) == flat(details)
            assert me.exchange.orders(ME) == ()

    @pytest.mark.parametrize(
        ("body", "answer"),
        [
            ({}, Answer(400, error("missing_parameters", details="orders"))),
            ({"orders": []}, Answer(400, error("missing_parameters", details="orders"))),
            (
                {"orders": [7]},
                flat("json: cannot unmarshal number into Go value of type BatchCreateOrdersV2Request.orders"),
            ),
        ],
    )
    async def test_a_batch_of_nothing_is_refused(self, body: Json, answer: Answer) -> None:
        async with desk() as me:
            assert await me.send("POST", BATCH, body) == answer

    async def test_no_more_fits_than_the_write_bucket_holds(self) -> None:
        async with desk() as me:
            rows = [order(price="0.01", count="1") for _ in range(11)]
            too_many = Answer(429, b'{"error":"too many requests"}')
            assert await me.send("POST", BATCH, {"orders": rows}) == too_many
            assert me.exchange.orders(ME) == ()
            assert (await me.send("POST", BATCH, {"orders": rows[1:]})).status == 201
            assert await me.create() == too_many


class TestBatchedCancel:
    async def test_each_item_has_its_own_outcome(self) -> None:
        async with desk() as me:
            first = await me.placed(client_order_id="a")
            rows = [{"order_id": first, "market_ticker": TICKER}, {"order_id": "none"}]
            answer = await me.send("DELETE", BATCH, {"orders": rows})
            done, unknown = answer.json()["orders"]
            assert (answer.status, done["reduced_by"], done["client_order_id"]) == (200, "2.00", "a")
            missing = {"code": "not_found", "message": "not found", "details": ""}
            assert unknown == {"order_id": "none", "reduced_by": "0.00", "error": missing}
            assert me.exchange.resting(ME) == ()

    async def test_fifty_fit_a_basic_bucket(self) -> None:
        async with desk() as me:
            for count, status in ((51, 429), (50, 200)):
                rows = [{"order_id": str(number)} for number in range(count)]
                assert (await me.send("DELETE", BATCH, {"orders": rows})).status == status


class TestCancelAll:
    async def test_it_is_accepted_at_once_and_done_soon(self) -> None:
        async with desk() as me:
            await me.placed()
            await me.placed(price="0.40")
            assert await me.send("DELETE", ORDERS) == Answer(204, b"")
            assert me.exchange.resting(ME) == ()

    async def test_what_is_placed_before_it_is_done_goes_too(self) -> None:
        async with desk(options=Options(cancel_all_lag=Micros(5 * SECOND))) as me:
            await me.send("DELETE", ORDERS)
            await me.placed()
            await me.clock.move(4)
            assert len(me.exchange.resting(ME)) == 1
            await me.clock.move(1)
            while me.exchange.exchange.ledgers[ME].resting():  # noqa: ASYNC110 - the server is in this very loop
                await asyncio.sleep(0)
            await me.placed()
            assert len(me.exchange.resting(ME)) == 1

    async def test_other_accounts_keep_theirs(self) -> None:
        async with desk() as me:
            await me.other().placed(price="0.10")
            await me.send("DELETE", ORDERS)
            assert len(me.exchange.resting("other")) == 1


class TestDecrease:
    async def decrease(self, me: Desk, order_id: str, **terms: object) -> Answer:
        return await me.send("POST", f"{ORDERS}/{order_id}/decrease", terms)

    @pytest.mark.parametrize(
        ("terms", "remaining"),
        [
            ({"reduce_by": "0.5"}, "1.50"),
            ({"reduce_to": "0.25"}, "0.25"),
            ({"reduce_to": "9"}, "2.00"),
            ({"reduce_by": "9"}, "0.00"),
            ({"reduce_to": "0"}, "0.00"),
        ],
    )
    async def test_it_lowers_what_remains(self, terms: Json, remaining: str) -> None:
        async with desk() as me:
            order_id = await me.placed(client_order_id="c")
            answer = await self.decrease(me, order_id, **terms)
            told = {"order_id": order_id, "client_order_id": "c", "remaining_count": remaining, "ts_ms": START // 1000}
            assert (answer.status, answer.json()) == (200, told)
            assert bool(me.exchange.resting(ME)) == (remaining != "0.00")

    async def test_it_keeps_the_place(self) -> None:
        async with desk(Listing(tape((1, Take(Leg.NO, Price(5_300), Count(400)))))) as me:
            order_id = await me.placed()
            await me.other().placed()
            await self.decrease(me, order_id, reduce_by="1")
            await me.clock.move(1)
            assert me.exchange.orders(ME)[0].filled == 100

    @pytest.mark.parametrize("terms", [{}, {"reduce_by": "1", "reduce_to": "1"}])
    async def test_it_takes_exactly_one_term(self, terms: Json) -> None:
        async with desk() as me:
            refused = error("invalid_parameters", details="exactly one of reduce_by and reduce_to")
            assert await self.decrease(me, await me.placed(), **terms) == Answer(400, refused)

    async def test_numbers_and_nothing_are_refused(self) -> None:
        async with desk() as me:
            order_id = await me.placed()
            assert (await self.decrease(me, order_id, reduce_by=1)).json()["code"] == "bad_request"
            assert (await self.decrease(me, order_id, reduce_by="0")).json()["error"]["code"] == "invalid_order_size"
            assert await self.decrease(me, "none", reduce_by="1") == Answer(404, error("not_found"))


class TestQueuePositions:
    async def test_the_place_counts_what_stands_before(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            behind, best = await me.placed(), await me.placed(price="0.48")
            there = await me.placed(ticker="PAPER-27-B", price="0.45")
            assert await me.get(f"/portfolio/orders/{behind}/queue_position") == {"queue_position_fp": "3.00"}
            assert await me.get(f"/portfolio/orders/{best}/queue_position") == {"queue_position_fp": "0.00"}
            rows = (await me.get("/portfolio/orders/queue_positions"))["queue_positions"]
            assert [row["order_id"] for row in rows] == [behind, best, there]
            for query in ("market_tickers=PAPER-27-B,X", "event_ticker=PAPER-27"):
                (row,) = (await me.get(f"/portfolio/orders/queue_positions?{query}"))["queue_positions"]
                assert row == {"order_id": there, "market_ticker": "PAPER-27-B", "queue_position_fp": "10.00"}

    async def test_an_order_that_does_not_rest_has_none(self) -> None:
        async with desk() as me:
            taken = await me.placed(**TAKE)
            for order_id in (taken, "none"):
                answer = await me.send("GET", f"/portfolio/orders/{order_id}/queue_position")
                assert answer == Answer(404, error("not_found"))


class TestShards:
    async def test_whatever_changes_an_order_must_name_its_shard_or_market(self) -> None:
        async with desk(Listing(tape(), shard=2)) as me:
            first, second = await me.placed(), await me.placed(price="0.40")
            path = f"{ORDERS}/{first}/decrease"
            assert (await me.send("POST", path, {"reduce_by": "1"})).status == 404
            assert (await me.send("POST", path, {"reduce_by": "0.5", "market_ticker": TICKER})).status == 200
            assert (await me.send("POST", path, {"reduce_by": "0.5", "exchange_index": 2})).status == 200
            rows = [{"order_id": first}, {"order_id": second, "exchange_index": 2}]
            done = (await me.send("DELETE", BATCH, {"orders": rows})).json()["orders"]
            assert [row["reduced_by"] for row in done] == ["0.00", "2.00"]
            assert (await me.get("/portfolio/orders"))["orders"][0]["exchange_index"] == 2
            assert (await me.get("/portfolio/orders?exchange_index=0"))["orders"] == []

    async def test_the_status_tells_of_each_shard_where_there_are_several(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"), shard=1)) as me:
            await me.control("POST", "/pause", {"shard": 1})
            rows = (await me.get("/exchange/status"))["exchange_index_statuses"]
            assert [(row["exchange_index"], row["trading_active"]) for row in rows] == [(0, True), (1, False)]
            assert (await me.create()).status == 201
            assert await me.create(ticker="PAPER-27-B") == Answer(409, error("trading_is_paused"))

    async def test_a_shard_without_cash_does_not_know_the_user(self) -> None:
        elsewhere = Account(ME, "key-1", ED.public_key(), CASH, shards=frozenset({1}))
        async with desk(account=elsewhere) as me:
            assert await me.create() == Answer(404, error("user_not_found"))
