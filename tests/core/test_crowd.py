"""The crowd: flow without names that stands in the same queues as our orders."""

from depthwalker.core.book import Leg
from depthwalker.core.crowd import arrive, replace, seed, take, withdraw
from depthwalker.core.matching import submit
from depthwalker.core.pit import NewOrder, Order, Pit, Queue, Rules, book, find, queue_ahead
from depthwalker.core.reports import Matched, Rested, Withdrawn
from depthwalker.core.units import Count, Micros, Price

YES, NO = Leg.YES, Leg.NO
NOW = Micros(1_000)


def levels(*pairs: tuple[int, int]) -> list[tuple[Price, Count]]:
    return [(Price(price), Count(count)) for price, count in pairs]


def with_ours(pit: Pit, order_id: str = "a", price: int = 4700, count: int = 100, expires: int = 9_000) -> Pit:
    pit, _ = submit(pit, NewOrder(order_id, "us", YES, Price(price), Count(count), expires=Micros(expires)), NOW)
    return pit


def test_a_seeded_pit_shows_the_book_it_was_given_in_any_order() -> None:
    pit = seed(levels((4600, 5), (4700, 3), (4500, 0)), levels((4800, 2)), Rules())
    assert (book(pit, NOW).yes, book(pit, NOW).no) == (tuple(levels((4700, 3), (4600, 5))), tuple(levels((4800, 2))))


def test_an_order_of_the_crowd_has_no_name_and_is_as_it_came() -> None:
    (queue,) = seed(levels((4700, 3)), [], Rules()).yes
    assert queue == Queue(Price(4700), Count(3), (Order("", "", YES, Price(4700), Count(0), Count(3)),))


def test_seeded_levels_that_cross_have_traded() -> None:
    pit = seed(levels((5300, 5), (4700, 3)), levels((4800, 2)), Rules())
    assert (book(pit, NOW).yes, book(pit, NOW).no) == (tuple(levels((5300, 3), (4700, 3))), ())


def test_an_arrival_takes_what_it_crosses_and_rests() -> None:
    pit = with_ours(Pit())
    pit, events = arrive(pit, NO, Price(5300), Count(150), NOW)
    assert [(e.maker_order, e.taker_order, e.count) for e in events if isinstance(e, Matched)] == [("a", "", 100)]
    assert events[-1] == Rested("", "", NO, Price(5300), Count(50))


def test_a_take_never_rests_and_is_told_nothing() -> None:
    pit, events = take(seed(levels((4700, 100)), [], Rules()), NO, Price(5300), Count(150), NOW)
    assert [type(event) for event in events] == [Matched]
    assert pit == Pit(trades=1)


def test_a_withdrawal_takes_the_back_of_the_crowd_and_never_ours() -> None:
    pit = with_ours(seed(levels((4700, 300)), [], Rules()))
    pit, _ = arrive(pit, YES, Price(4700), Count(200), NOW)
    pit, events = withdraw(pit, YES, Price(4700), Count(150), NOW)
    assert events == (Withdrawn(YES, Price(4700), Count(150)),)
    assert (queue_ahead(pit, "a"), book(pit, NOW).yes) == (300, tuple(levels((4700, 450))))
    pit, _ = withdraw(pit, YES, Price(4700), Count(100), NOW)
    assert (queue_ahead(pit, "a"), book(pit, NOW).yes) == (250, tuple(levels((4700, 350))))


def test_a_withdrawal_is_clipped_at_what_the_crowd_still_has() -> None:
    pit = with_ours(seed(levels((4700, 300)), [], Rules()))
    pit, events = withdraw(pit, YES, Price(4700), Count(1000), NOW)
    assert (events, queue_ahead(pit, "a")) == ((Withdrawn(YES, Price(4700), Count(300)),), 0)
    assert withdraw(pit, YES, Price(4700), Count(1), NOW) == (pit, ())
    assert withdraw(pit, YES, Price(4600), Count(1), NOW) == (pit, ())
    assert withdraw(pit, NO, Price(4600), Count(1), NOW) == (pit, ())


def test_a_level_that_the_crowd_leaves_is_gone() -> None:
    pit, _ = withdraw(seed(levels((4700, 300)), [], Rules()), YES, Price(4700), Count(300), NOW)
    assert pit == Pit()


def test_a_hundredth_of_a_contract_comes_and_goes() -> None:
    pit = seed(levels((4700, 300)), [], Rules())
    for changed, _ in (
        arrive(pit, YES, Price(4700), Count(1), NOW),
        replace(pit, levels((4700, 301)), [], NOW),
    ):
        assert book(changed, NOW).yes == tuple(levels((4700, 301)))
    for changed, _ in (
        withdraw(pit, YES, Price(4700), Count(1), NOW),
        replace(pit, levels((4700, 299)), [], NOW),
    ):
        assert book(changed, NOW).yes == tuple(levels((4700, 299)))


def test_nothing_does_nothing() -> None:
    pit = with_ours(seed(levels((4700, 300)), [], Rules()))
    for count in (Count(0), Count(-5)):
        assert arrive(pit, YES, Price(4700), count, NOW) == (pit, ())
        assert take(pit, NO, Price(5300), count, NOW) == (pit, ())
        assert withdraw(pit, YES, Price(4700), count, NOW) == (pit, ())


def test_a_new_snapshot_moves_the_crowd_and_keeps_our_place() -> None:
    pit = with_ours(seed(levels((4700, 300), (4600, 50)), levels((4800, 300)), Rules()))
    pit, events = replace(pit, levels((4700, 200), (4500, 70)), levels((4800, 350)), NOW)
    assert events == (
        Withdrawn(YES, Price(4700), Count(100)),
        Withdrawn(YES, Price(4600), Count(50)),
        Rested("", "", YES, Price(4500), Count(70)),
        Rested("", "", NO, Price(4800), Count(50)),
    )
    assert (queue_ahead(pit, "a"), book(pit, NOW).yes) == (200, tuple(levels((4700, 300), (4500, 70))))


def test_a_new_snapshot_that_reaches_our_price_fills_us() -> None:
    pit = with_ours(seed(levels((4600, 50)), levels((4800, 300)), Rules()))
    pit, events = replace(pit, levels((4500, 50)), levels((5400, 60), (4800, 300)), NOW)
    assert [(e.maker_order, e.yes_price, e.count) for e in events if isinstance(e, Matched)] == [("a", 4700, 60)]
    found = find(pit, "a")
    assert found is not None
    assert found.remaining == 40


def test_our_orders_expire_before_the_crowd_acts() -> None:
    pit = with_ours(seed([], levels((4800, 300)), Rules()), expires=2_000)
    for after, events in (
        arrive(pit, NO, Price(5300), Count(10), Micros(2_000)),
        withdraw(pit, NO, Price(4800), Count(300), Micros(2_000)),
        replace(pit, [], [], Micros(2_000)),
    ):
        assert find(after, "a") is None
        assert not any(isinstance(event, Matched) for event in events)
