"""The paper exchange over real sockets: every rule of the contract that it keeps (fact sheet, sections 1 to 8)."""

import asyncio
import base64
import gc
import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from tests.shell.paper_desk import (
    CASH,
    ED,
    ME,
    ORDERS,
    OTHER,
    ROOT,
    RSA,
    START,
    TICKER,
    Answer,
    Desk,
    Json,
    desk,
    error,
    order,
    tape,
)

from depthwalker.core.answer import Ack, OrderStatus, Unknown
from depthwalker.core.book import Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.tape import Arrive, Take, Withdraw
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.paper import Answered, Delayed, Listing, Lost, Options, Reply, lifecycle
from depthwalker.shell.ports import PlaceRequest
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import AioHttpTransport

RECORDED = "kalshi/recordings/fortuna_demo_2026-06-11"


class TestAuthentication:
    async def test_accepts_both_kinds_of_key(self) -> None:
        for key in (RSA, ED):
            async with desk(key=key) as me:
                assert (await me.get("/portfolio/balance"))["balance"] == 10_000

    async def test_a_query_is_not_signed(self) -> None:
        async with desk() as me:
            headers = me.signer.sign("GET", ROOT + "/portfolio/orders", START)
            assert (await me.send("GET", "/portfolio/orders?limit=5&ticker=X", headers=headers)).status == 200

    @pytest.mark.parametrize(
        ("header", "value", "code", "details"),
        [
            ("SIGNATURE", "", "signature_is_missing_from_headers", ""),
            ("TIMESTAMP", "", "signature_is_missing_from_headers", ""),
            ("TIMESTAMP", "soon", "header_timestamp_expired", ""),
            ("KEY", "nobody", "authentication_error", "NOT_FOUND"),
            ("SIGNATURE", base64.b64encode(b"no").decode(), "authentication_error", "INCORRECT_API_KEY_SIGNATURE"),
            ("SIGNATURE", "not base64!", "authentication_error", "INCORRECT_API_KEY_SIGNATURE"),
        ],
    )
    async def test_says_what_is_wrong_with_the_headers(self, header: str, value: str, code: str, details: str) -> None:
        async with desk() as me:
            signed = dict(me.signer.sign("GET", ROOT + "/portfolio/balance", START))
            answer = await me.send("GET", "/portfolio/balance", headers=signed | {f"KALSHI-ACCESS-{header}": value})
            message = code if details else ""
            assert answer == Answer(401, error(code, message, **({"details": details} if details else {})))

    @pytest.mark.parametrize(("seconds", "status"), [(-10, 200), (10, 200), (-11, 401), (11, 401)])
    async def test_tolerates_ten_seconds_either_way(self, seconds: int, status: int) -> None:
        async with desk() as me:
            stale = me.signer.sign("GET", ROOT + "/portfolio/balance", Micros(START + seconds * SECOND))
            assert (await me.send("GET", "/portfolio/balance", headers=stale)).status == status

    async def test_market_data_needs_no_signature(self) -> None:
        async with desk() as me:
            for path in ("/exchange/status", "/markets", f"/markets/{TICKER}/orderbook", "/account/endpoint_costs"):
                assert (await me.send("GET", path, headers={})).status == 200
            assert (await me.send("POST", ORDERS, order(), headers={})).status == 401


class TestCreate:
    async def test_a_resting_order_is_acknowledged_and_shown(self) -> None:
        async with desk() as me:
            answer = await me.create(client_order_id="dw-1", price="0.46")
            order_id = answer.json()["order_id"]
            assert (answer.status, answer.json()) == (
                201,
                {
                    "order_id": order_id,
                    "client_order_id": "dw-1",
                    "fill_count": "0.00",
                    "remaining_count": "2.00",
                    "ts_ms": START // 1000,
                },
            )
            shown = (await me.get(f"/portfolio/orders/{order_id}"))["order"]
            assert (shown["status"], shown["yes_price_dollars"], shown["no_price_dollars"]) == (
                "resting",
                "0.4600",
                "0.5400",
            )
            assert [r.order_id for r in me.exchange.resting(ME)] == [order_id]
            assert (await me.get(f"/markets/{TICKER}/orderbook"))["orderbook_fp"]["yes_dollars"] == [
                ["0.4500", "10.00"],
                ["0.4600", "2.00"],
                ["0.4700", "3.00"],
            ]

    async def test_an_immediate_order_takes_at_the_makers_price_with_the_recorded_fee(self) -> None:
        async with desk() as me:
            answer = await me.create(count="1", price="0.99", time_in_force="immediate_or_cancel")
            taken = answer.json()
            assert (taken["fill_count"], taken["remaining_count"]) == ("1.00", "0.00")
            assert (taken["average_fill_price"], taken["average_fee_paid"]) == ("0.5200", "0.0175")
            record = (await me.get(f"/portfolio/orders/{taken['order_id']}"))["order"]
            assert (record["status"], record["yes_price_dollars"]) == ("executed", "0.9900")
            assert (record["taker_fill_cost_dollars"], record["taker_fees_dollars"]) == ("0.520000", "0.017500")
            assert me.exchange.cash(ME) == CASH - 520_000 - 17_500

    async def test_what_an_immediate_order_does_not_fill_is_canceled(self) -> None:
        async with desk() as me:
            answer = await me.create(count="5", price="0.52", time_in_force="immediate_or_cancel")
            assert answer.json()["fill_count"] == "3.00"
            record = (await me.get(f"/portfolio/orders/{answer.json()['order_id']}"))["order"]
            assert (record["status"], record["initial_count_fp"], record["remaining_count_fp"]) == (
                "canceled",
                "5.00",
                "0.00",
            )

    async def test_an_ask_acquires_the_other_leg(self) -> None:
        async with desk() as me:
            await me.placed(side="ask", price="0.4700", count="1", time_in_force="immediate_or_cancel")
            (fill,) = me.exchange.fills(ME)
            assert (fill.leg, fill.price, fill.taker) == (Leg.NO, 5_300, True)
            assert me.exchange.position(ME, TICKER) == -100
            shown = (await me.get("/portfolio/fills"))["fills"][0]
            assert (shown["book_side"], shown["outcome_side"], shown["yes_price_dollars"]) == ("ask", "no", "0.4700")

    async def test_a_kill_is_409_and_leaves_a_canceled_record(self) -> None:
        async with desk() as me:
            answer = await me.create(count="50", price="0.52", time_in_force="fill_or_kill", client_order_id="k")
            assert answer == Answer(409, error("fill_or_kill_insufficient_resting_volume"))
            assert [r.status for r in me.exchange.orders(ME)] == [OrderStatus.CANCELED]
            assert (await me.create(client_order_id="k")).status == 409

    async def test_a_post_only_cross_is_400_and_burns_the_id(self) -> None:
        async with desk() as me:
            answer = await me.create(price="0.52", post_only=True, client_order_id="p")
            assert answer == Answer(400, error("invalid_order", details="post only cross"))
            assert (await me.get("/portfolio/orders"))["orders"][0]["status"] == "canceled"
            assert (await me.create(price="0.46", client_order_id="p")).status == 409

    async def test_an_own_resting_order_cancels_the_taker(self) -> None:
        async with desk() as me:
            mine = await me.placed(price="0.48")
            answer = await me.create(side="ask", price="0.48", count="1", time_in_force="immediate_or_cancel")
            assert (answer.status, answer.json()["fill_count"], answer.json()["remaining_count"]) == (
                201,
                "0.00",
                "0.00",
            )
            assert [r.order_id for r in me.exchange.resting(ME)] == [mine]

    async def test_a_client_order_id_is_taken_for_ever(self) -> None:
        async with desk() as me:
            order_id = await me.placed(client_order_id="dw-1")
            again = Answer(409, error("order_already_exists"))
            assert await me.create(client_order_id="dw-1") == again
            await me.send("DELETE", f"{ORDERS}/{order_id}")
            assert await me.create(client_order_id="dw-1", price="0.02") == again

    async def test_what_was_refused_before_matching_burns_nothing(self) -> None:
        async with desk() as me:
            assert (await me.create(client_order_id="a", price="0.4750")).status == 400
            assert (await me.create(client_order_id="a", count="900")).status == 400
            assert (await me.create(client_order_id="a")).status == 201
            assert len(me.exchange.orders(ME)) == 1

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [
            ({"price": "0.4750"}, Answer(400, error("invalid_price"))),
            ({"price": "0"}, Answer(400, error("invalid_price"))),
            ({"price": "1.0000"}, Answer(400, error("invalid_price"))),
            ({"price": "half"}, Answer(400, error("invalid_price"))),
            (
                {"price": "0.47001"},
                Answer(400, error("invalid_order", details="invalid price: invalid dollar precision: -5")),
            ),
            ({"count": "0.00"}, Answer(400, error("invalid_order_size"))),
            ({"count": "0.001"}, Answer(400, error("invalid_order_size"))),
            ({"count": "300.00"}, Answer(400, error("insufficient_balance"))),
            ({"side": "yes"}, Answer(400, error("invalid_parameters", details="side must be bid or ask"))),
            ({"ticker": "NONE-1"}, Answer(404, error("market_not_found"))),
            ({"ticker": None}, Answer(400, error("missing_parameters", details="ticker"))),
            ({"time_in_force": "forever"}, Answer(400, error("invalid_parameters", details="time_in_force"))),
            (
                {"self_trade_prevention_type": "none"},
                Answer(400, error("invalid_parameters", details="self_trade_prevention_type")),
            ),
            (
                {"reduce_only": True},
                Answer(400, error("invalid_order", details="reduce_only can only be used with IoC or FoK orders")),
            ),
            ({"exchange_index": 3}, Answer(404, error("market_not_found"))),
            (
                {"subaccount": 2},
                Answer(400, error("invalid_parameters", details="this exchange has no subaccounts")),
            ),
        ],
    )
    async def test_refuses_in_the_exchanges_words(self, changes: Json, answer: Answer) -> None:
        async with desk() as me:
            assert await me.create(**changes) == answer
            assert me.exchange.orders(ME) == ()

    @pytest.mark.parametrize("client_order_id", ["a.b", "x" * 65, "with space"])
    async def test_refuses_a_client_order_id_out_of_its_alphabet(self, client_order_id: str) -> None:
        async with desk() as me:
            assert (await me.create(client_order_id=client_order_id)).json()["error"]["code"] == "invalid_parameters"

    @pytest.mark.parametrize(("field", "value"), [("count", 1), ("price", 0.47)])
    async def test_refuses_numbers_in_the_flat_shape(self, field: str, value: float) -> None:
        async with desk() as me:
            details = f"json: cannot unmarshal number into Go struct field CreateOrderV2Request.{field} of type string"
            body = {"code": "bad_request", "message": "bad request", "details": details}
            assert await me.create(**{field: value}) == Answer(400, json.dumps(body, separators=(",", ":")).encode())

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"7"])
    async def test_refuses_what_is_not_a_json_object(self, body: bytes) -> None:
        async with desk() as me:
            answer = await me.send("POST", ORDERS, body)
            assert (answer.status, answer.json()["code"]) == (400, "bad_request")

    @pytest.mark.parametrize("field", ["post_only", "expiration_time", "client_order_id"])
    async def test_refuses_wrong_types_of_optional_fields(self, field: str) -> None:
        async with desk() as me:
            assert (await me.create(**{field: {}})).json()["code"] == "bad_request"

    async def test_reduce_only_takes_no_more_than_is_held(self) -> None:
        async with desk() as me:
            await me.placed(count="2", price="0.52", time_in_force="immediate_or_cancel")
            sale = {"side": "ask", "price": "0.45", "reduce_only": True, "time_in_force": "immediate_or_cancel"}
            assert (await me.create(count="3", **sale)).json()["fill_count"] == "2.00"
            nothing = await me.create(count="3", **sale)
            assert (nothing.status, nothing.json()["fill_count"]) == (201, "0.00")
            assert me.exchange.position(ME, TICKER) == 0


class TestExpiry:
    async def test_an_order_is_canceled_when_it_expires_though_nobody_asks(self) -> None:
        async with desk() as me:
            await me.placed(expiration_time=START // SECOND + 5)
            assert (await me.get("/portfolio/orders"))["orders"][0]["expiration_time"] == "2026-06-11T06:29:25.000000Z"
            await me.clock.move(5)
            for _ in range(20):
                await asyncio.sleep(0)
            kept = me.exchange.exchange.ledgers[ME].resting()
            assert kept == ()
            assert [r.status for r in me.exchange.orders(ME)] == [OrderStatus.CANCELED]

    @pytest.mark.parametrize(
        "changes",
        [
            {"time_in_force": "immediate_or_cancel", "expiration_time": START // SECOND + 5},
            {"expiration_time": START // SECOND - 5},
        ],
    )
    async def test_refuses_an_expiry_that_cannot_be(self, changes: Json) -> None:
        async with desk() as me:
            assert (await me.create(**changes)).json()["error"]["code"] == "invalid_parameters"


class TestCancel:
    async def test_gives_back_what_remained(self) -> None:
        async with desk() as me:
            order_id = await me.placed()
            answer = await me.send("DELETE", f"{ORDERS}/{order_id}?market_ticker={TICKER}")
            assert (answer.status, answer.json()) == (
                200,
                {"order_id": order_id, "reduced_by": "2.00", "ts_ms": START // 1000},
            )
            assert me.exchange.resting(ME) == ()

    async def test_canceled_executed_unknown_and_foreign_look_the_same(self) -> None:
        async with desk() as me:
            canceled = await me.placed()
            await me.send("DELETE", f"{ORDERS}/{canceled}")
            executed = await me.placed(count="1", price="0.52", time_in_force="immediate_or_cancel")
            foreign = await replace(me, signer=Signer("key-2", RSA)).placed(price="0.10")
            for order_id in (canceled, executed, foreign, "00000000-0000-0000-0000-000000000000"):
                assert await me.send("DELETE", f"{ORDERS}/{order_id}") == Answer(404, error("not_found"))

    async def test_another_shard_must_be_named(self) -> None:
        async with desk(Listing(tape(), shard=2)) as me:
            order_id = await me.placed()
            assert (await me.send("DELETE", f"{ORDERS}/{order_id}")).status == 404
            assert (await me.send("DELETE", f"{ORDERS}/{order_id}?exchange_index=2")).status == 200


class TestAmend:
    async def amend(self, me: Desk, order_id: str, **changes: object) -> Answer:
        terms = {"ticker": TICKER, "side": "bid", "price": "0.4700", "count": "2.00"} | changes
        return await me.send("POST", f"{ORDERS}/{order_id}/amend", terms)

    async def test_the_count_is_the_total_with_what_is_filled(self) -> None:
        flow = (1, Take(Leg.NO, Price(5_300), Count(400)))
        async with desk(Listing(tape(flow))) as me:
            order_id = await me.placed(count="3", client_order_id="c")
            await me.clock.move(1)
            assert me.exchange.resting(ME)[0].filled == 100
            answer = await self.amend(me, order_id, count="2")
            assert answer.json() == {
                "order_id": order_id,
                "client_order_id": "c",
                "fill_count": "0.00",
                "remaining_count": "1.00",
                "ts_ms": START // 1000 + 1000,
            }
            (record,) = me.exchange.resting(ME)
            assert (record.initial, record.filled, record.remaining) == (200, 100, 100)

    async def test_a_change_of_price_alone_is_answered_sparsely(self) -> None:
        async with desk() as me:
            order_id = await me.placed()
            answer = await self.amend(me, order_id, price="0.48")
            assert answer.json() == {"order_id": order_id, "ts_ms": START // 1000}

    async def test_a_crossing_amend_takes_at_once(self) -> None:
        async with desk() as me:
            order_id = await me.placed(count="4")
            answer = await self.amend(me, order_id, price="0.52", count="4")
            assert (answer.json()["fill_count"], answer.json()["remaining_count"]) == ("3.00", "1.00")
            assert answer.json()["average_fill_price"] == "0.5200"

    async def test_a_decrease_keeps_the_place_and_a_new_price_loses_it(self) -> None:
        flow = (1, Take(Leg.NO, Price(5_300), Count(400)))
        for change, filled in ({"count": "1"}, 100), ({"price": "0.46"}, 0):
            async with desk(Listing(tape(flow))) as me:
                order_id = await me.placed()
                await self.amend(me, order_id, **change)
                await me.clock.move(1)
                assert me.exchange.orders(ME)[0].filled == filled

    async def test_a_total_that_is_filled_already_ends_the_order(self) -> None:
        flow = (1, Take(Leg.NO, Price(5_300), Count(400)))
        async with desk(Listing(tape(flow))) as me:
            order_id = await me.placed(count="3")
            await me.clock.move(1)
            assert (await self.amend(me, order_id, count="1")).json()["remaining_count"] == "0.00"
            assert me.exchange.resting(ME) == ()

    async def test_renames_once(self) -> None:
        async with desk() as me:
            order_id = await me.placed(client_order_id="one")
            renamed = await self.amend(me, order_id, price="0.46", client_order_id="one", updated_client_order_id="two")
            assert renamed.json()["client_order_id"] == "two"
            late = await self.amend(me, order_id, price="0.45", client_order_id="one", updated_client_order_id="three")
            assert late == Answer(400, error("order_id_and_client_order_id_mismatch"))
            assert (await self.amend(me, order_id, updated_client_order_id="one")).status == 409
            assert (await me.create(client_order_id="two")).status == 409

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [
            ({"ticker": "OTHER-1"}, Answer(400, error("order_ticker_mismatch"))),
            ({"side": "ask"}, Answer(400, error("order_side_mismatch"))),
            ({"price": "0.4750"}, Answer(400, error("invalid_price"))),
            ({"count": "900"}, Answer(400, error("insufficient_balance"))),
            ({"count": "0"}, Answer(400, error("invalid_order_size"))),
            (
                {"expiration_time": 1},
                Answer(400, error("invalid_parameters", details="expiration_time must be in the future")),
            ),
        ],
    )
    async def test_refuses_in_the_exchanges_words(self, changes: Json, answer: Answer) -> None:
        async with desk() as me:
            order_id = await me.placed()
            assert await self.amend(me, order_id, **changes) == answer
            assert me.exchange.resting(ME)[0].remaining == 200

    async def test_an_expiry_can_be_set_kept_and_cleared(self) -> None:
        async with desk() as me:
            order_id = await me.placed(expiration_time=START // SECOND + 5)
            await self.amend(me, order_id, expiration_time=0)
            await me.clock.move(6)
            assert len(me.exchange.resting(ME)) == 1

    async def test_an_order_that_is_gone_is_not_found(self) -> None:
        async with desk() as me:
            assert await self.amend(me, "nothing") == Answer(404, error("not_found"))


class TestMoney:
    async def test_resting_orders_reserve_what_they_would_cost(self) -> None:
        async with desk(cash=Money(MILLION)) as me:
            await me.placed(count="2", price="0.47")
            assert (await me.create(count="1", price="0.10")).json()["error"]["code"] == "insufficient_balance"
            assert (await me.create(count="1", price="0.04")).status == 201

    async def test_a_sale_of_what_is_held_costs_nothing_and_beyond_it_the_other_leg(self) -> None:
        async with desk(cash=Money(1_200_000)) as me:
            await me.placed(count="2", price="0.52", time_in_force="immediate_or_cancel")
            assert (await me.create(side="ask", count="4", price="0.60")).json()["error"][
                "code"
            ] == "insufficient_balance"
            assert (await me.create(side="ask", count="2", price="0.60")).status == 201

    async def test_the_last_cent_can_be_spent_and_all_of_it_sold_again(self) -> None:
        async with desk(cash=Money(1_075_000)) as me:  # 2 x 0.52 + 0.034944, up to 0.0001
            await me.placed(count="2", price="0.52", time_in_force="immediate_or_cancel")
            assert me.exchange.cash(ME) == 0
            assert (await me.create(count="0.01", price="0.01")).json()["error"]["code"] == "insufficient_balance"
            await me.placed(side="ask", count="2", price="0.47", time_in_force="immediate_or_cancel")
            assert me.exchange.position(ME, TICKER) == 0

    async def test_both_legs_of_a_market_net(self) -> None:
        async with desk() as me:
            await me.placed(count="2", price="0.52", time_in_force="immediate_or_cancel")
            await me.placed(side="ask", count="3", price="0.47", time_in_force="immediate_or_cancel")
            fees = sum(fill.fee for fill in me.exchange.fills(ME))
            assert me.exchange.cash(ME) == CASH - 2 * 520_000 + 2 * 470_000 - 530_000 - fees
            (held,) = (await me.get("/portfolio/positions"))["market_positions"]
            assert (held["position_fp"], held["market_exposure_dollars"], held["realized_pnl_dollars"]) == (
                "-1.00",
                "0.530000",
                "-0.100000",
            )

    async def test_fees_follow_the_series(self) -> None:
        listing = Listing(
            tape((1, Take(Leg.NO, Price(5_300), Count(500)))),
            fee_type="quadratic_with_maker_fees",
            fee_multiplier=500_000,
        )
        async with desk(listing) as me:
            series = (await me.get("/series/PAPER"))["series"]
            assert (series["fee_type"], series["fee_multiplier"]) == ("quadratic_with_maker_fees", 0.5)
            await me.placed(count="2")
            await me.clock.move(1)
            (fill,) = me.exchange.fills(ME)
            assert (fill.taker, fill.fee) == (False, 4_400)  # 0.0175 x 0.5 x 2 x 0.47 x 0.53, up to 0.0001


class TestFlow:
    async def test_the_tape_plays_into_the_book_and_prints_trades(self) -> None:
        flow = (
            (1, Arrive(Leg.YES, Price(4_800), Count(700))),
            (2, Take(Leg.YES, Price(5_200), Count(100))),
            (3, Withdraw(Leg.YES, Price(4_800), Count(200))),
        )
        async with desk(Listing(tape(*flow))) as me:
            await me.clock.move(3)
            shown = (await me.get(f"/markets/{TICKER}/orderbook?depth=1"))["orderbook_fp"]
            assert shown == {"yes_dollars": [["0.4800", "5.00"]], "no_dollars": [["0.4800", "2.00"]]}
            (trade,) = (await me.get(f"/markets/trades?ticker={TICKER}"))["trades"]
            assert (trade["yes_price_dollars"], trade["count_fp"], trade["taker_outcome_side"]) == (
                "0.5200",
                "1.00",
                "yes",
            )
            assert trade["created_time"] == "2026-06-11T06:29:22.000000Z"

    async def test_an_order_waits_behind_what_was_there_first(self) -> None:
        flow = tuple((second, Take(Leg.NO, Price(5_300), Count(200))) for second in (1, 2))
        async with desk(Listing(tape(*flow))) as me:
            await me.placed(count="2", price="0.47")
            await me.clock.move(1)
            assert me.exchange.fills(ME) == ()
            await me.clock.move(1)
            (fill,) = me.exchange.fills(ME)
            assert (fill.count, fill.taker, fill.fee) == (100, False, 0)
            assert me.exchange.resting(ME)[0].remaining == 100

    async def test_two_accounts_trade_with_each_other(self) -> None:
        async with desk() as me:
            await me.placed(price="0.50", count="1")
            await replace(me, signer=Signer("key-2", RSA)).placed(
                side="ask", price="0.50", count="1", time_in_force="immediate_or_cancel"
            )
            (mine,), (theirs,) = me.exchange.fills(ME), me.exchange.fills(OTHER)
            assert (mine.trade_id, mine.taker, theirs.taker) == (theirs.trade_id, False, True)
            assert (me.exchange.position(ME, TICKER), me.exchange.position(OTHER, TICKER)) == (100, -100)


class TestReads:
    async def test_orders_come_newest_first_in_pages(self) -> None:
        async with desk() as me:
            ids = [await me.placed(count="0.01", client_order_id=f"c{number}") for number in range(5)]
            page = await me.get("/portfolio/orders?limit=2")
            seen = [row["order_id"] for row in page["orders"]]
            while page["cursor"]:
                page = await me.get(f"/portfolio/orders?limit=2&cursor={page['cursor']}")
                seen += [row["order_id"] for row in page["orders"]]
            assert seen == ids[::-1]
            assert len((await me.get("/portfolio/orders?cursor=garbage"))["orders"]) == 5

    async def test_orders_are_filtered(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            first = await me.placed()
            await me.clock.move(2)
            second = await me.placed(ticker="PAPER-27-B")
            await me.send("DELETE", f"{ORDERS}/{first}")
            wanted = {
                f"ticker={TICKER}": [first],
                "status=resting": [second],
                "status=canceled": [first],
                "status=whatever": [],
                f"min_ts={START // SECOND + 1}": [second],
                f"max_ts={START // SECOND + 1}": [first],
                "event_ticker=PAPER-26,PAPER-28": [first],
            }
            for query, ids in wanted.items():
                assert [row["order_id"] for row in (await me.get(f"/portfolio/orders?{query}"))["orders"]] == ids, query

    async def test_fills_are_filtered_and_paged(self) -> None:
        async with desk() as me:
            first, second = [
                await me.placed(count="1", price="0.52", time_in_force="immediate_or_cancel") for _ in range(2)
            ]
            assert [f["order_id"] for f in (await me.get("/portfolio/fills"))["fills"]] == [second, first]
            assert len((await me.get(f"/portfolio/fills?order_id={first}"))["fills"]) == 1
            page = await me.get("/portfolio/fills?limit=1")
            rest = await me.get(f"/portfolio/fills?limit=1&cursor={page['cursor']}")
            assert (rest["fills"][0]["order_id"], rest["cursor"]) == (first, "")

    async def test_a_market_shows_its_grid_its_quotes_and_its_life(self) -> None:
        grid = dict(STRUCTURES)["tapered_deci_cent"]
        async with desk(Listing(replace(tape(), grid=grid), closes_after=Micros(30 * SECOND))) as me:
            market = (await me.get(f"/markets/{TICKER}"))["market"]
            assert market["price_ranges"] == [
                {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
                {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
                {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
            ]
            assert (market["status"], market["price_level_structure"]) == ("active", "tapered_deci_cent")
            assert (market["yes_bid_dollars"], market["yes_ask_dollars"], market["yes_ask_size_fp"]) == (
                "0.4700",
                "0.5200",
                "3.00",
            )
            assert (await me.create(price="0.091")).status == 201
            event = await me.get(f"/events/{market['event_ticker']}")
            assert (event["event"]["series_ticker"], event["markets"][0]["ticker"]) == ("PAPER", TICKER)

    async def test_a_grid_can_change_while_orders_rest(self) -> None:
        async with desk() as me:
            await me.placed()
            me.exchange.exchange.floors[TICKER].regrid(dict(STRUCTURES)["deci_cent"])
            assert (await me.create(price="0.471")).status == 201
            assert (await me.get(f"/markets/{TICKER}"))["market"]["price_ranges"][0]["step"] == "0.0010"
            assert len(me.exchange.resting(ME)) == 2

    async def test_a_closed_market_refuses_everything_and_has_no_book(self) -> None:
        async with desk(Listing(tape(), closes_after=Micros(30 * SECOND))) as me:
            order_id = await me.placed()
            await me.clock.move(30)
            assert (await me.get(f"/markets/{TICKER}"))["market"]["status"] == "closed"
            assert me.exchange.orders(ME)[0].status is OrderStatus.CANCELED
            inactive = Answer(400, error("MARKET_INACTIVE", "market inactive"))
            assert await me.create() == inactive
            assert await me.send("DELETE", f"{ORDERS}/{order_id}") == inactive
            empty: Json = {"yes_dollars": [], "no_dollars": []}
            assert (await me.get(f"/markets/{TICKER}/orderbook"))["orderbook_fp"] == empty

    async def test_a_trading_pause_allows_cancels_only(self) -> None:
        async with desk() as me:
            stays, goes = await me.placed(), await me.placed(cancel_order_on_pause=True)
            lifecycle.pause(me.exchange.exchange)
            assert (await me.get("/exchange/status")) == {"exchange_active": True, "trading_active": False}
            assert [r.order_id for r in me.exchange.resting(ME)] == [stays]
            assert await me.create() == Answer(409, error("trading_is_paused"))
            assert (await me.send("DELETE", f"{ORDERS}/{goes}")).status == 404
            assert (await me.send("DELETE", f"{ORDERS}/{stays}")).status == 200
            me.exchange.exchange.exchange_active = False
            assert await me.create() == Answer(409, error("exchange_is_paused"))

    async def test_private_reads_may_lag_while_the_list_does_not(self) -> None:
        async with desk(options=Options(read_lag=Micros(2 * SECOND))) as me:
            order_id = await me.placed()
            assert (await me.send("GET", f"/portfolio/orders/{order_id}")).status == 404
            await me.clock.move(2)
            await me.send("DELETE", f"{ORDERS}/{order_id}")
            assert (await me.get(f"/portfolio/orders/{order_id}"))["order"]["status"] == "resting"
            assert (await me.get("/portfolio/orders"))["orders"][0]["status"] == "canceled"
            await me.clock.move(2)
            assert (await me.get(f"/portfolio/orders/{order_id}"))["order"]["status"] == "canceled"

    @pytest.mark.parametrize(
        "path", ["/markets/NONE-1", "/markets/NONE-1/orderbook", "/events/NONE", "/series/NONE", "/no"]
    )
    async def test_what_is_not_there_is_404(self, path: str) -> None:
        async with desk() as me:
            assert await me.send("GET", path) == Answer(404, error("not_found"))

    async def test_too_large_a_page_is_refused_in_the_bare_shape(self) -> None:
        async with desk() as me:
            answer = await me.send("GET", "/markets?limit=1001")
            key = "Key: 'GetMarketsParams.Limit' Error:Field validation for 'Limit' failed on the 'lte' tag"
            assert (answer.status, answer.json()) == (
                400,
                {"msg": f"Parameter validation failed for GetMarkets: {key}"},
            )

    async def test_markets_are_filtered(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            for query, found in (("status=open", 2), ("status=closed", 0), (f"tickers={TICKER},X", 1), ("limit=1", 1)):
                assert len((await me.get(f"/markets?{query}"))["markets"]) == found, query

    async def test_the_dead_interface_is_gone(self) -> None:
        async with desk() as me:
            assert (await me.send("POST", "/portfolio/orders", {})).status == 410

    async def test_limits_and_costs_are_stated(self) -> None:
        async with desk(options=Options(write_rate=300)) as me:
            assert (await me.get("/account/limits"))["write"] == {"refill_rate": 300, "bucket_capacity": 300}
            assert (await me.get("/account/endpoint_costs"))["default_cost"] == 10


class TestFaults:
    async def test_an_answer_can_be_lost_after_the_order_was_taken(self) -> None:
        async with desk() as me:
            me.exchange.faults.add("create", Lost(applied=True), nth=2)
            await me.placed(client_order_id="one")
            with pytest.raises(aiohttp.ClientError):
                await me.create(client_order_id="two")
            assert len(me.exchange.resting(ME)) == 2
            assert (await me.create(client_order_id="two")).status == 409
            assert me.exchange.requests["create"] == 3

    async def test_a_request_can_be_lost_on_its_way(self) -> None:
        async with desk() as me:
            me.exchange.faults.add("create", Lost(applied=False))
            with pytest.raises(aiohttp.ClientError):
                await me.create(client_order_id="one")
            assert (await me.create(client_order_id="one")).status == 201

    @pytest.mark.parametrize("applied", [False, True])
    async def test_another_answer_can_be_given(self, applied: bool) -> None:
        page = Reply(502, b"<html>Bad Gateway</html>", "text/html")
        async with desk() as me:
            me.exchange.faults.add("create", Answered(page, applied))
            assert await me.create() == Answer(502, page.body)
            assert len(me.exchange.resting(ME)) == applied

    @pytest.mark.parametrize("applied", [False, True])
    async def test_a_request_can_be_slow(self, applied: bool) -> None:
        async with desk() as me:
            me.exchange.faults.add("create", Delayed(Micros(3 * SECOND), applied))
            pending = asyncio.create_task(me.create())
            while not me.exchange.requests["create"] or (  # noqa: ASYNC110 - the server is in this very loop
                applied and not me.exchange.resting(ME)
            ):
                await asyncio.sleep(0.001)
            assert len(me.exchange.resting(ME)) == applied
            await asyncio.sleep(0.005)
            assert not pending.done()
            await me.clock.move(3)
            assert (await pending).status == 201


class TestServer:
    async def test_leaves_nothing_behind(self) -> None:
        before = asyncio.all_tasks()
        async with desk() as me:
            url = me.exchange.url
            await me.placed()
        await me.exchange.stop()
        assert asyncio.all_tasks() == before
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(url + "/exchange/status")
        gc.collect()

    async def test_the_engines_own_client_can_trade_here(self) -> None:
        async with desk() as me:
            transport = AioHttpTransport(me.exchange.url)
            venue = KalshiVenue(transport, me.signer, me.clock)
            try:
                match await venue.market(TICKER):
                    case Success(market):
                        assert (market.grid, market.shard) == (CENT_GRID, 0)
                        assert isinstance(await venue.fee_rates(market), Success)
                    case Failure(trouble):
                        pytest.fail(str(trouble))
                expires = Micros(START + 60 * SECOND)
                wanted = PlaceRequest(TICKER, "dw-1", Leg.NO, Price(4_900), Count(150), False, True, expires)
                match await venue.place(wanted):
                    case Success(Ack(order_id, filled, remaining)):
                        assert (filled, remaining) == (0, 150)
                    case other:
                        pytest.fail(str(other))
                assert await venue.order(order_id) == Success(me.exchange.resting(ME)[0])
                assert await venue.orders(TICKER, START) == Success(me.exchange.orders(ME))
                assert await venue.book(TICKER) == Success(replace(me.exchange.book(TICKER), at=START))
                assert await venue.position(TICKER) == Success(Count(0))
                assert await venue.balance() == Success(CASH)
                me.exchange.faults.add("cancel", Lost(applied=True))
                lost = await venue.cancel(TICKER, order_id)
                assert isinstance(lost, Failure)
                assert isinstance(lost.failure(), Unknown)
                assert me.exchange.requests["cancel"] == 1
            finally:
                await transport.close()


class TestRecordedShapes:
    """The same keys, and the same words of error, as were recorded on the wire."""

    def recorded(self, shared: Path, name: str) -> Json:
        read: Json = json.loads((shared / RECORDED / f"{name}.json").read_bytes())
        if isinstance(read.get("error"), dict):
            read["error"].pop("service", None)  # removed from the wire on 2026-08-06
        return read

    async def test_errors_are_word_for_word(self, shared: Path) -> None:
        async with desk() as me:
            order_id = await me.placed(client_order_id="a")
            seen = {
                "orders__duplicate_client_order_id": await me.create(client_order_id="a"),
                "orders__insufficient_balance": await me.create(count="10099.00", price="0.9900"),
                "orders__invalid_price_structure": await me.create(price="0.5150", post_only=True),
                "orders__numeric_field_types": await me.create(count=1, price=0.01),
                "orders__post_only_cross": await me.create(price="0.9900", post_only=True),
                "orders__cancel_unknown_id": await me.send("DELETE", f"{ORDERS}/none"),
                "markets__limit_over_max": await me.send("GET", "/markets?limit=1001"),
                "exchange__status": await me.send("GET", "/exchange/status"),
                "account__limits": await me.send("GET", "/account/limits"),
            }
            assert {name: answer.json() for name, answer in seen.items()} == {
                name: self.recorded(shared, name) for name in seen
            }
            assert order_id

    async def test_objects_have_the_recorded_keys(self, shared: Path) -> None:
        async with desk() as me:
            rested = await me.create(client_order_id="a")
            taken = await me.create(client_order_id="b", count="1", price="0.99", time_in_force="immediate_or_cancel")
            shown = await me.get(f"/portfolio/orders/{taken.json()['order_id']}")
            assert rested.json().keys() == self.recorded(shared, "orders__create_v2_maker").keys()
            assert taken.json().keys() == self.recorded(shared, "orders__create_v2_taker_ioc").keys()
            assert (
                shown["order"].keys() - {"exchange_index"}
                == self.recorded(shared, "orders__get_after_create")["order"].keys()
            )
            fills = await me.get("/portfolio/fills")
            assert (
                fills["fills"][0].keys() - {"exchange_index"}
                == self.recorded(shared, "fills__after_taker")["fills"][0].keys()
            )
            assert (await me.get("/portfolio/balance")).keys() == self.recorded(shared, "auth__balance_ok").keys()
            held, recorded = await me.get("/portfolio/positions"), self.recorded(shared, "portfolio__positions")
            for name in ("market_positions", "event_positions"):
                keys, gone = recorded[name][0].keys(), {"resting_orders_count"}  # removed on 2026-07-09
                assert held[name][0].keys() - {"exchange_index"} == keys - gone
            traded = await me.get(f"/markets/trades?ticker={TICKER}")
            assert traded["trades"][0].keys() == self.recorded(shared, "trades__public_recorded")["trades"][0].keys()
            book = await me.get(f"/markets/{TICKER}/orderbook")
            assert book["orderbook_fp"].keys() == self.recorded(shared, "orderbook__base")["orderbook_fp"].keys()
            cancelled = await me.send("DELETE", f"{ORDERS}/{rested.json()['order_id']}")
            assert cancelled.json().keys() - {"client_order_id"} == self.recorded(shared, "orders__cancel_v2").keys()
