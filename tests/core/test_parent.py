"""Admission: what is refused and how it is said, and the cap that nothing in the core ever passes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import (
    ACTIONS,
    DECI_CENT,
    IDENTITY,
    LEGS,
    LOPSIDED,
    NOW,
    RATES,
    TICKER,
    WIND_DOWN,
    counts,
    grids,
    market,
    parents,
    prices,
    raw_prices,
    terms,
    tickets,
)

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION, ExecutionConfig
from depthwalker.core.fees import STANDARD, FeeRates, estimate
from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import (
    LARGEST,
    WIND_DOWN_GRACE,
    Action,
    Holding,
    Parent,
    Refusal,
    RefusalKind,
    Ticket,
    admit,
    in_words,
    recap,
    shifted,
)
from depthwalker.core.units import CONTRACT, DOLLAR, MILLION, SECOND, Count, Micros, Price, value

YES, NO = Leg.YES, Leg.NO
BUY, SELL = Action.BUY, Action.SELL
FREE = FeeRates(0, 0)
NOTHING_HELD = Holding(Count(0), Count(0))
PLENTY = Holding(Count(10**9), Count(0))


def ticket(outcome: Leg = YES, action: Action = BUY, count: int = 100_00, target: int = 7000) -> Ticket:
    return Ticket(outcome, action, Count(count), Price(target))


def ask(
    wanted: Ticket,
    on: Market | PriceGrid = CENT_GRID,
    config: ExecutionConfig = DEFAULT_EXECUTION,
    holding: Holding = PLENTY,
    rates: FeeRates = STANDARD,
    wind_down: Micros = WIND_DOWN,
) -> Success[Parent] | Failure[Refusal]:
    where = market(on) if isinstance(on, PriceGrid) else on
    return admit(wanted, where, rates, config, holding, IDENTITY, NOW, wind_down)


def admitted(outcome: Success[Parent] | Failure[Refusal]) -> Parent:
    match outcome:
        case Success(parent):
            return parent
        case Failure(refusal):
            pytest.fail(f"refused: {refusal}")


def refused(outcome: Success[Parent] | Failure[Refusal]) -> Refusal:
    match outcome:
        case Failure(refusal):
            return refusal
        case Success(parent):
            pytest.fail(f"admitted: {parent}")


def capped(ppm: int | None = None, dollars: int | None = None, max_cost: int | None = None) -> ExecutionConfig:
    return replace(
        DEFAULT_EXECUTION,
        slippage_ppm=ppm,
        slippage_dollars=None if dollars is None else Price(dollars),
        max_cost=None if max_cost is None else Price(max_cost),
    )


def exact_limit(wanted: Ticket, config: ExecutionConfig) -> Fraction:
    """DESIGN, invariant 2, in the parent's own outcome and in fractions."""
    sign, target = 1 if wanted.action is BUY else -1, Fraction(wanted.target)
    limits = [
        target * (1 + sign * Fraction(config.slippage_ppm, MILLION)) if config.slippage_ppm is not None else None,
        target + sign * config.slippage_dollars if config.slippage_dollars is not None else None,
    ]
    known = [limit for limit in limits if limit is not None]
    return min(known) if wanted.action is BUY else max(known)


class TestRefusals:
    @pytest.mark.parametrize("status", [status for status in MarketStatus if status is not MarketStatus.ACTIVE])
    def test_a_market_that_is_not_active(self, status: MarketStatus) -> None:
        assert refused(ask(ticket(), market(CENT_GRID, status))) == Refusal(
            RefusalKind.MARKET_NOT_OPEN, f"market {TICKER} is {status.value}; orders need an active market"
        )

    @pytest.mark.parametrize(("closes_in", "shown"), [(40 * SECOND, 40), (39_999_999, 39), (0, 0), (-SECOND, 0)])
    def test_a_market_that_closes_before_the_time_out(self, closes_in: int, shown: int) -> None:
        assert refused(ask(ticket(), market(CENT_GRID, closes_in=closes_in))) == Refusal(
            RefusalKind.CLOSES_TOO_SOON,
            f"market {TICKER} closes in {shown} s; order_timeout_seconds is 40 and must be shorter than that",
        )

    @pytest.mark.parametrize(("count", "shown"), [(0, "0.00"), (-1, "-0.01"), (-100_00, "-100.00")])
    def test_a_count_of_nothing(self, count: int, shown: str) -> None:
        assert refused(ask(ticket(count=count))) == Refusal(
            RefusalKind.INVALID_COUNT, f"count {shown}: it must be at least 0.01 contracts"
        )

    def test_a_count_that_the_tables_cannot_hold(self) -> None:
        assert admitted(ask(ticket(count=LARGEST))).count == LARGEST
        assert refused(ask(ticket(count=LARGEST + 1))) == Refusal(
            RefusalKind.INVALID_COUNT, "count 1000000000000.00: it must be at most 999999999999.99 contracts"
        )

    @pytest.mark.parametrize(
        ("target", "shown"), [(0, "0.0000"), (-100, "-0.0100"), (10_000, "1.0000"), (71_000, "7.1000")]
    )
    @pytest.mark.parametrize("action", Action)
    def test_a_target_that_is_no_price(self, action: Action, target: int, shown: str) -> None:
        assert refused(ask(ticket(action=action, target=target))) == Refusal(
            RefusalKind.INVALID_TARGET, f"target price {shown}: it must lie between 0.0001 and 0.9999 dollars"
        )

    def test_an_order_without_any_slippage_cap(self) -> None:
        assert refused(ask(ticket(), config=capped())) == Refusal(
            RefusalKind.INVALID_CONFIG, "no slippage cap: give max_slippage_percent or max_slippage_dollars, or both"
        )

    def test_a_cost_cap_on_a_sell(self) -> None:
        assert refused(ask(ticket(action=SELL), config=capped(ppm=25_000, max_cost=7000))) == Refusal(
            RefusalKind.INVALID_CONFIG, "max_cost_per_contract bounds a buy; remove it for a sell"
        )

    @pytest.mark.parametrize(
        ("position", "promised", "free"),
        [(99_99, 0, "99.99"), (150_00, 50_01, "99.99"), (0, 0, "0.00"), (-5_00, 0, "0.00"), (10_00, 20_00, "0.00")],
    )
    def test_a_sell_of_more_than_is_free(self, position: int, promised: int, free: str) -> None:
        holding = Holding(Count(position), Count(promised))
        refusal = refused(ask(ticket(NO, SELL), holding=holding))
        assert refusal.kind is RefusalKind.EXCEEDS_POSITION
        assert f"cannot sell 100.00 no contracts of {TICKER}: {free} are free to sell" in refusal.message
        assert f"position {position / 100:.2f}, promised to other sells {promised / 100:.2f}" in refusal.message
        assert "set opens_short to go short" in refusal.message

    @pytest.mark.parametrize(
        ("outcome", "prices_run"),
        [(YES, "its yes prices run from 0.0010 to 0.9900"), (NO, "its no prices run from 0.0100 to 0.9990")],
    )
    def test_a_buy_whose_cap_has_no_grid_price_is_told_to_offer_more(self, outcome: Leg, prices_run: str) -> None:
        assert refused(ask(ticket(outcome, target=9), LOPSIDED)) == Refusal(
            RefusalKind.NO_CAP_PRICE,
            f"target 0.0009 allows at most 0.0009 a contract, and market {TICKER} has no such price: {prices_run}; "
            "raise the target or widen the slippage cap",
        )

    def test_a_sell_whose_cap_has_no_grid_price_is_told_to_ask_for_less(self) -> None:
        assert refused(ask(ticket(action=SELL, target=9950), config=capped(dollars=20))) == Refusal(
            RefusalKind.NO_CAP_PRICE,
            f"target 0.9950 allows at least 0.9930 a contract, and market {TICKER} has no such price: its yes prices "
            "run from 0.0100 to 0.9900; lower the target or widen the slippage cap",
        )

    def test_a_cost_cap_below_every_price(self) -> None:
        """One cent and its fee of 0.0693 cents, rounded up to the account's hundredth of a cent: 0.0107."""
        assert refused(ask(ticket(), config=capped(ppm=25_000, max_cost=106))) == Refusal(
            RefusalKind.NO_CAP_PRICE,
            "max_cost_per_contract 0.0106 is less than a contract costs at the lowest price, 0.0100, with its fee: "
            "0.010700; it must be at least that",
        )
        assert admitted(ask(ticket(), config=capped(ppm=25_000, max_cost=107))).cap == 100
        assert (
            "max_cost_per_contract 0.0000 is less" in refused(ask(ticket(), config=capped(100_000, max_cost=0))).message
        )

    def test_the_first_reason_is_the_market_s_then_the_ticket_s(self) -> None:
        wrong = ticket(action=SELL, count=0, target=0)
        closing = market(CENT_GRID, closes_in=0)
        assert refused(ask(wrong, replace(closing, status=MarketStatus.CLOSED))).kind is RefusalKind.MARKET_NOT_OPEN
        assert refused(ask(wrong, closing)).kind is RefusalKind.CLOSES_TOO_SOON
        assert refused(ask(wrong)).kind is RefusalKind.INVALID_COUNT
        assert refused(ask(replace(wrong, count=Count(1)), holding=NOTHING_HELD)).kind is RefusalKind.INVALID_TARGET


class TestSells:
    def test_a_sell_of_exactly_what_is_free_is_admitted(self) -> None:
        assert admitted(ask(ticket(action=SELL), holding=Holding(Count(150_00), Count(50_00)))).count == 100_00

    def test_a_sell_beyond_the_position_needs_opens_short(self) -> None:
        short = replace(DEFAULT_EXECUTION, opens_short=True)
        assert admitted(ask(ticket(action=SELL), config=short, holding=NOTHING_HELD)).count == 100_00

    def test_a_buy_needs_no_position(self) -> None:
        assert admitted(ask(ticket(), holding=NOTHING_HELD)).count == 100_00


class TestTheFrame:
    @pytest.mark.parametrize(
        ("outcome", "action", "leg", "target", "cap"),
        [
            (YES, BUY, YES, 7000, 7100),  # up to 0.7175
            (NO, BUY, NO, 7000, 7100),
            (YES, SELL, NO, 3000, 3100),  # down to 0.6825: 0.69 on the grid, 0.31 of the other leg
            (NO, SELL, YES, 3000, 3100),
        ],
    )
    def test_buying_an_outcome_acquires_it_and_selling_it_acquires_the_other(
        self, outcome: Leg, action: Action, leg: Leg, target: int, cap: int
    ) -> None:
        parent = admitted(ask(ticket(outcome, action)))
        assert (parent.leg, parent.target, parent.cap) == (leg, target, cap)

    @given(raw_prices(), ACTIONS, LEGS)
    def test_framing_a_price_twice_gives_it_back(self, price: Price, action: Action, outcome: Leg) -> None:
        wanted = ticket(outcome, action)
        assert wanted.framed(wanted.framed(price)) == price

    @given(grids(), counts(), RATES, LEGS, st.integers(0, 3_000).map(Price), st.data())
    def test_buying_no_and_selling_yes_under_equal_caps_are_one_parent(
        self, grid: PriceGrid, count: Count, rates: FeeRates, outcome: Leg, room: Price, data: st.DataObject
    ) -> None:
        target = data.draw(raw_prices())
        buy = Ticket(outcome, BUY, count, target)
        sell = Ticket(outcome.other(), SELL, count, Price(DOLLAR - target))
        bought = ask(buy, grid, capped(dollars=room), rates=rates)
        sold = ask(sell, grid, capped(dollars=room), rates=rates)
        match bought, sold:
            case Success(one), Success(other):
                assert one == replace(other, ticket=buy)
            case Failure(one), Failure(other):
                assert one.kind is other.kind is RefusalKind.NO_CAP_PRICE
            case _:
                pytest.fail(f"{bought} but {sold}")

    @given(parents())
    def test_a_parent_buys_its_leg_on_that_leg_s_grid_from_the_target_to_the_cap(self, parent: Parent) -> None:
        assert parent.leg is parent.ticket.leg()
        assert parent.count == parent.ticket.count
        assert parent.grid.valid(parent.target)
        assert parent.grid.valid(parent.cap)
        assert 0 < parent.target <= parent.cap <= parent.bound < DOLLAR

    def test_a_parent_says_who_executes_it_where(self) -> None:
        parent = admitted(ask(ticket()))
        assert (parent.execution, parent.installation) == (IDENTITY.execution, IDENTITY.installation)
        assert (parent.ticker, parent.ticket, parent.rates) == (TICKER, ticket(), STANDARD)


class TestTheCap:
    @given(grids(), terms(), st.data())
    def test_the_cap_is_the_last_grid_price_within_the_exact_limit_of_the_parent_s_own_outcome(
        self, grid: PriceGrid, config: ExecutionConfig, data: st.DataObject
    ) -> None:
        wanted = data.draw(tickets(grid))
        parent = admitted(ask(wanted, grid, config))
        limit, buys = exact_limit(wanted, config), wanted.action is BUY
        own, beyond = wanted.framed(parent.cap), parent.grid.up(parent.cap)
        assert (own <= limit) if buys else (own >= limit)
        if beyond is not None:
            assert (wanted.framed(beyond) > limit) if buys else (wanted.framed(beyond) < limit)

    @pytest.mark.parametrize(
        ("action", "target", "ppm", "dollars", "cap"),
        [
            (BUY, 7000, 25_000, None, 7175),
            (BUY, 7000, 25_000, 100, 7100),
            (BUY, 7000, 25_000, 900, 7175),
            (BUY, 7000, None, 900, 7900),
            (BUY, 7001, 25_000, None, 7176),  # 0.7176025
            (BUY, 9900, 25_000, None, 9999),
            (SELL, 7000, 25_000, None, 6825),
            (SELL, 7000, 25_000, 100, 6900),
            (SELL, 7000, None, 900, 6100),
            (SELL, 7001, 25_000, None, 6826),  # 0.6825975
            (SELL, 100, None, 900, 1),
        ],
    )
    def test_the_tighter_of_the_two_distances_holds(
        self, action: Action, target: int, ppm: int | None, dollars: int | None, cap: int
    ) -> None:
        parent = admitted(ask(ticket(action=action, target=target), DECI_CENT, capped(ppm, dollars)))
        assert parent.ticket.framed(parent.bound) == cap

    @given(grids(), st.data(), RATES, raw_prices())
    def test_a_cost_cap_includes_the_taker_fee(
        self, grid: PriceGrid, data: st.DataObject, rates: FeeRates, most: Price
    ) -> None:
        wanted = ticket(target=data.draw(prices(grid)))
        outcome = ask(wanted, grid, capped(ppm=100_000, max_cost=most), rates=rates)
        free = admitted(ask(wanted, grid, capped(ppm=100_000), rates=rates))

        def cost(price: Price) -> int:
            return value(price, CONTRACT) + estimate(rates, taker=True, price=price, count=CONTRACT)

        match outcome:
            case Success(parent):
                assert cost(parent.cap) <= value(most, CONTRACT)
                beyond = grid.up(parent.cap)
                assert parent.cap == free.cap or (beyond is not None and cost(beyond) > value(most, CONTRACT))
                assert parent.target == min(free.target, parent.cap)
            case Failure(refusal):
                assert refusal.kind is RefusalKind.NO_CAP_PRICE
                assert cost(grid.lowest()) > value(most, CONTRACT)

    @given(parents(), grids())
    def test_on_another_grid_the_cap_only_tightens(self, parent: Parent, grid: PriceGrid) -> None:
        cap = recap(parent, grid, parent.rates, None)
        if cap is None:
            assert grid.lowest() > parent.cap
            return
        assert grid.valid(cap)
        assert cap <= parent.cap
        beyond = grid.up(cap)
        assert beyond is None or beyond > parent.cap

    def test_a_cap_lowered_for_its_cost_stays_lowered_on_another_grid(self) -> None:
        parent = admitted(ask(ticket(), config=capped(ppm=25_000, max_cost=7000)))
        assert parent.cap == 6800  # 0.69 and its fee of 0.0150 would be 0.7050
        assert recap(parent, DECI_CENT, parent.rates, Price(7000)) == 6800

    @given(parents(), grids(), RATES, st.integers(1, 2 * DOLLAR).map(Price))
    def test_under_other_fees_a_contract_still_costs_no_more_than_it_may(
        self, parent: Parent, grid: PriceGrid, rates: FeeRates, most: Price
    ) -> None:
        cap = recap(parent, grid, rates, most)
        if cap is not None:
            assert cap <= parent.cap
            assert value(cap, CONTRACT) + estimate(rates, taker=True, price=cap, count=CONTRACT) <= value(
                most, CONTRACT
            )


class TestNotes:
    @pytest.mark.parametrize(
        ("wanted", "target"),
        [
            (ticket(target=7050), 7000),
            (ticket(action=SELL, target=7050), 2900),
            (ticket(NO, SELL, target=7050), 2900),
        ],
        ids=["a buy down", "a sell up", "a sell of no up"],
    )
    def test_a_target_off_the_grid_is_snapped_toward_safety_and_both_are_kept(
        self, wanted: Ticket, target: int
    ) -> None:
        parent = admitted(ask(wanted, config=capped(ppm=100_000)))
        assert (parent.target, parent.notes) == (target, ("target_snapped",))
        assert parent.ticket.target == 7050

    def test_a_target_below_every_price_starts_at_the_lowest_if_the_cap_allows(self) -> None:
        """Only a target outside (0, 1) and a cap without a grid price are errors (DESIGN, section 5)."""
        parent = admitted(ask(ticket(target=50), config=capped(dollars=500)))
        assert (parent.target, parent.cap, parent.notes) == (100, 500, ("target_snapped",))

    @pytest.mark.parametrize(
        ("target", "config", "notes"),
        [
            (3900, capped(ppm=25_000), ("no_room_to_walk",)),  # 2.5 % of 0.39 is less than a cent
            (4000, capped(ppm=25_000), ()),
            (7000, capped(dollars=99), ("no_room_to_walk",)),
            (7000, capped(dollars=100), ()),
            (7000, capped(ppm=0), ("no_room_to_walk",)),
            (9900, capped(ppm=25_000), ("no_room_to_walk",)),
            (3950, capped(ppm=0), ("target_snapped", "no_room_to_walk")),
            (7000, capped(ppm=25_000, max_cost=7000), ("target_lowered", "no_room_to_walk")),
            (7050, capped(ppm=25_000, max_cost=7000), ("target_lowered", "no_room_to_walk")),
        ],
    )
    def test_a_cap_less_than_a_tick_from_the_target_leaves_no_room(
        self, target: int, config: ExecutionConfig, notes: tuple[str, ...]
    ) -> None:
        assert admitted(ask(ticket(target=target), config=config)).notes == notes

    @pytest.mark.parametrize(
        ("wanted", "became"),
        [(ticket(target=7050), "0.7000"), (ticket(action=SELL, target=7050), "0.7100")],
        ids=["a buy", "a sell"],
    )
    def test_they_are_told_with_the_price_that_the_target_became(self, wanted: Ticket, became: str) -> None:
        parent = admitted(ask(wanted, config=capped(ppm=0)))

        assert in_words("; ".join(("configured", *parent.notes)), parent) == (
            f"configured; target 0.7050 snapped to {became}; no room to walk: the next price is past the cap"
        )

    def test_a_target_that_costs_too_much_is_told_as_such_and_not_as_the_grids_doing(self) -> None:
        parent = admitted(ask(ticket(target=6050), config=capped(ppm=25_000, max_cost=5800)))

        assert in_words("; ".join(("configured", *parent.notes)), parent) == (
            "configured; target 0.6050 lowered to 0.5600: above it a contract and its fee cost more than max_cost_per_contract; "
            "no room to walk: the next price is past the cap"
        )

    @given(parents())
    def test_each_is_noted_exactly_when_it_is_so(self, parent: Parent) -> None:
        assert ("no_room_to_walk" in parent.notes) == (parent.target == parent.cap)
        assert ("target_snapped" in parent.notes) == (parent.target != parent.ticket.framed(parent.ticket.target))


class TestTimes:
    def test_winding_down_starts_before_the_deadline_and_orders_outlive_it_to_a_whole_second(self) -> None:
        parent = admitted(ask(ticket(), wind_down=Micros(4 * SECOND + 1)))
        assert parent.started == NOW
        assert parent.deadline == NOW + 40 * SECOND
        assert parent.wind_down == NOW + 36 * SECOND - 1
        assert parent.expires == NOW + (40 + 4 + 5 + 1) * SECOND
        assert WIND_DOWN_GRACE == 5 * SECOND

    def test_a_short_execution_winds_down_in_its_last_quarter(self) -> None:
        parent = admitted(ask(ticket(), config=replace(DEFAULT_EXECUTION, timeout=Micros(8 * SECOND))))
        assert (parent.wind_down, parent.deadline) == (NOW + 6 * SECOND, NOW + 8 * SECOND)

    @given(parents())
    def test_the_instants_are_in_order(self, parent: Parent) -> None:
        assert parent.started < parent.wind_down <= parent.deadline
        earliest = parent.deadline + WIND_DOWN + WIND_DOWN_GRACE
        assert earliest <= parent.expires < earliest + SECOND
        assert parent.expires % SECOND == 0


@given(parents(), st.integers(0, 10**9))
def test_a_shifted_parent_is_the_same_one_later(parent: Parent, by: int) -> None:
    later = shifted(parent, by)
    for instant in ("started", "wind_down", "deadline", "expires"):
        assert getattr(later, instant) - getattr(parent, instant) == by
    assert shifted(later, -by) == parent
