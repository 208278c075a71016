"""The book as a value: messages, our two ladders, our own orders taken out."""

from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.book import (
    EMPTY,
    Book,
    BookMessage,
    Delta,
    Gap,
    Ladder,
    Ladders,
    Leg,
    OwnOrder,
    Snapshot,
    apply,
    best_first,
    complement,
    ladders,
    within,
    without,
)
from depthwalker.core.units import DOLLAR, Count, Micros, Price

AT = Micros(7)
PRICES = st.integers(min_value=1, max_value=DOLLAR - 1).map(Price)
COUNTS = st.integers(min_value=1, max_value=10_000).map(Count)
SIDES = st.dictionaries(PRICES, COUNTS, max_size=12)
LEGS = st.sampled_from(Leg)


def bids(*levels: tuple[int, int]) -> Ladder:
    return tuple((Price(price), Count(count)) for price, count in levels)


def folded(book: Book, messages: list[BookMessage]) -> Book:
    for message in messages:
        after = apply(book, message)
        assert isinstance(after, Book)
        book = after
    return book


RECORDED = Book(bids((4700, 300)), bids((4800, 300)), AT)


def test_the_other_leg_s_bids_are_our_offers() -> None:
    assert ladders(RECORDED, Leg.YES) == Ladders(bids((4700, 300)), bids((5200, 300)))
    assert ladders(RECORDED, Leg.NO) == Ladders(bids((4800, 300)), bids((5300, 300)))
    assert (RECORDED.bids(Leg.YES), RECORDED.bids(Leg.NO)) == (RECORDED.yes, RECORDED.no)
    assert (Leg.YES.other(), Leg.NO.other()) == (Leg.NO, Leg.YES)


def test_spread_and_doubled_mid_need_both_ladders() -> None:
    ours = ladders(RECORDED, Leg.YES)
    assert (ours.spread(), ours.twice_mid(), ours.crossed()) == (500, 9900, False)
    one_sided = ladders(Book(RECORDED.yes, (), AT), Leg.YES)
    assert (one_sided.spread(), one_sided.twice_mid(), one_sided.crossed()) == (None, None, False)


def test_a_book_whose_bids_meet_is_crossed() -> None:
    assert ladders(Book(bids((5200, 1)), bids((4800, 1)), AT), Leg.YES).crossed()


def test_a_snapshot_replaces_the_book_and_sorts_it() -> None:
    snapshot = Snapshot(bids((4600, 5), (4700, 3), (4500, 0)), bids((4800, 2)), AT)
    assert apply(RECORDED, snapshot) == Book(bids((4700, 3), (4600, 5)), bids((4800, 2)), AT)


def test_a_delta_that_takes_more_than_there_is_reveals_a_gap() -> None:
    assert apply(RECORDED, Delta(Leg.YES, Price(4700), Count(-301), AT)) == Gap("a delta of -301 leaves -1 at 4700")
    assert apply(RECORDED, Delta(Leg.NO, Price(4700), Count(-1), AT)) == Gap("a delta of -1 leaves -1 at 4700")


def test_a_delta_empties_its_level() -> None:
    assert apply(RECORDED, Delta(Leg.NO, Price(4800), Count(-300), AT)) == Book(RECORDED.yes, (), AT)


def test_a_delta_of_nothing_on_no_level_leaves_the_book() -> None:
    assert apply(RECORDED, Delta(Leg.YES, Price(4600), Count(0), AT)) == RECORDED


@given(SIDES, SIDES, st.data())
def test_deltas_in_any_order_amount_to_the_snapshot(
    yes: dict[Price, Count], no: dict[Price, Count], data: st.DataObject
) -> None:
    snapshot = Snapshot(tuple(yes.items()), tuple(no.items()), AT)
    deltas: list[BookMessage] = [
        Delta(leg, price, part, AT)
        for leg, side in ((Leg.YES, yes), (Leg.NO, no))
        for price, count in side.items()
        for part in (Count(count - count // 2), Count(count // 2))
    ]
    assert folded(Book((), (), AT), data.draw(st.permutations(deltas))) == apply(EMPTY, snapshot)


@given(SIDES, SIDES, st.lists(st.tuples(LEGS, PRICES, st.integers(-5000, 5000)), max_size=20))
def test_deltas_agree_with_a_dictionary(
    yes: dict[Price, Count], no: dict[Price, Count], changes: list[tuple[Leg, Price, int]]
) -> None:
    book = Book(best_first(yes.items()), best_first(no.items()), AT)
    model = {Leg.YES: dict(yes), Leg.NO: dict(no)}
    for leg, price, change in changes:
        after = apply(book, Delta(leg, price, Count(change), AT))
        count = Count(model[leg].get(price, 0) + change)
        assert isinstance(after, Gap) == (count < 0)
        if isinstance(after, Book):
            book, model[leg][price] = after, count
    assert book == Book(best_first(model[Leg.YES].items()), best_first(model[Leg.NO].items()), AT)


@given(SIDES, SIDES)
def test_the_two_legs_see_one_book_from_its_two_ends(yes: dict[Price, Count], no: dict[Price, Count]) -> None:
    book = Book(best_first(yes.items()), best_first(no.items()), AT)
    ours, theirs = ladders(book, Leg.YES), ladders(book, Leg.NO)
    assert (complement(ours.queue), complement(ours.offers)) == (theirs.offers, theirs.queue)
    assert complement(complement(ours.queue)) == ours.queue
    assert ours.spread() == theirs.spread()
    assert ours.crossed() == theirs.crossed()
    assert list(ours.offers) == sorted(ours.offers)
    assert list(ours.queue) == sorted(ours.queue, reverse=True)


def test_our_own_orders_are_taken_out_and_no_level_goes_below_zero() -> None:
    book = Book(bids((4700, 300), (4600, 50)), bids((4800, 300)), AT)
    own = (
        OwnOrder(Leg.YES, Price(4700), Count(100)),
        OwnOrder(Leg.YES, Price(4600), Count(60)),
        OwnOrder(Leg.YES, Price(4650), Count(5)),
        OwnOrder(Leg.YES, Price(100), Count(5)),
        OwnOrder(Leg.NO, Price(4800), Count(300)),
    )
    assert without(book, own) == Book(bids((4700, 200)), (), AT)


def test_what_rests_within_a_distance_of_the_best() -> None:
    offers = bids((5200, 10), (5300, 20), (5700, 40), (5701, 80))
    assert within(offers, Price(500)) == 70
    assert within(complement(offers), Price(500)) == 70
    assert within((), Price(500)) == 0


def test_our_own_order_at_the_best_is_taken_out_and_nothing_behind_it() -> None:
    book = Book(((Price(50), Count(7)), (Price(40), Count(8)), (Price(30), Count(9))), (), Micros(1))
    assert without(book, (OwnOrder(Leg.YES, Price(50), Count(7)),)).yes == book.yes[1:]
    assert without(book, (OwnOrder(Leg.YES, Price(40), Count(3)),)).yes == (
        (Price(50), Count(7)),
        (Price(40), Count(5)),
        (Price(30), Count(9)),
    )


def test_a_price_is_framed_in_the_other_legs_terms_and_back() -> None:
    assert Leg.YES.framed(Price(4_200)) == 4_200
    assert Leg.NO.framed(Price(4_200)) == 5_800
    assert Leg.NO.framed(Leg.NO.framed(Price(1))) == 1
