"""The exchange's rules for orders, one example each; their laws are in `test_matching_laws`. Prices are those of the leg acquired."""

from dataclasses import replace

import pytest

from depthwalker.core.book import Leg
from depthwalker.core.crowd import arrive, seed, take
from depthwalker.core.fees import WITH_MAKER_FEES
from depthwalker.core.grid import Band, PriceGrid
from depthwalker.core.matching import amend, cancel, cancel_all, decrease, expire, pause, submit, sweep
from depthwalker.core.pit import (
    NEVER,
    NewOrder,
    Pit,
    Rules,
    SelfTrade,
    TimeInForce,
    book,
    find,
    queue_ahead,
    with_rules,
)
from depthwalker.core.reports import Amended, Ended, EndReason, Event, Matched, Refused, Rested, Withdrawn
from depthwalker.core.units import DOLLAR, Count, Micros, Money, Price

YES, NO = Leg.YES, Leg.NO
NOW = Micros(1_000)
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


def order(order_id: str, leg: Leg, price: int, count: int, account: str = "us") -> NewOrder:
    return NewOrder(order_id, account, leg, Price(price), Count(count))


def quoted() -> Pit:
    """The book of the recordings: YES 0.47 bid and 0.52 asked, three contracts each."""
    return seed([(Price(4700), Count(300))], [(Price(4800), Count(300))], Rules())


def after(pit: Pit, *orders: NewOrder) -> Pit:
    for one in orders:
        pit, _ = submit(pit, one, NOW)
    return pit


def matches(events: tuple[Event, ...]) -> list[tuple[str, str, int, int]]:
    return [(e.maker_order, e.taker_order, e.yes_price, e.count) for e in events if isinstance(e, Matched)]


def ends(events: tuple[Event, ...]) -> list[tuple[str, EndReason, int, int]]:
    return [(e.order_id, e.reason, e.filled, e.lapsed) for e in events if isinstance(e, Ended)]


def levels(pit: Pit) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    shown = book(pit, NOW)
    return list(shown.yes), list(shown.no)


class TestSubmit:
    def test_an_order_that_meets_nothing_rests(self) -> None:
        pit, events = submit(quoted(), order("a", YES, 5100, 100), NOW)
        assert events == (Rested("a", "us", YES, Price(5100), Count(100)),)
        assert levels(pit) == ([(5100, 100), (4700, 300)], [(4800, 300)])

    def test_the_recorded_taker_pays_the_maker_s_price_and_keeps_its_limit(self) -> None:
        pit, events = submit(quoted(), replace(order("a", YES, 9900, 100), time_in_force=IOC), NOW)
        assert events == (
            Matched(1, "", "", "a", "us", YES, Price(5200), Count(100), Money(0), Money(17_500)),
            Ended("a", "us", YES, Price(9900), EndReason.FILLED, Count(100), Count(0), rested=False),
        )
        assert levels(pit) == ([(4700, 300)], [(4800, 200)])

    def test_acquiring_no_trades_at_the_yes_bid(self) -> None:
        _, events = submit(quoted(), order("a", NO, 5300, 100), NOW)
        (matched, _) = events
        assert isinstance(matched, Matched)
        assert (matched.yes_price, matched.maker_leg, matched.price(YES), matched.price(NO)) == (4700, YES, 4700, 5300)

    def test_what_a_sweep_leaves_unfilled_rests_at_its_limit(self) -> None:
        pit = seed([], [(Price(4800), Count(300)), (Price(4700), Count(100)), (Price(4600), Count(100))], Rules())
        pit, events = submit(pit, order("a", YES, 5300, 1000), NOW)
        assert matches(events) == [("", "a", 5200, 300), ("", "a", 5300, 100)]
        assert events[-1] == Rested("a", "us", YES, Price(5300), Count(600))
        assert levels(pit) == ([(5300, 600)], [(4600, 100)])

    def test_a_maker_that_is_filled_is_told_at_once(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("b", YES, 5000, 100))
        pit, events = submit(pit, order("c", NO, 5000, 150, "them"), NOW)
        assert matches(events) == [("a", "c", 5000, 100), ("b", "c", 5000, 50)]
        assert ends(events) == [("a", EndReason.FILLED, 100, 0), ("c", EndReason.FILLED, 150, 0)]
        assert isinstance(events[1], Ended)
        assert events[1].rested
        assert find(pit, "a") is None
        found = find(pit, "b")
        assert found is not None
        assert (found.filled, found.remaining) == (50, 50)

    @pytest.mark.parametrize(("limit", "filled"), [(5100, 0), (5200, 300)])
    def test_an_ioc_order_never_rests(self, limit: int, filled: int) -> None:
        pit, events = submit(quoted(), replace(order("a", YES, limit, 500), time_in_force=IOC), NOW)
        assert ends(events) == [("a", EndReason.IMMEDIATE, filled, 500 - filled)]
        assert find(pit, "a") is None

    def test_a_fok_order_fills_in_full(self) -> None:
        pit = seed([], [(Price(4800), Count(300)), (Price(4700), Count(100))], Rules())
        _, events = submit(pit, replace(order("a", YES, 5300, 400), time_in_force=FOK), NOW)
        assert ends(events) == [("a", EndReason.FILLED, 400, 0)]

    @pytest.mark.parametrize(("limit", "count"), [(5200, 301), (5300, 301), (5100, 1)])
    def test_a_fok_order_that_cannot_is_killed_and_its_id_burned(self, limit: int, count: int) -> None:
        pit = seed([], [(Price(4800), Count(300)), (Price(4600), Count(100))], Rules())
        killed, events = submit(pit, replace(order("a", YES, limit, count), time_in_force=FOK), NOW)
        assert events == (
            Refused("a", 409, "fill_or_kill_insufficient_resting_volume", ""),
            Ended("a", "us", YES, Price(limit), EndReason.KILLED, Count(0), Count(count), rested=False),
        )
        assert killed == pit

    def test_a_post_only_order_that_would_cross_is_refused_and_its_id_burned(self) -> None:
        pit, events = submit(quoted(), replace(order("a", YES, 5200, 100), post_only=True), NOW)
        assert events == (
            Refused("a", 400, "invalid_order", "post only cross"),
            Ended("a", "us", YES, Price(5200), EndReason.POST_ONLY_CROSS, Count(0), Count(100), rested=False),
        )
        assert pit == quoted()

    def test_a_post_only_order_one_tick_below_rests(self) -> None:
        _, events = submit(quoted(), replace(order("a", YES, 5100, 100), post_only=True), NOW)
        assert events == (Rested("a", "us", YES, Price(5100), Count(100)),)

    @pytest.mark.parametrize(
        ("wrong", "status", "code"),
        [
            (order("a", YES, 5150, 100), 400, "invalid_price"),
            (order("a", NO, 0, 100), 400, "invalid_price"),
            (order("a", NO, 10_000, 100), 400, "invalid_price"),
            (order("a", YES, 5100, 0), 400, "invalid_order_size"),
            (replace(order("a", YES, 5100, 100), expires=NOW), 400, "invalid_parameters"),
            (replace(order("a", YES, 5100, 100), expires=Micros(2_000), time_in_force=IOC), 400, "invalid_parameters"),
        ],
    )
    def test_an_invalid_order_leaves_no_record(self, wrong: NewOrder, status: int, code: str) -> None:
        pit, events = submit(quoted(), wrong, NOW)
        assert [(e.status, e.code) for e in events if isinstance(e, Refused)] == [(status, code)]
        assert (len(events), pit) == (1, quoted())

    def test_a_no_price_is_judged_on_the_mirrored_grid(self) -> None:
        edges = PriceGrid((Band(Price(0), Price(1000), Price(10)), Band(Price(1000), DOLLAR, Price(100))))
        pit = with_rules(Pit(), Rules(grid=edges))
        assert find(after(pit, order("a", NO, 9990, 1)), "a") is not None
        assert find(after(pit, order("a", NO, 10, 1)), "a") is None


class TestSelfTrade:
    def test_taker_at_cross_gives_up_the_taker_s_rest(self) -> None:
        pit = after(quoted(), order("mine", NO, 4900, 100))
        pit, events = submit(pit, replace(order("a", YES, 5200, 500), time_in_force=IOC), NOW)
        assert ends(events) == [("a", EndReason.SELF_TRADE, 0, 500)]
        assert levels(pit) == ([(4700, 300)], [(4900, 100), (4800, 300)])

    def test_taker_at_cross_keeps_what_traded_before_it_met_its_own(self) -> None:
        pit = after(quoted(), order("mine", NO, 4800, 100))
        pit, events = submit(pit, order("a", YES, 5200, 500), NOW)
        assert matches(events) == [("", "a", 5200, 300)]
        assert ends(events) == [("a", EndReason.SELF_TRADE, 300, 200)]
        assert (queue_ahead(pit, "mine"), levels(pit)) == (0, ([(4700, 300)], [(4800, 100)]))

    def test_a_taker_filled_just_before_its_own_order_is_not_blocked(self) -> None:
        pit = after(quoted(), order("mine", NO, 4800, 100))
        pit, events = submit(pit, order("a", YES, 5200, 300), NOW)
        assert ends(events) == [("a", EndReason.FILLED, 300, 0)]
        assert find(pit, "mine") is not None

    def test_maker_cancels_the_resting_order_and_goes_on(self) -> None:
        pit = after(quoted(), order("mine", NO, 4900, 100), order("behind", NO, 4800, 100))
        taking = replace(order("a", YES, 5200, 500), self_trade=SelfTrade.MAKER)
        pit, events = submit(pit, taking, NOW)
        assert ends(events) == [("mine", EndReason.SELF_TRADE, 0, 100), ("behind", EndReason.SELF_TRADE, 0, 100)]
        assert matches(events) == [("", "a", 5200, 300)]
        assert levels(pit) == ([(5200, 200), (4700, 300)], [])

    def test_fok_counts_only_what_is_not_its_own(self) -> None:
        pit = after(quoted(), order("mine", NO, 4900, 100))
        fok = replace(order("a", YES, 5200, 300), time_in_force=FOK)
        _, kept = submit(pit, fok, NOW)
        assert ends(kept) == [("a", EndReason.KILLED, 0, 300)]
        _, gone = submit(pit, replace(fok, self_trade=SelfTrade.MAKER), NOW)
        assert ends(gone) == [("mine", EndReason.SELF_TRADE, 0, 100), ("a", EndReason.FILLED, 300, 0)]
        same, killed = submit(pit, replace(fok, self_trade=SelfTrade.MAKER, count=Count(301)), NOW)
        assert (ends(killed), same) == ([("a", EndReason.KILLED, 0, 301)], pit)

    def test_other_accounts_and_the_crowd_trade(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100))
        _, events = submit(pit, order("b", NO, 5000, 100, "them"), NOW)
        assert matches(events) == [("a", "b", 5000, 100)]
        pit, _ = arrive(Pit(), YES, Price(5000), Count(100), NOW)
        _, crowd = arrive(pit, NO, Price(5000), Count(100), NOW)
        assert matches(crowd) == [("", "", 5000, 100)]


class TestFees:
    def test_roundings_of_an_order_carry_over_from_taker_to_maker(self) -> None:
        pit = seed([], [(Price(4800), Count(30))], Rules(rates=WITH_MAKER_FEES))
        pit, events = submit(pit, order("a", YES, 5200, 100), NOW)
        assert [e.taker_fee for e in events if isinstance(e, Matched)] == [5_300]  # 5,242 and 58 of rounding
        resting = find(pit, "a")
        assert resting is not None
        assert resting.roundings == 58
        _, events = take(pit, NO, Price(4800), Count(30), NOW)
        assert [e.maker_fee for e in events if isinstance(e, Matched)] == [
            1_300
        ]  # 1,311 and 89 of rounding, less the whole unit that 147 hold


class TestAmend:
    def test_the_count_is_the_new_total_and_a_pure_decrease_keeps_its_place(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 500), order("b", YES, 5000, 100))
        pit, _ = take(pit, NO, Price(5000), Count(200), NOW)
        pit, events = amend(pit, "a", Price(5000), Count(300), NOW)
        assert events == (
            Amended(
                "a", "us", YES, Price(5000), Count(100), Price(5000), Count(300), Count(200), NEVER, kept_place=True
            ),
        )
        assert (queue_ahead(pit, "a"), queue_ahead(pit, "b")) == (0, 100)

    def test_an_increase_goes_to_the_back(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("b", YES, 5000, 100))
        pit, events = amend(pit, "a", Price(5000), Count(101), NOW)
        assert events == (
            Amended(
                "a", "us", YES, Price(5000), Count(101), Price(5000), Count(100), Count(0), NEVER, kept_place=False
            ),
            Rested("a", "us", YES, Price(5000), Count(101)),
        )
        assert (queue_ahead(pit, "a"), queue_ahead(pit, "b")) == (100, 0)

    def test_another_price_goes_to_the_back_of_its_queue(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("b", YES, 5100, 100))
        pit, _ = amend(pit, "a", Price(5100), Count(100), NOW)
        assert (queue_ahead(pit, "a"), levels(pit)) == (100, ([(5100, 200)], []))

    def test_the_expiry_alone_keeps_the_place_and_can_be_set_kept_or_cleared(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("b", YES, 5000, 100))
        pit, _ = amend(pit, "a", Price(5000), Count(100), NOW, Micros(5_000))
        assert queue_ahead(pit, "a") == 0
        kept, _ = amend(pit, "a", Price(5000), Count(100), NOW)
        assert ends(expire(kept, Micros(5_000))[1]) == [("a", EndReason.EXPIRED, 0, 100)]
        cleared, _ = amend(pit, "a", Price(5000), Count(100), NOW, NEVER)
        assert expire(cleared, Micros(5_000))[1] == ()

    def test_a_crossing_amend_takes_at_once_also_if_it_was_post_only(self) -> None:
        pit = after(quoted(), replace(order("a", YES, 5000, 500), post_only=True))
        pit, events = amend(pit, "a", Price(5200), Count(500), NOW)
        assert matches(events) == [("", "a", 5200, 300)]
        assert events[-1] == Rested("a", "us", YES, Price(5200), Count(200))
        found = find(pit, "a")
        assert found is not None
        assert (found.filled, found.remaining) == (300, 200)

    def test_a_crossing_amend_that_meets_its_own_order_ends(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("mine", NO, 4800, 100))
        pit, events = amend(pit, "a", Price(5200), Count(100), NOW)
        assert ends(events) == [("a", EndReason.SELF_TRADE, 0, 100)]
        assert levels(pit) == ([], [(4800, 100)])

    @pytest.mark.parametrize("total", [200, 150])
    def test_a_total_at_or_below_what_is_filled_ends_the_order(self, total: int) -> None:
        pit = after(Pit(), order("a", YES, 5000, 500))
        pit, _ = take(pit, NO, Price(5000), Count(200), NOW)
        pit, events = amend(pit, "a", Price(5100), Count(total), NOW)
        assert ends(events) == [("a", EndReason.AMENDED, 200, 300)]
        assert pit.yes == ()

    @pytest.mark.parametrize(
        ("order_id", "price", "total", "expires", "code"),
        [
            ("b", 5000, 100, None, "not_found"),
            ("a", 5050, 100, None, "invalid_price"),
            ("a", 5000, 0, None, "invalid_order_size"),
            ("a", 5000, 100, Micros(1), "invalid_parameters"),
        ],
    )
    def test_a_refused_amend_changes_nothing(
        self, order_id: str, price: int, total: int, expires: Micros | None, code: str
    ) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100))
        same, events = amend(pit, order_id, Price(price), Count(total), NOW, expires)
        assert [e.code for e in events if isinstance(e, Refused)] == [code]
        assert same == pit


class TestDecrease:
    @pytest.mark.parametrize(
        ("by", "to", "remaining"),
        [
            (Count(30), None, 70),
            (Count(1), None, 99),
            (Count(99), None, 1),
            (None, Count(70), 70),
            (None, Count(300), 100),
        ],
    )
    def test_it_keeps_its_place_and_never_raises(self, by: Count | None, to: Count | None, remaining: int) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100), order("b", YES, 5000, 100))
        pit, events = decrease(pit, "a", NOW, by=by, to=to)
        (amended,) = events
        assert isinstance(amended, Amended)
        assert (amended.kept_place, amended.remaining) == (True, remaining)
        assert (queue_ahead(pit, "b"), levels(pit)[0]) == (remaining, [(5000, remaining + 100)])

    @pytest.mark.parametrize(("by", "to"), [(Count(100), None), (Count(101), None), (None, Count(0))])
    def test_to_nothing_ends_the_order(self, by: Count | None, to: Count | None) -> None:
        pit, events = decrease(after(Pit(), order("a", YES, 5000, 100)), "a", NOW, by=by, to=to)
        assert ends(events) == [("a", EndReason.DECREASED, 0, 100)]
        assert pit.yes == ()

    @pytest.mark.parametrize(("by", "to"), [(None, None), (Count(1), Count(1)), (Count(0), None), (None, Count(-1))])
    def test_exactly_one_measure_is_needed(self, by: Count | None, to: Count | None) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100))
        same, events = decrease(pit, "a", NOW, by=by, to=to)
        assert [(e.status, e.code) for e in events if isinstance(e, Refused)] == [(400, "invalid_parameters")]
        assert same == pit

    def test_an_order_that_does_not_rest_is_not_found(self) -> None:
        assert decrease(Pit(), "a", NOW, by=Count(1)) == (Pit(), (Refused("a", 404, "not_found", ""),))


class TestEnding:
    def test_cancel_tells_what_lapsed(self) -> None:
        pit = after(Pit(), order("a", YES, 5000, 100))
        pit, _ = take(pit, NO, Price(5000), Count(30), NOW)
        pit, events = cancel(pit, "a", NOW)
        assert events == (Ended("a", "us", YES, Price(5000), EndReason.CANCELED, Count(30), Count(70), rested=True),)
        assert (pit.yes, pit.places) == ((), ())

    def test_canceled_executed_and_unknown_orders_look_the_same(self) -> None:
        pit = after(quoted(), order("executed", YES, 5200, 100), order("canceled", YES, 5000, 100))
        pit, _ = cancel(pit, "canceled", NOW)
        for order_id in ("executed", "canceled", "unknown", ""):
            assert cancel(pit, order_id, NOW) == (pit, (Refused(order_id, 404, "not_found", ""),))

    def test_an_order_expires_at_its_instant_before_anything_else_happens(self) -> None:
        mortal = replace(order("a", YES, 5000, 100), expires=Micros(2_000))
        pit = after(Pit(), mortal, order("b", YES, 5000, 100))
        assert expire(pit, Micros(1_999)) == (pit, ())
        _, events = take(pit, NO, Price(5000), Count(150), Micros(2_000))
        assert ends(events)[0] == ("a", EndReason.EXPIRED, 0, 100)
        assert matches(events) == [("b", "", 5000, 100)]

    def test_orders_expire_earliest_first(self) -> None:
        later, sooner = (
            replace(order(order_id, YES, 5000, 100), expires=Micros(at))
            for order_id, at in (("a", 3_000), ("b", 2_000))
        )
        pit = after(Pit(), later, sooner)
        assert ends(expire(pit, Micros(2_500))[1]) == [("b", EndReason.EXPIRED, 0, 100)]
        empty, events = expire(pit, Micros(3_000))
        assert ([end[0] for end in ends(events)], empty) == (["b", "a"], Pit())
        halfway, _ = expire(pit, Micros(2_500))
        assert [end[0] for end in ends(expire(halfway, Micros(3_000))[1])] == ["a"]

    def test_each_of_many_orders_expires_at_its_own_instant(self) -> None:
        instants = (2_000, 3_000, 4_000)
        pit = after(Pit(), *(replace(order(str(at), YES, 5000, 100), expires=Micros(at)) for at in instants))
        for at in instants:
            pit, events = expire(pit, Micros(at))
            assert ends(events) == [(str(at), EndReason.EXPIRED, 0, 100)]

    def test_the_end_of_an_order_that_rested_says_so_whatever_ended_it(self) -> None:
        mortal = replace(order("a", YES, 5000, 500), expires=Micros(2_000), cancel_on_pause=True)
        pit, _ = take(after(Pit(), mortal), NO, Price(5000), Count(200), NOW)
        for _, events in (
            amend(pit, "a", Price(5000), Count(200), NOW),
            decrease(pit, "a", NOW, to=Count(0)),
            cancel(pit, "a", NOW),
            cancel_all(pit, "us"),
            expire(pit, Micros(2_000)),
            pause(pit),
        ):
            assert [(end.filled, end.lapsed, end.rested) for end in events if isinstance(end, Ended)] == [
                (200, 300, True)
            ]

    def test_an_account_s_orders_are_cancelled_together(self) -> None:
        pit = after(quoted(), order("a", YES, 5000, 100), order("b", NO, 4000, 100), order("c", YES, 5000, 100, "them"))
        pit, events = cancel_all(pit, "us")
        assert [end[:2] for end in ends(events)] == [("a", EndReason.CANCELED), ("b", EndReason.CANCELED)]
        assert queue_ahead(pit, "c") == 0

    def test_a_pause_cancels_only_who_asked_for_it(self) -> None:
        pit = after(Pit(), replace(order("a", YES, 5000, 100), cancel_on_pause=True), order("b", YES, 5000, 100))
        pit, events = pause(pit)
        assert ends(events) == [("a", EndReason.PAUSED, 0, 100)]
        assert find(pit, "b") is not None

    @pytest.mark.parametrize("reason", [EndReason.CLOSED, EndReason.HALTED])
    def test_a_sweep_empties_the_pit(self, reason: EndReason) -> None:
        pit, _ = submit(quoted(), order("taker", YES, 5200, 100), NOW)
        pit, events = sweep(after(pit, order("a", YES, 4700, 100)), reason)
        assert events == (
            Withdrawn(YES, Price(4700), Count(300)),
            Ended("a", "us", YES, Price(4700), reason, Count(0), Count(100), rested=True),
            Withdrawn(NO, Price(4800), Count(200)),
        )
        assert pit == Pit(trades=1)


def test_queue_position_is_what_stands_before_at_the_price() -> None:
    pit = after(quoted(), order("a", YES, 4700, 100), order("b", YES, 4700, 100, "them"))
    assert (queue_ahead(pit, "a"), queue_ahead(pit, "b"), queue_ahead(pit, "c")) == (300, 400, None)
    pit, _ = take(pit, NO, Price(5300), Count(350), NOW)
    assert (queue_ahead(pit, "a"), queue_ahead(pit, "b")) == (0, 50)
