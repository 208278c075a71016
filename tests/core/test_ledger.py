"""Orders and fills: two counts of what is filled, and the most that may ever be."""

from dataclasses import replace

from tests.core.scenes import FIRST, NOW, after, cents, contracts, match

from depthwalker.core.ledger import (
    Ending,
    Kind,
    Order,
    Phase,
    Request,
    Style,
    close,
    exposure,
    filled,
    full,
    itemise,
    place,
    raise_floor,
    settled,
    shown,
)
from depthwalker.core.units import Count


def order(count: int = 100) -> Order:
    return place(FIRST, cents(49), contracts(count), Style.REST, Count(7), NOW)


def test_an_order_about_to_be_sent_counts_in_full() -> None:
    assert order().phase is Phase.SENT
    assert exposure(order()) == contracts(100)
    assert filled(order()) == 0


def test_a_fill_is_booked_once_with_cost_and_fee() -> None:
    booked = itemise(itemise(order(), match("a", 10, fee=9)), match("a", 10, fee=9))
    assert (booked.itemised, booked.cost, booked.fees) == (contracts(10), contracts(10) * cents(49), 9)


def test_the_same_trade_fills_two_orders_apart() -> None:
    first, second = itemise(order(), match("a", 10)), itemise(order(), match("a", 10))
    assert filled(first) + filled(second) == contracts(20)


def test_filled_is_the_larger_of_floor_and_items_and_the_floor_never_falls() -> None:
    assert filled(raise_floor(itemise(order(), match("a", 10)), contracts(30))) == contracts(30)
    assert filled(itemise(raise_floor(order(), contracts(5)), match("a", 10))) == contracts(10)
    assert raise_floor(raise_floor(order(), contracts(5)), contracts(3)).floor == contracts(5)
    assert raise_floor(order(), None) == order()


def test_a_closed_order_may_fill_no_more_than_it_has() -> None:
    closed = close(raise_floor(order(), contracts(30)), Ending.CANCELED, after(1))
    assert exposure(closed) == contracts(30)
    assert exposure(raise_floor(order(), contracts(30))) == contracts(100)
    assert exposure(raise_floor(order(), contracts(130))) == contracts(130)


def test_how_it_ended_first_stays() -> None:
    closed = close(close(order(), Ending.BURNED, after(1)), Ending.EXECUTED, after(2))
    assert (closed.ending, closed.closed_at, closed.request) == (Ending.BURNED, after(1), None)


def test_it_is_settled_when_closed_and_itemised_in_full() -> None:
    closed = close(raise_floor(order(), contracts(10)), Ending.CANCELED, NOW)
    assert not settled(closed)
    assert settled(itemise(closed, match("a", 10)))
    assert not settled(order())


def test_it_is_full_when_all_it_asked_for_is_filled() -> None:
    assert full(raise_floor(order(), contracts(100)))
    assert not full(raise_floor(order(), contracts(99)))
    assert full(replace(order(), total=Count(0)))


# What a book may show of an order: it was asked for at some instant, and changes took effect around it.


def test_a_book_shows_nothing_of_an_order_sent_after_it_or_closed_before_it() -> None:
    assert shown(order(), after(-1)) == ()
    assert shown(close(order(), Ending.CANCELED, after(3)), after(4)) == ()


def test_a_book_shows_what_an_order_has_left() -> None:
    assert shown(order(), after(1)) == ((cents(49), contracts(100)),)
    assert shown(raise_floor(order(), contracts(30)), after(1)) == ((cents(49), contracts(70)),)


def test_an_order_being_amended_may_show_at_both_prices_until_a_newer_book() -> None:
    request = Request(Kind.AMEND, 1, cents(50), contracts(100), Count(0), after(2))
    both = ((cents(49), contracts(100)), (cents(50), contracts(100)))
    assert shown(replace(order(), request=request), after(3)) == both
    amended = replace(order(), request=None, price=cents(50), since=after(4))
    assert shown(amended, after(4)) == both
    assert shown(amended, after(5)) == ((cents(50), contracts(100)),)


def test_an_order_closed_after_the_book_may_still_show_in_it_whole() -> None:
    closed = close(raise_floor(order(), contracts(30)), Ending.CANCELED, after(3))
    assert shown(closed, after(3)) == ((cents(49), contracts(100)),)


def test_a_book_asked_for_in_the_instant_of_sending_may_show_it() -> None:
    assert shown(order(), NOW) == ((cents(49), contracts(100)),)


def test_a_new_order_has_seen_no_trouble_and_no_end() -> None:
    fresh = order()
    assert (fresh.troubles, fresh.troubled_at, fresh.cancels, fresh.closed_at) == (0, 0, 0, 0)


def test_a_closed_order_is_in_no_doubt_and_nothing_is_under_way() -> None:
    closed = close(replace(order(), doubt=True, loose=True), Ending.CANCELED, NOW)
    assert (closed.doubt, closed.loose, closed.request) == (False, False, None)
