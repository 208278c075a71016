"""The words of the exchange's answers (fact sheet, sections 3 and 5.3)."""

from depthwalker.core.answer import (
    FillRecord,
    MarketStatus,
    OrderStatus,
    recorded,
)
from depthwalker.core.book import Leg
from depthwalker.core.ledger import Fill
from depthwalker.core.units import Count, Micros, Money, Price


def test_an_order_is_in_one_of_three_states() -> None:
    assert [status.value for status in OrderStatus] == ["resting", "canceled", "executed"]


def test_a_market_is_in_one_of_eight_states() -> None:
    words = "initialized inactive active closed determined disputed amended finalized"
    assert [status.value for status in MarketStatus] == words.split()


def test_only_a_settled_market_takes_no_order_for_good() -> None:
    """A closing time may be moved, also after it, and a paused market is reactivated (fact sheet, section 3)."""
    assert [status for status in MarketStatus if status.over()] == [MarketStatus.FINALIZED]


def test_a_fill_of_an_execution_is_its_record_without_whose_it_is() -> None:
    fill = Fill("o", "t", Price(4_700), Count(30), Money(5), True, Micros(7))
    record = recorded(fill, "T", Leg.NO)
    assert record == FillRecord("o", "t", "T", Leg.NO, Price(4_700), Count(30), Money(5), taker=True, at=Micros(7))
    assert record.fill() == fill
