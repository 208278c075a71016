"""Desired quotes and the ledger in, commands out: races, partial fills and unknown outcomes, handled once."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    FIRST,
    NOW,
    SECOND_SPLIT,
    accepted,
    after,
    cents,
    contracts,
    fold,
    intended,
    live,
    match,
    name,
    parent,
    planned,
    policy,
    record,
    view,
)
from tests.core.world import GRIDS

from depthwalker.core.answer import FillRecord, OrderRecord, OrderStatus
from depthwalker.core.command import Amend, Burn, Cancel, Claim, Command, Lapse, Lookup, Passed, Place
from depthwalker.core.execution import State, total_exposure, total_filled
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    CancelAcknowledged,
    CapChanged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    GridChanged,
    LookedUp,
    LookupStarted,
    MarketOver,
    OutcomeUnknown,
    Refused,
    Requested,
    Resumed,
    WindingDown,
)
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Kind, OrderKey, Phase, Style
from depthwalker.core.outcome import Success
from depthwalker.core.quote import Quote
from depthwalker.core.reconcile import (
    READ_LAG,
    REREAD,
    backoff,
    lookup_due,
    opposed,
    passed_by,
    reconcile,
    replace_at,
    retry_at,
)
from depthwalker.core.reply import lookup_reply
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Passage, View

POLICY = policy()
RESTING, CANCELED = OrderStatus.RESTING, OrderStatus.CANCELED
SEEN = LookedUp("", NOW)


def quote(price: int = 49, style: Style = Style.REST, split: int = 1, *, walk: bool = False) -> Quote:
    return Quote(split, cents(price), style, "test", walk, 5)


def asked(state: State, *quotes: Quote, at: float = 1, seen: View | None = None) -> tuple[Command, ...]:
    now = seen or view(after(at))
    return reconcile(state, now, POLICY, quotes, lookup_due(state, now, POLICY))


def lost(kind: Kind = Kind.PLACE, at: float = 0) -> OutcomeUnknown:
    return OutcomeUnknown(FIRST, kind, "time-out", after(at))


def unplaced(*facts: Fact) -> State:
    return fold(*facts, state=planned((49, 100)))


def amend(price: int, revision: int = 1, *, walk: bool = False, ahead: int = 0) -> Amend:
    return Amend(
        FIRST,
        name(FIRST),
        0,
        revision,
        cents(price),
        contracts(100),
        Style.REST,
        contracts(ahead),
        walk,
        5,
        "test",
    )


# Placing


def test_a_quote_without_an_order_is_placed_behind_the_queue_it_joins() -> None:
    state = planned((48, 60), (47, 40))
    assert asked(state, quote(48), quote(47, split=2)) == (
        Place(FIRST, cents(48), contracts(60), Style.REST, contracts(500), "test"),
        Place(SECOND_SPLIT, cents(47), contracts(40), Style.REST, contracts(500), "test"),
    )


def test_nothing_is_placed_for_a_split_without_a_quote() -> None:
    assert asked(planned((48, 60), (47, 40))) == ()


def test_the_remainder_of_a_closed_order_is_placed_under_the_next_revision_on_a_book_read_since() -> None:
    closed = live(49, 100, Filled(match("a", 30), NOW), record(CANCELED, 30, at=after(1)), LookedUp("", after(1)))
    assert asked(closed, quote(), seen=view(after(2), book_at=after(1))) == ()
    assert asked(closed, quote(), at=2) == (
        Place(OrderKey(1, 1), cents(49), contracts(70), Style.REST, Count(0), "test"),
    )


def test_a_place_needs_headroom_for_all_of_it() -> None:
    over = fold(intended(SECOND_SPLIT, 48, 90), accepted(SECOND_SPLIT), state=planned((49, 60), (48, 90), of=parent()))
    assert asked(over, quote(), quote(48, split=2)) == ()


def test_what_one_place_takes_the_next_does_not_have() -> None:
    state = planned((49, 60), (48, 90), of=parent())
    placed = asked(state, quote(), quote(48, split=2))
    assert [command.key for command in placed if isinstance(command, Place)] == [FIRST]


def test_an_order_that_was_refused_and_is_shown_at_rest_counts_and_it_and_what_was_placed_instead_are_cancelled() -> (
    None
):
    refused = fold(intended(), Refused(FIRST, Kind.PLACE, "http_400", "", NOW), state=planned((49, 100)))
    shown = fold(record(RESTING), state=refused)
    assert total_exposure(shown) == contracts(100)
    assert asked(shown, quote()) == (), "it is the one that is wanted"
    second = OrderKey(1, 1)
    twice = fold(intended(second), accepted(second), record(RESTING), state=refused)
    assert set(asked(twice, quote())) == set(asked(twice)) == {Cancel(FIRST, name(FIRST)), Cancel(second, name(second))}


def test_what_rests_above_a_cap_that_has_come_down_comes_down_to_it() -> None:
    state = fold(CapChanged(cents(47), NOW), state=live(49, 100))
    assert isinstance(amended := asked(state, quote(49))[0], Amend)
    assert (amended.price, amended.total) == (cents(47), contracts(100))
    assert isinstance(asked(fold(CapChanged(cents(47), NOW), state=unplaced(intended(), lost())), quote(49))[0], Burn)


def test_a_place_is_snapped_under_the_cap_onto_the_grid_in_force() -> None:
    assert isinstance(placed := asked(planned((49, 100)), quote(60, Style.TAKE))[0], Place)
    assert placed.price == cents(53)
    coarse = fold(GridChanged(GRIDS[3], NOW), state=planned((49, 100)))
    assert isinstance(snapped := asked(coarse, quote(49))[0], Place)
    assert snapped.price == cents(45)
    assert asked(fold(GridChanged(GRIDS[3], NOW), state=planned((3, 100))), quote(3)) == ()


@pytest.mark.parametrize(
    "seen",
    [
        view(after(1), book_at=Micros(0)),
        view(after(9), book_at=after(1)),
        view(after(1), ((52, 5),), ((52, 5),)),
        view(after(1), is_open=False),
        view(after(1), offers=((49, 5),)),
        view(after(1), offers=((48, 5),), queue=()),
    ],
)
def test_nothing_is_placed_or_moved_on_a_bad_book_a_closed_market_or_across_the_offer(seen: View) -> None:
    assert asked(planned((49, 100)), quote(), seen=seen) == ()
    working = live(45, 100, SEEN, LookupStarted(NOW))
    assert asked(working, quote(), seen=seen) == ()


def test_a_take_may_cross() -> None:
    seen = view(after(1), offers=((49, 5),))
    assert isinstance(asked(planned((49, 100)), quote(49, Style.TAKE), seen=seen)[0], Place)


def test_a_filled_split_places_nothing() -> None:
    done = live(49, 100, Filled(match("a", 100), NOW), record(CANCELED, 100))
    assert asked(done, quote()) == ()


@pytest.mark.parametrize(
    "fact", [Refused(FIRST, Kind.PLACE, "invalid_order", "post only cross", NOW), Deferred(FIRST, Kind.PLACE, "x", NOW)]
)
def test_a_refused_split_waits_and_then_uses_a_new_id(fact: Fact) -> None:
    state = unplaced(intended(), fact)
    assert asked(state, quote(), at=0.4) == ()
    assert isinstance(placed := asked(state, quote())[0], Place)
    assert placed.key == OrderKey(1, 1)


@pytest.mark.parametrize(("paused", "waits"), [(False, [0.5, 1, 2, 4, 4]), (True, [0.5, 1, 2, 4, 8, 16, 32, 32])])
@pytest.mark.parametrize("kind", [Kind.PLACE, Kind.AMEND])
def test_what_does_not_come_to_the_matching_is_tried_ever_more_slowly_most_of_all_in_a_pause(
    kind: Kind, paused: bool, waits: list[float]
) -> None:
    state, waited = unplaced(intended()), []
    for _ in waits:
        state = fold(Deferred(FIRST, kind, "x", NOW, paused), state=state)
        waited.append(replace_at(state, state.splits[0]))
    assert waited == [after(seconds) for seconds in waits]
    for news in (accepted(), Refused(FIRST, kind, "invalid_order", "post only cross", NOW)):
        told = fold(news, state=state)
        assert replace_at(told, told.splits[0]) <= after(1), "the exchange works again"
        again = fold(*[Deferred(FIRST, kind, "x", NOW)] * 2, state=told)
        assert replace_at(again, again.splits[0]) == after(1), "and is counted anew"


def test_takes_that_got_nothing_are_repeated_ever_more_slowly() -> None:
    state, instants = planned((49, 100)), []
    for birth in range(3):
        key = OrderKey(1, birth)
        state = fold(
            intended(key, style=Style.TAKE), accepted(key), record(CANCELED, key=key, revision=birth), state=state
        )
        instants.append(replace_at(state, state.splits[0]))
    assert instants == [after(0.5), after(1), after(2)]
    filled = fold(Filled(match("a", 1, key=OrderKey(1, 2)), NOW), state=state)
    assert replace_at(filled, filled.splits[0]) == 0
    rested = live(49, 100, record(CANCELED))
    assert replace_at(rested, rested.splits[0]) == 0, "it had waited for a fill, and took no chance"


SECOND_ORDER = OrderKey(1, 1)


def shows(state: State, revision: int, order: str, status: OrderStatus, count: int) -> OrderRecord:
    of, left = state.parent, contracts(100 - count if status is RESTING else 0)
    client = ClientId(of.installation, of.execution, 1, revision).text()
    return OrderRecord(
        order, client, of.ticker, of.leg, cents(49), status, contracts(100), contracts(count), left, Money(0), NOW
    )


def trade(state: State, order: str, count: int, at: Micros) -> FillRecord:
    of = state.parent
    return FillRecord(order, f"t-{order}", of.ticker, of.leg, cents(49), contracts(count), Money(0), taker=False, at=at)


def looked(state: State, orders: tuple[OrderRecord, ...], fills: tuple[FillRecord, ...], at: Micros) -> State:
    told = lookup_reply(state, Success(orders), Success(fills), at)
    return fold(LookupStarted(at), *told, state=state)


def both_rest() -> State:
    """The first create was reported as refused, the second one accepted; then the list shows both at rest."""
    refused = fold(intended(), Refused(FIRST, Kind.PLACE, "http_400", "", NOW), state=planned((49, 100)))
    twice = fold(intended(SECOND_ORDER), accepted(SECOND_ORDER), state=refused)
    return looked(twice, (shows(twice, 1, name(SECOND_ORDER), RESTING, 0), shows(twice, 0, "A", RESTING, 0)), (), NOW)


def second_ends(filled: int) -> State:
    state = both_rest()
    assert Cancel(SECOND_ORDER, name(SECOND_ORDER)) in asked(state, quote())
    state = fold(
        Requested(SECOND_ORDER, Kind.CANCEL, after(1)), CancelAcknowledged(SECOND_ORDER, after(1)), state=state
    )
    fills = (trade(state, name(SECOND_ORDER), filled, after(1)),) if filled else ()
    records = (shows(state, 1, name(SECOND_ORDER), CANCELED, filled), shows(state, 0, "A", RESTING, 0))
    return looked(state, records, fills, after(2))


def test_no_more_than_is_wanted_stays_working() -> None:
    state = second_ends(40)
    assert total_filled(state) == contracts(40)
    assert total_exposure(state) > state.parent.count
    assert any(isinstance(one, Cancel) for one in asked(state, quote(), at=60)), "60 are wanted and 100 rest"


def test_what_was_placed_instead_of_an_order_that_filled_all_the_same_is_cancelled_for_it_asks_for_too_much() -> None:
    refused = fold(intended(), Refused(FIRST, Kind.PLACE, "http_400", "", NOW), state=planned((49, 100)))
    placed = fold(intended(SECOND_ORDER), accepted(SECOND_ORDER), state=refused)
    placed = looked(placed, (shows(placed, 1, name(SECOND_ORDER), RESTING, 0),), (), NOW)
    assert asked(placed, quote()) == ()
    for least in (Count(1), contracts(40)):
        ended = replace(shows(placed, 0, "A", CANCELED, 0), filled=least)
        fill = replace(trade(placed, "A", 0, NOW), count=least)
        both = looked(placed, (shows(placed, 1, name(SECOND_ORDER), RESTING, 0), ended), (fill,), after(1))
        assert asked(both, quote(), at=1.5) == (Cancel(SECOND_ORDER, name(SECOND_ORDER)),)


def test_an_order_that_another_was_placed_instead_of_is_never_amended_its_records_would_be_taken_for_the_others() -> (
    None
):
    assert asked(second_ends(0), quote(50), at=3) == (Cancel(FIRST, "A"),)


def test_a_record_that_lags_reopens_nothing_whose_end_a_record_has_shown() -> None:
    state = fold(intended(), Refused(FIRST, Kind.PLACE, "http_400", "", NOW), state=planned((49, 100)))
    state = looked(state, (shows(state, 0, "A", CANCELED, 0),), (), after(1))
    state = looked(state, (shows(state, 0, "A", RESTING, 0),), (), after(1.2))
    assert state.orders[0].phase is Phase.CLOSED


# Working


def test_a_working_order_at_its_price_is_left_alone() -> None:
    assert asked(live(), quote()) == ()


def test_a_new_price_is_one_amend_of_the_same_total_under_the_next_revision() -> None:
    assert asked(live(), quote(50, walk=True)) == (amend(50, walk=True),)
    assert asked(live(), quote(48)) == (amend(48, ahead=500),)


def test_amended_before_it_sends_the_id_it_has_now() -> None:
    intent = AmendIntended(FIRST, 1, cents(50), contracts(100), Style.REST, Count(0), True, 0, "test", NOW)
    state = live(49, 100, intent, Amended(FIRST, 1, None, NOW))
    assert asked(state, quote(51)) == (replace(amend(51, 2), current=1),)


def test_a_partly_filled_order_is_amended_to_its_total_not_to_what_is_left() -> None:
    state = live(49, 100, Filled(match("a", 30), NOW))
    assert asked(state, quote(50)) == (amend(50),)


def test_an_amend_never_goes_past_the_cap_or_off_the_grid() -> None:
    assert isinstance(amended := asked(live(), quote(54, Style.TAKE))[0], Amend)
    assert amended.price == cents(53)
    assert asked(live(), replace(quote(50), price=Price(5_050))) == ()


def test_an_order_that_its_owner_made_larger_than_is_wanted_is_not_amended() -> None:
    larger = live(49, 100, SEEN, record(RESTING, total=150))
    assert asked(larger, quote(50)) == ()
    assert asked(larger) == (Cancel(FIRST, name(FIRST)),)


def test_an_amend_waits_after_a_refusal_and_for_a_book_read_since() -> None:
    intent = AmendIntended(FIRST, 1, cents(50), contracts(100), Style.REST, Count(0), True, 0, "test", NOW)
    refused = Refused(FIRST, Kind.AMEND, "invalid_order", "post only cross", NOW)
    state = live(49, 100, intent, refused, record(RESTING), SEEN)
    assert asked(state, quote(50), at=0.4) == ()
    assert asked(state, quote(50), seen=view(after(1), book_at=NOW)) == ()
    assert asked(state, quote(50)) == (amend(50, 2),)


@pytest.mark.parametrize("kind", [Kind.PLACE, Kind.AMEND, Kind.CANCEL])
def test_one_mutation_at_a_time(kind: Kind) -> None:
    under_way = unplaced(intended()) if kind is Kind.PLACE else live(49, 100, Requested(FIRST, kind, NOW))
    assert asked(under_way, quote(50)) == ()
    assert asked(under_way) == ()


def test_an_order_in_doubt_is_looked_up_before_anything_else() -> None:
    doubtful = live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), Refused(FIRST, Kind.CANCEL, "not_found", "", NOW))
    assert asked(doubtful, quote(50)) == (Lookup(),)
    assert asked(doubtful) == (Lookup(),)


def test_a_full_order_is_looked_up_not_cancelled() -> None:
    assert asked(live(49, 100, Filled(match("a", 100), NOW))) == (Lookup(),)


# Cancelling


def test_an_order_without_a_quote_is_cancelled_once() -> None:
    assert asked(live()) == (Cancel(FIRST, name(FIRST)),)
    acknowledged = live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), CancelAcknowledged(FIRST, NOW))
    assert asked(acknowledged, at=0.1) == (Lookup(),)


def test_a_cancel_that_did_not_show_is_read_again_and_then_sent_again() -> None:
    stale = live(
        49,
        100,
        Requested(FIRST, Kind.CANCEL, NOW),
        CancelAcknowledged(FIRST, NOW),
        record(RESTING),
        LookedUp("", after(0.1)),
    )
    assert asked(stale, at=0.5) == ()
    assert asked(stale, at=0.6) == (Lookup(),)
    assert Cancel(FIRST, name(FIRST)) in asked(stale, at=2)
    assert asked(stale, quote(50), at=0.5) == ()


def test_a_deferred_cancel_is_sent_again_soon() -> None:
    deferred = live(49, 100, SEEN, Requested(FIRST, Kind.CANCEL, NOW), Deferred(FIRST, Kind.CANCEL, "x", NOW))
    assert retry_at(deferred.orders[0]) == after(0.5)
    assert asked(deferred, at=0.4) == ()
    assert asked(deferred, at=0.5) == (Cancel(FIRST, name(FIRST)),)


def test_an_order_in_doubt_that_is_not_wanted_is_cancelled_where_orders_cannot_be_read() -> None:
    doubtful = live(49, 100, LookupStarted(NOW), lost(Kind.AMEND))
    assert asked(doubtful, at=0.9) == (), "what is being read may tell"
    assert asked(doubtful, at=1) == (Cancel(FIRST, name(FIRST)),), "but not when the read waits for its budget"
    assert asked(doubtful, quote(), at=1) == (), "what is wanted is not cancelled for that"
    unread = fold(LookedUp("time-out", after(0.1)), state=doubtful)
    assert asked(unread, at=0.5) == (Cancel(FIRST, name(FIRST)),)
    assert asked(unread, quote(50), at=0.5) == (), "nothing else is done about it"
    assert asked(fold(LookedUp("", after(0.2)), state=unread), at=0.6) == ()


def test_a_cancel_whose_answer_is_lost_where_orders_cannot_be_read_is_repeated_ever_more_slowly() -> None:
    unread = live(49, 100, LookedUp("time-out", NOW), Requested(FIRST, Kind.CANCEL, NOW), lost(Kind.CANCEL))
    assert Cancel(FIRST, name(FIRST)) not in asked(unread, at=0.4)
    assert Cancel(FIRST, name(FIRST)) in asked(unread, at=0.5)
    again = fold(Requested(FIRST, Kind.CANCEL, after(0.5)), lost(Kind.CANCEL, at=0.5), state=unread)
    assert Cancel(FIRST, name(FIRST)) not in asked(again, at=1.4)
    assert Cancel(FIRST, name(FIRST)) in asked(again, at=1.5)


# Unknown outcomes


def test_an_unknown_place_still_wanted_is_claimed_with_the_same_body() -> None:
    state = unplaced(intended(), lost())
    assert asked(state, quote(), at=0.4) == ()
    assert asked(state, quote()) == (Claim(FIRST, cents(49), contracts(100), Style.REST),)


def test_an_unknown_place_not_wanted_any_more_is_burned_at_the_far_end() -> None:
    state = unplaced(intended(), lost())
    assert asked(state, quote(50)) == (Burn(FIRST, cents(1)),)
    assert asked(state) == (Burn(FIRST, cents(1)),)
    assert asked(state, seen=view(after(1), grid=GRIDS[2])) == (Burn(FIRST, GRIDS[2].lowest()),)


def test_a_claim_off_a_new_grid_is_a_burn() -> None:
    state = unplaced(intended(price=49), lost(), GridChanged(GRIDS[3], NOW))
    assert asked(state, quote(49), seen=view(after(1), grid=GRIDS[3])) == (Burn(FIRST, cents(5)),)


def test_a_claim_past_a_lowered_cap_is_a_burn() -> None:
    state = unplaced(intended(price=53), lost(), GridChanged(GRIDS[3], NOW))
    assert asked(state, quote(53), seen=view(after(1), grid=GRIDS[3])) == (Burn(FIRST, cents(5)),)


def test_an_order_that_no_price_under_the_cap_can_burn_any_more_is_looked_for_and_cancelled_once_it_is_found() -> None:
    half_a_cent = parent(target=Price(50), cap=Price(50), grid=GRIDS[1])
    sent = fold(replace(intended(), price=Price(50)), state=planned((49, 100), of=half_a_cent))
    state = fold(lost(), LookedUp("", NOW), state=sent)
    assert asked(state, seen=view(after(1), grid=GRIDS[1])) == (Burn(FIRST, Price(50)),)
    assert asked(state) == ()
    assert lookup_due(state, view(), POLICY) == after(20)
    assert asked(state, at=20) == (Lookup(),)
    found = fold(replace(record(RESTING), price=Price(50)), LookedUp("", after(20)), state=state)
    assert asked(found, at=21) == (Cancel(FIRST, name(FIRST)),)
    assert lookup_due(fold(record(CANCELED), state=found), view(), POLICY) > after(3600)


def test_a_claim_that_told_nothing_is_followed_by_burns_and_looks() -> None:
    claimed = unplaced(intended(), lost(), Requested(FIRST, Kind.CLAIM, NOW), lost(Kind.CLAIM))
    assert asked(claimed, quote()) == (Burn(FIRST, cents(1)),)
    burned = fold(Requested(FIRST, Kind.BURN, NOW), lost(Kind.BURN), state=claimed)
    assert asked(burned, quote()) == (Lookup(),)
    assert asked(fold(LookedUp("", after(1)), state=burned), quote(), at=3) == (Burn(FIRST, cents(1)),)


def test_a_duplicate_is_looked_up_until_the_list_shows_it() -> None:
    known = unplaced(intended(), lost(), Duplicated(FIRST, after(1)))
    assert asked(known, quote(), at=1) == (Lookup(),)
    looked = fold(LookupStarted(after(1)), LookedUp("", after(2)), state=known)
    assert asked(looked, quote(), at=2.4) == ()
    assert asked(looked, at=2.5) == (Lookup(),)


# Looking up


def test_working_orders_are_read_now_and_then_and_one_look_is_under_way_at_a_time() -> None:
    assert lookup_due(live(), view(), POLICY) == after(20)
    assert lookup_due(live(49, 100, LookedUp("", after(5))), view(), POLICY) == after(25)
    behind = live(49, 100, LookedUp("", after(-60)))
    assert lookup_due(behind, view(after(-60)), POLICY) == after(-40), "since taken up where the clock is behind"
    assert lookup_due(planned((49, 100)), view(), POLICY) > after(3600)
    assert asked(live(), quote(), at=20) == (Lookup(),)
    assert asked(live(49, 100, LookupStarted(NOW)), quote(), at=20) == ()


def test_trades_that_went_past_an_order_call_for_a_look() -> None:
    passed = replace(view(after(1)), passages=(Passage(1, contracts(10), after(1)),))
    assert passed_by(live()) == (Passed(1, Count(0), Micros(0)),)
    assert asked(live(), quote(), seen=passed) == (Lookup(),)
    assert asked(live(49, 100, Filled(match("a", 10), NOW)), quote(), seen=passed) == ()
    assert asked(live(49, 100, LookedUp("", after(1))), quote(), seen=passed) == ()


def test_trades_at_our_price_come_in_bursts_and_are_looked_into_once_a_tick() -> None:
    again = replace(view(after(3)), passages=(Passage(1, contracts(10), after(2)),))
    looked = live(49, 100, LookedUp("", after(1)))
    assert lookup_due(looked, again, POLICY) == after(5)
    assert asked(looked, quote(), seen=again) == ()


def test_once_calls_are_spared_such_trades_are_looked_into_no_sooner_than_orders_are_read_anyway() -> None:
    again = replace(view(after(3)), passages=(Passage(1, contracts(10), after(2)),))
    looked = live(49, 100, LookedUp("", after(1)))
    eager, sparing = (replace(POLICY, sparing_from=looked.calls + more) for more in (1, 0))
    assert (lookup_due(looked, again, eager), lookup_due(looked, again, sparing)) == (after(5), after(21))
    ending = fold(WindingDown("time", after(2)), state=looked)
    assert lookup_due(ending, again, sparing) == after(5), "an order on its way out is not left unread"
    assert asked(looked, quote(), seen=replace(again, now=after(5))) == (Lookup(),)
    slow = replace(
        POLICY, config=replace(POLICY.config, walker=replace(POLICY.config.walker, walk_interval=Micros(600 * SECOND)))
    )
    assert lookup_due(looked, again, slow) == after(5), "who walks seldom learns of its fills as soon"


def test_a_closed_order_is_read_until_its_fills_are_all_there() -> None:
    closed = live(49, 100, record(CANCELED, 30), LookedUp("", after(1)))
    assert lookup_due(closed, view(), POLICY) == after(1.5)
    settled = fold(Filled(match("a", 30), NOW), state=closed)
    assert lookup_due(settled, view(), POLICY) > after(3600)


def test_a_look_that_failed_is_repeated_ever_more_slowly() -> None:
    taken = fold(intended(style=Style.TAKE), Accepted(FIRST, "x", None, NOW), state=planned((49, 100)))
    failing = fold(*(LookedUp("time-out", after(1)) for _ in range(3)), state=taken)
    assert lookup_due(failing, view(), POLICY) == after(5)


def test_waits_double_up_to_four_seconds() -> None:
    waits = [backoff(troubles) for troubles in range(7)]
    assert waits == [SECOND // 4, SECOND // 2, SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND, 4 * SECOND]
    assert backoff(10_000) == 4 * SECOND


# Each phase by itself: what the fold makes impossible today is still not acted on


def phased(phase: Phase) -> State:
    state = live(49, 100, SEEN)
    return replace(state, orders=(replace(state.orders[0], phase=phase, doubt=False),))


def test_an_order_whose_record_was_never_seen_is_read_and_neither_moved_nor_cancelled() -> None:
    assert asked(phased(Phase.DUPLICATE), quote(50)) == (Lookup(),)
    assert asked(phased(Phase.DUPLICATE)) == (Lookup(),)


def test_only_a_live_order_ends_by_being_full() -> None:
    state = phased(Phase.SENT)
    whole = replace(state, orders=(replace(state.orders[0], floor=contracts(100)),))
    assert lookup_due(whole, view(after(1)), POLICY) > after(3600)


def test_a_working_order_in_trouble_is_not_one_of_unknown_outcome() -> None:
    deferred = (Requested(FIRST, Kind.CANCEL, NOW), Deferred(FIRST, Kind.CANCEL, "x", after(1)))
    assert asked(live(49, 100, SEEN, *(3 * deferred)), at=1.5) == ()


def test_an_order_that_still_takes_has_not_taken_nothing() -> None:
    taking = fold(intended(style=Style.TAKE), accepted(), state=planned((49, 100)))
    assert replace_at(taking, taking.splits[0]) == 0


def test_the_wait_after_takes_that_got_nothing_is_from_the_last_of_them() -> None:
    state = planned((49, 100))
    for birth in range(2):
        key, at = OrderKey(1, birth), after(birth)
        gone = record(CANCELED, key=key, revision=birth, at=at)
        state = fold(intended(key, style=Style.TAKE), accepted(key), gone, state=state)
    assert replace_at(state, state.splits[0]) == after(2)


def test_one_working_order_is_read_now_and_then_whatever_became_of_the_others() -> None:
    both = fold(intended(price=49, count=60), accepted(), state=planned((49, 60), (48, 40)))
    both = fold(intended(SECOND_SPLIT, 48, 40), accepted(SECOND_SPLIT), record(CANCELED, key=SECOND_SPLIT), state=both)
    assert lookup_due(both, view(), POLICY) == after(20)


def test_one_unclear_order_is_read_soon_whatever_became_of_the_others() -> None:
    state = fold(intended(price=49, count=60), accepted(), state=planned((49, 60), (48, 40)))
    state = fold(intended(SECOND_SPLIT, 48, 40), LookedUp("", after(9)), state=state)
    first, second = state.orders
    stuck = replace(second, phase=Phase.UNKNOWN, troubles=3, request=None)
    assert lookup_due(replace(state, orders=(replace(first, doubt=True), stuck)), view(), POLICY) == after(9.5)


def test_a_market_that_is_not_open_is_asked_to_burn_seldom_once_it_has_refused_a_few_times() -> None:
    stuck = unplaced(intended(), lost(), lost(Kind.BURN), lost(Kind.BURN))
    shut = view(after(20), is_open=False)
    assert isinstance(asked(stuck, seen=view(after(20)))[0], Burn)
    assert Burn not in map(type, asked(stuck, seen=shut))
    assert isinstance(asked(stuck, seen=view(after(60), is_open=False))[0], Burn)
    fresh = unplaced(intended(), lost(), lost(Kind.BURN))
    assert isinstance(asked(fresh, seen=shut)[0], Burn)


# A market that is over takes nothing any more: what never came there never will

UNKNOWN = unplaced(intended(), lost())
OVER_S = READ_LAG // SECOND


def read(begun: float, ended: float, failure: str = "") -> tuple[LookupStarted, LookedUp]:
    return LookupStarted(after(begun)), LookedUp(failure, after(ended))


def test_an_order_of_unknown_outcome_is_not_sent_again_to_a_market_that_is_over() -> None:
    assert asked(UNKNOWN, quote()) == (Claim(FIRST, cents(49), contracts(100), Style.REST),)
    assert asked(fold(MarketOver(NOW), state=UNKNOWN), quote()) == ()


def test_it_lapses_once_orders_that_were_read_long_enough_after_do_not_show_it() -> None:
    over = fold(MarketOver(NOW), state=UNKNOWN)
    assert lookup_due(over, view(), POLICY) == after(OVER_S)
    assert asked(over, at=OVER_S - 0.1) == ()
    assert asked(over, at=OVER_S) == (Lookup(),)
    looked = fold(*read(OVER_S, OVER_S + 0.2), state=over)
    assert asked(looked, at=OVER_S + 0.3) == (Lapse(FIRST),)


@pytest.mark.parametrize(
    "reads",
    [
        (),
        read(OVER_S - 0.1, OVER_S + 1),  # begun before, and so maybe without what came last
        read(OVER_S, OVER_S + 0.2, "time-out"),
        (*read(OVER_S - 2, OVER_S - 1), LookupStarted(after(OVER_S))),  # under way
        (*read(OVER_S - 2, OVER_S - 1), LookupStarted(after(OVER_S)), Resumed("w", after(OVER_S + 1))),
    ],
)
def test_it_does_not_lapse_for_a_reading_that_began_earlier_failed_or_has_not_ended(reads: tuple[Fact, ...]) -> None:
    over = fold(MarketOver(NOW), *reads, state=UNKNOWN)
    assert Lapse(FIRST) not in asked(over, at=OVER_S + 60)


def test_after_a_reading_that_failed_orders_are_read_again() -> None:
    over = fold(MarketOver(NOW), *read(OVER_S, OVER_S + 0.2, "time-out"), state=UNKNOWN)
    assert lookup_due(over, view(), POLICY) == after(OVER_S + 0.2) + backoff(1, REREAD)


REFUSED_CANCEL = Refused(FIRST, Kind.CANCEL, "not_found", "", after(2))


@pytest.mark.parametrize(
    "gone",
    [
        live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), REFUSED_CANCEL),
        live(49, 100, Filled(match("a", 100), NOW)),
        unplaced(intended(), lost(), Duplicated(FIRST, NOW)),
    ],
)
def test_an_order_that_came_and_that_the_exchange_has_lost_lapses_likewise(gone: State) -> None:
    over = fold(MarketOver(NOW), *read(3, 4), state=gone)
    assert asked(over, at=4.1) == ()
    assert asked(over, at=4.5) == (Lookup(),), "what became of it is read as soon as ever"
    early = fold(*read(OVER_S - 0.1, OVER_S), state=over)
    assert Lapse(FIRST) not in asked(early, at=OVER_S + 60)
    unread = fold(*read(OVER_S, OVER_S + 0.2, "time-out"), state=early)
    assert Lapse(FIRST) not in asked(unread, at=OVER_S + 60)
    assert asked(fold(*read(OVER_S, OVER_S + 0.2), state=early), at=OVER_S + 0.3) == (Lapse(FIRST),)


def test_an_order_that_is_shown_does_not_lapse() -> None:
    over = fold(MarketOver(NOW), *read(OVER_S, OVER_S + 0.2), state=live(49, 100, record(RESTING)))
    assert asked(over, at=OVER_S + 1) == (Cancel(FIRST, name(FIRST)),)
    refused = fold(
        Requested(FIRST, Kind.CANCEL, after(OVER_S + 1)), replace(REFUSED_CANCEL, at=after(OVER_S + 2)), state=over
    )
    assert Lapse(FIRST) not in asked(refused, at=OVER_S + 3), "it was refused after the last reading began"
    assert Lapse(FIRST) not in asked(fold(*read(OVER_S + 2, OVER_S + 2.5), state=refused), at=OVER_S + 3)
    assert Lapse(FIRST) in asked(fold(*read(OVER_S + 3, OVER_S + 4), state=refused), at=OVER_S + 5)


def test_what_became_of_the_others_is_read_as_soon_as_ever() -> None:
    state = fold(intended(price=49, count=60), lost(), state=planned((49, 60), (48, 40)))
    doubtful = Refused(SECOND_SPLIT, Kind.CANCEL, "not_found", "", after(3))
    both = fold(intended(SECOND_SPLIT, 48, 40), accepted(SECOND_SPLIT), doubtful, MarketOver(NOW), state=state)
    assert lookup_due(both, view(), POLICY) == 0


# Edges


def test_an_amend_may_go_as_far_as_the_cap() -> None:
    assert asked(live(), quote(53, Style.TAKE)) == (replace(amend(53), style=Style.TAKE),)


def test_the_last_hundredth_of_a_contract_is_placed() -> None:
    rest = live(49, 100, Filled(replace(match("a", 0), count=Count(9_999)), NOW), record(CANCELED, 0, at=NOW))
    assert isinstance(placed := asked(rest, quote())[0], Place)
    assert placed.count == Count(1)


def test_a_place_waits_for_a_book_read_after_the_last_of_the_orders_closed() -> None:
    state = planned((49, 100))
    for birth, seconds in ((0, 1), (1, 3)):
        key = OrderKey(1, birth)
        gone = record(CANCELED, key=key, revision=birth, at=after(seconds))
        state = fold(intended(key), accepted(key), gone, state=state)
    assert asked(state, quote(), seen=view(after(5), book_at=after(2))) == ()
    assert isinstance(asked(state, quote(), seen=view(after(5), book_at=after(4)))[0], Place)


def test_what_is_not_waited_for_is_due_from_the_beginning_of_time() -> None:
    assert retry_at(live().orders[0]) == 0
    doubtful = live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), Refused(FIRST, Kind.CANCEL, "not_found", "", NOW))
    assert lookup_due(doubtful, view(), POLICY) == 0


# An order of the account's own in the way


def faced(own: int, at: float = 1, offers: tuple[tuple[int, int], ...] = ((52, 500), (54, 500))) -> View:
    return replace(view(after(at), offers=offers), own_offer=cents(own))


@pytest.mark.parametrize("style", [Style.REST, Style.TAKE])
def test_nothing_is_placed_where_it_would_meet_an_order_of_the_account(style: Style) -> None:
    wanted = quote(50, style)
    assert not asked(unplaced(), wanted, seen=faced(50))
    assert opposed(unplaced(), faced(50), (wanted,)) == (1,)
    assert asked(unplaced(), wanted, seen=faced(51))
    assert opposed(unplaced(), faced(51), (wanted,)) == ()
    assert opposed(unplaced(), view(after(1)), (wanted,)) == ()


def test_an_order_stays_where_it_is_rather_than_meet_one_of_the_account() -> None:
    assert not asked(live(), quote(51), seen=faced(51))
    assert opposed(live(), faced(51), (quote(51),)) == (1,)
    assert asked(live(), quote(51), seen=faced(52)) == (amend(51),)
    assert not asked(live(), quote(49), seen=faced(49))
    assert opposed(live(), faced(49), (quote(49),)) == (), "it wants nothing else than it has"


def test_what_is_offered_before_the_accounts_order_is_taken_all_the_same() -> None:
    wanted, seen = quote(54, Style.TAKE), faced(53)
    (placed,) = asked(unplaced(), wanted, seen=seen)
    assert isinstance(placed, Place)
    assert (placed.price, placed.style) == (cents(52), Style.TAKE)
    assert opposed(unplaced(), seen, (wanted,)) == ()
    (amended,) = asked(live(), wanted, seen=seen)
    assert isinstance(amended, Amend)
    assert amended.price == cents(52)
    assert opposed(live(52), faced(53, offers=()), (wanted,)) == (1,), "and then it waits for the rest"


def test_what_others_offer_at_the_price_of_the_accounts_order_before_it_is_taken_too() -> None:
    wanted, seen = quote(54, Style.TAKE), replace(faced(52), own_after=contracts(1))
    (placed,) = asked(unplaced(), wanted, seen=seen)
    assert isinstance(placed, Place)
    assert (placed.price, placed.style) == (cents(52), Style.TAKE)
    assert opposed(unplaced(), seen, (wanted,)) == ()
    assert not asked(unplaced(), quote(52), seen=seen), "what should rest is refused"
    assert opposed(unplaced(), faced(52), (wanted,)) == (1,), "ours is the first"


def test_a_price_off_the_grid_is_judged_as_it_would_be_placed() -> None:
    wanted = replace(quote(), price=Price(5_050))
    assert opposed(unplaced(), faced(50), (wanted,)) == (1,)
    assert opposed(unplaced(), faced(51), (wanted,)) == ()
    assert opposed(unplaced(), faced(50), (replace(wanted, price=Price(50)),)) == (), "no price of the grid is under it"


def test_no_cancel_claim_or_burn_waits_for_an_order_of_the_account() -> None:
    seen = faced(1)
    assert asked(live(), seen=seen) == (Cancel(FIRST, name(FIRST)),)
    unknown = fold(intended(), lost(), state=planned((49, 100)))
    later = replace(seen, now=after(2), book_at=after(2))
    assert asked(unknown, quote(), seen=later) == (Claim(FIRST, cents(49), contracts(100), Style.REST),)
    assert asked(unknown, quote(51), seen=later) == (Burn(FIRST, cents(1)),)
    assert asked(unknown, seen=later) == (Burn(FIRST, cents(1)),)


def test_of_two_that_hold_each_other_up_who_wants_to_take_withdraws_what_it_has_at_rest() -> None:
    wanted, seen = quote(54, Style.TAKE), replace(faced(51), own_waits=True)
    assert asked(live(), wanted, seen=seen) == (Cancel(FIRST, name(FIRST)),)
    assert not asked(live(), wanted, seen=faced(51)), "nobody waits for it"
    assert not asked(live(), quote(51), seen=seen), "it can only rest, and does"
    assert asked(live(), wanted, seen=replace(faced(55), own_waits=True))[0] != Cancel(FIRST, name(FIRST))
    assert not asked(unplaced(), wanted, seen=seen)
    assert asked(live(), seen=seen) == (Cancel(FIRST, name(FIRST)),), "what is wanted no more goes as ever"


@pytest.mark.parametrize(
    "answers",
    [
        (Deferred(FIRST, Kind.CANCEL, "429", after(1)),),
        (lost(Kind.CANCEL, 1), record(RESTING, at=after(2)), LookedUp("", after(2))),
    ],
    ids=["not applied", "lost"],
)
def test_an_order_that_gave_way_in_vain_is_cancelled_all_the_same_once_nobody_waits_for_it(
    answers: tuple[Fact, ...],
) -> None:
    state = live(49, 100, Requested(FIRST, Kind.CANCEL, after(1)), *answers)
    assert Cancel(FIRST, name(FIRST)) in asked(state, quote(54, Style.TAKE), at=4), "no amend goes out after a cancel"
