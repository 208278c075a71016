"""Pauses and a market's life at the paper exchange, from its opening to its settlement (fact sheet, sections 3, 8 and 9)."""

import pytest
from tests.shell.paper_desk import CASH, ME, ORDERS, START, TICKER, Answer, Desk, Json, desk, error, tape

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Leg
from depthwalker.core.fees import Precision
from depthwalker.core.tape import Arrive, Take
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import Listing, Options, lifecycle
from depthwalker.shell.paper.lifecycle import Pause
from depthwalker.shell.paper.reply import time_text

INACTIVE = Answer(400, error("MARKET_INACTIVE", "market inactive"))
TAKE = {"price": "0.52", "time_in_force": "immediate_or_cancel"}
DAY = 86_400 * SECOND
SELLER = (1, Take(Leg.NO, Price(5_300), Count(400)))


async def market(me: Desk) -> Json:
    shown: Json = (await me.get(f"/markets/{TICKER}"))["market"]
    return shown


async def verb(me: Desk, name: str, **body: object) -> Answer:
    return await me.control("POST", f"/markets/{TICKER}/{name}", body)


class TestPauses:
    @pytest.mark.parametrize("what", list(Pause))
    async def test_whoever_asked_for_it_is_cancelled_and_the_others_stay(self, what: Pause) -> None:
        async with desk() as me:
            stays, goes = await me.placed(), await me.placed(cancel_order_on_pause=True)
            assert (await me.get(f"/portfolio/orders/{goes}"))["order"]["cancel_order_on_pause"] is True
            await me.control("POST", "/pause", {"what": what.value})
            assert [record.order_id for record in me.exchange.resting(ME)] == [stays]
            assert await me.create() == Answer(409, error(f"{what.value}_is_paused"))
            cancelled = await me.send("DELETE", f"{ORDERS}/{stays}")
            assert cancelled.status == (200 if what is Pause.TRADING else 409)
            await me.control("POST", "/resume", {"what": what.value})
            assert (await me.create()).status == 201

    async def test_nobody_trades_meanwhile_and_the_crowd_is_back_where_its_tape_has_it(self) -> None:
        flow = (SELLER, (2, Arrive(Leg.YES, Price(4_900), Count(500))))
        async with desk(Listing(tape(*flow))) as me:
            await me.placed()
            lifecycle.pause(me.exchange.exchange)
            await me.clock.move(3)
            assert me.exchange.fills(ME) == ()
            assert me.exchange.book(TICKER).yes[0] == (4_700, 500)
            lifecycle.resume(me.exchange.exchange)
            assert [price for price, _ in me.exchange.book(TICKER).yes] == [4_900, 4_700, 4_500]

    async def test_one_market_can_be_paused_and_loses_its_orders_when_it_is_back(self) -> None:
        async with desk() as me:
            first, second = await me.placed(), await me.placed(price="0.40")
            await verb(me, "deactivate")
            assert (await market(me))["status"] == "inactive"
            assert len((await me.get("/markets?status=paused"))["markets"]) == 1
            assert await me.create() == INACTIVE
            assert (await me.send("DELETE", f"{ORDERS}/{first}")).status == 200
            await verb(me, "activate")
            assert (await me.get(f"/portfolio/orders/{second}"))["order"]["status"] == "canceled"
            assert (await market(me))["yes_bid_dollars"] == "0.4700"
            assert (await me.create()).status == 201


class TestOpeningAndClosing:
    async def test_a_market_opens_by_the_clock_with_its_book(self) -> None:
        async with desk(Listing(tape(SELLER), opens_after=Micros(5 * SECOND))) as me:
            assert (await market(me))["status"] == "initialized"
            assert len((await me.get("/markets?status=unopened"))["markets"]) == 1
            assert await me.create() == INACTIVE
            assert me.exchange.book(TICKER).yes == ()
            await me.clock.move(5)
            assert ((await market(me))["status"], me.exchange.book(TICKER).yes[0]) == ("active", (4_700, 300))
            await me.placed()
            await me.clock.move(1)
            assert me.exchange.fills(ME)[0].at == START + 6 * SECOND

    async def test_a_market_that_opened_before_has_traded_since(self) -> None:
        flow = ((1, Arrive(Leg.YES, Price(4_900), Count(500))), (3, Arrive(Leg.YES, Price(4_800), Count(200))))
        async with desk(Listing(tape(*flow), opens_after=Micros(-2 * SECOND))) as me:
            shown = await market(me)
            assert (shown["status"], shown["open_time"]) == ("active", time_text(Micros(START - 2 * SECOND)))
            assert [price for price, _ in me.exchange.book(TICKER).yes] == [4_900, 4_700, 4_500]
            await me.clock.move(1)
            assert [price for price, _ in me.exchange.book(TICKER).yes] == [4_900, 4_800, 4_700, 4_500]

    async def test_a_close_can_come_earlier_and_a_closed_market_open_again(self) -> None:
        async with desk() as me:
            order_id = await me.placed()
            await verb(me, "close")
            assert (await market(me))["status"] == "closed"
            assert me.exchange.orders(ME)[0].status is OrderStatus.CANCELED
            assert await me.send("DELETE", f"{ORDERS}/{order_id}") == INACTIVE
            await verb(me, "close", in_ms=9_000)
            assert ((await market(me))["status"], me.exchange.book(TICKER).yes[0]) == ("active", (4_700, 300))
            assert (await me.create()).status == 201
            await me.clock.move(9)
            assert (await market(me))["status"] == "closed"

    async def test_a_resting_order_is_carried_over_to_a_finer_grid(self) -> None:
        async with desk() as me:
            order_id = await me.placed()
            assert (await verb(me, "regrid", structure="deci_cent")).status == 200
            assert (await market(me))["price_level_structure"] == "deci_cent"
            assert (await me.create(price="0.471")).status == 201
            assert me.exchange.resting(ME)[0].order_id == order_id

    async def test_another_market_can_be_listed_while_the_exchange_runs(self) -> None:
        async with desk() as me:
            lifecycle.enlist(me.exchange.exchange, Listing(tape(ticker="PAPER-27-B")))
            assert (await me.create(ticker="PAPER-27-B")).status == 201


class TestSettlement:
    @pytest.mark.parametrize(
        ("result", "value", "side", "paid"),
        [("yes", "", "bid", 2), ("no", "", "bid", 0), ("no", "", "ask", 2), ("scalar", "0.25", "bid", 0.5)],
    )
    async def test_every_position_is_paid(self, result: str, value: str, side: str, paid: float) -> None:
        async with desk() as me:
            await me.placed(side=side, **TAKE | {"price": "0.52" if side == "bid" else "0.47"})
            before = me.exchange.cash(ME)
            await verb(me, "determine", result=result, value=value)
            shown = await market(me)
            assert (shown["status"], shown["result"]) == ("determined", result)
            assert len((await me.get("/markets?status=closed"))["markets"]) == 1
            await verb(me, "settle")
            shown = await market(me)
            assert (shown["status"], "settlement_ts" in shown) == ("finalized", True)
            assert len((await me.get("/markets?status=settled"))["markets"]) == 1
            assert me.exchange.cash(ME) - before == round(paid * 1_000_000)
            assert me.exchange.position(ME, TICKER) == 0
            (row,) = (await me.get("/portfolio/settlements"))["settlements"]
            held = ("2.00", "0.00") if side == "bid" else ("0.00", "2.00")
            assert (row["market_result"], row["revenue"]) == (result, round(paid * 100))
            assert (row["yes_count_fp"], row["no_count_fp"]) == held

    async def test_a_scalar_payout_is_floored_to_the_balances_precision(self) -> None:
        async with desk(options=Options(precision=Precision.BROKER)) as me:
            await me.placed(count="0.01", **TAKE)
            before = me.exchange.cash(ME)
            await verb(me, "determine", result="scalar", value="0.4200")
            await verb(me, "settle")
            (row,) = (await me.get("/portfolio/settlements"))["settlements"]
            assert (me.exchange.cash(ME), row["value"], row["revenue"]) == (before, 42, 0)

    async def test_a_result_can_be_disputed_and_amended(self) -> None:
        async with desk() as me:
            assert (await verb(me, "dispute")).status == 409
            for name, status in (("determine", "determined"), ("dispute", "disputed"), ("determine", "amended")):
                await verb(me, name, result="yes")
                assert (await market(me))["status"] == status
            await verb(me, "settle")
            assert (await verb(me, "settle")).status == 409
            assert (await verb(me, "close", in_ms=1)).status == 409

    async def test_settlements_are_filtered_and_paged(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            for ticker in (TICKER, "PAPER-27-B"):
                await me.placed(ticker=ticker, **TAKE)
                lifecycle.determine(me.exchange.exchange, ticker, "yes")
                lifecycle.finalize(me.exchange.exchange, ticker)
            page = await me.get("/portfolio/settlements?limit=1")
            assert [row["ticker"] for row in page["settlements"]] == ["PAPER-27-B"]
            rest = await me.get(f"/portfolio/settlements?limit=1&cursor={page['cursor']}")
            assert [row["ticker"] for row in rest["settlements"]] == [TICKER]
            assert len((await me.get("/portfolio/settlements?event_ticker=PAPER-26"))["settlements"]) == 1


class TestFees:
    async def test_a_change_takes_effect_at_its_instant_and_an_override_goes_before_it(self) -> None:
        async with desk() as me:
            charged: list[int] = []

            async def pay() -> None:
                await me.placed(count="0.1", **TAKE)
                charged.append(me.exchange.fills(ME)[-1].fee)

            await pay()
            terms = {"series_ticker": "PAPER", "fee_type": "quadratic", "fee_multiplier": "0.5", "in_ms": 2_000}
            await me.control("POST", "/fees", terms)
            await pay()
            (change,) = (await me.get("/series/fee_changes"))["series_fee_change_arr"]
            assert (change["fee_multiplier"], change["scheduled_ts"]) == (0.5, "2026-06-11T06:29:22.000000Z")
            await me.clock.move(2)
            await pay()
            assert (await me.get("/series/fee_changes"))["series_fee_change_arr"] == []
            assert len((await me.get("/series/fee_changes?show_historical=true"))["series_fee_change_arr"]) == 1
            assert (await me.get("/series/PAPER"))["series"]["fee_multiplier"] == 0.5
            await me.control("POST", "/fees", {"event_ticker": "PAPER-26", "fee_type": "flat", "fee_multiplier": "0"})
            await pay()
            assert (await me.get("/events/PAPER-26"))["event"]["fee_type_override"] == "flat"
            await me.control("POST", "/fees", {"event_ticker": "PAPER-26"})
            await pay()
            assert charged == [1_800, 1_800, 900, 0, 900]
            rows = (await me.get("/events/fee_changes"))["event_fee_changes"]
            assert [row["fee_type_override"] for row in rows] == [None, "flat"]


class TestMarketData:
    async def test_books_come_in_batches_by_a_repeated_parameter(self) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            rows = (await me.get(f"/markets/orderbooks?tickers={TICKER}&tickers=PAPER-27-B"))["orderbooks"]
            assert [row["ticker"] for row in rows] == [TICKER, "PAPER-27-B"]
            assert rows[0]["orderbook_fp"]["yes_dollars"][-1] == ["0.4700", "3.00"]
            (one,) = (await me.get(f"/markets/orderbooks?tickers={TICKER},PAPER-27-B"))["orderbooks"]
            assert one["orderbook_fp"] == {"yes_dollars": [], "no_dollars": []}

    @pytest.mark.parametrize("count", [0, 101])
    async def test_one_to_a_hundred_books(self, count: int) -> None:
        async with desk() as me:
            answer = await me.send("GET", "/markets/orderbooks?" + "&".join(["tickers=A"] * count))
            assert answer.json()["msg"].startswith("Parameter validation failed for GetMarketOrderbooks")

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status=settled", 0), ("status=nonsense", 0), ("limit=0", 2), ("cursor=%ff%00", 2), ("mve_filter=only", 0),
            ("series_ticker=PAPER", 2), ("event_ticker=PAPER-26", 1), (f"min_close_ts={START // SECOND + 86_400}", 2),
            (f"max_close_ts={START // SECOND + 86_399}", 0), ("min_settled_ts=0&max_settled_ts=9999999999", 0),
            (f"min_created_ts={START // SECOND}", 2), ("max_updated_ts=soon", 2),
        ],
    )  # fmt: skip
    async def test_markets_are_filtered_and_garbage_is_tolerated(self, query: str, found: int) -> None:
        async with desk(Listing(tape()), Listing(tape(ticker="PAPER-27-B"))) as me:
            assert len((await me.get(f"/markets?{query}"))["markets"]) == found

    async def test_time_filters_exclude_each_other(self) -> None:
        async with desk() as me:
            answer = await me.send("GET", "/markets?min_created_ts=1&max_close_ts=2")
            assert (answer.status, list(answer.json())) == (400, ["msg"])

    async def test_how_fresh_the_lagging_reads_are_is_told(self) -> None:
        async with desk(options=Options(read_lag=Micros(2 * SECOND))) as me:
            assert await me.get("/exchange/user_data_timestamp") == {"as_of_time": "2026-06-11T06:29:18.000000Z"}

    async def test_what_rests_is_worth_what_it_would_cost(self) -> None:
        async with desk() as me:
            await me.placed(count="3", price="0.40")
            await me.placed(side="ask", count="1", price="0.60")
            assert await me.get("/portfolio/summary/total_resting_order_value") == {"total_resting_order_value": 160}

    async def test_what_ended_long_ago_has_moved_to_the_archive_and_what_rests_has_not(self) -> None:
        seller = (1, Take(Leg.NO, Price(5_300), Count(100_000)))
        async with desk(Listing(tape(seller), closes_after=Micros(400 * DAY))) as me:
            rests, cancelled, fills = await me.placed(price="0.40"), await me.placed(price="0.41"), await me.placed()
            await me.send("DELETE", f"{ORDERS}/{cancelled}")
            await me.clock.move(2)

            async def shown(path: str) -> list[str]:
                kind = path.rpartition("/")[2].partition("?")[0]
                return [row["order_id"] for row in (await me.get(path))[kind]]

            await me.clock.move(13 * 86_400)
            assert await shown("/portfolio/orders") == [fills, cancelled, rests]
            assert await shown("/historical/orders") == []
            await me.clock.move(2 * 86_400)
            assert await shown("/portfolio/orders") == [rests]
            assert await shown("/historical/orders") == [fills, cancelled]
            assert await shown(f"/historical/orders?ticker={TICKER}&limit=1") == [fills]
            assert await shown("/historical/orders?ticker=NONE") == []
            assert (await shown("/portfolio/fills"), await shown("/historical/fills")) == ([fills], [])
            await me.clock.move(60 * 86_400)
            assert (await shown("/portfolio/fills"), await shown("/historical/fills")) == ([], [fills])

    async def test_another_subaccount_has_nothing(self) -> None:
        async with desk() as me:
            await me.placed(subaccount=0)
            assert len((await me.get("/portfolio/orders?subaccount=0"))["orders"]) == 1
            assert (await me.get("/portfolio/orders?subaccount=7"))["orders"] == []
            assert (await me.get("/portfolio/balance?subaccount=0"))["balance"] == CASH // 10_000
