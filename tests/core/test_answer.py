"""The words of the exchange's answers (fact sheet, sections 3 and 5.3)."""

from depthwalker.core.answer import Ack, MarketStatus, NotApplied, OrderStatus, Rejected, Unknown
from depthwalker.core.units import Count, Micros


def test_an_order_is_in_one_of_three_states() -> None:
    assert [status.value for status in OrderStatus] == ["resting", "canceled", "executed"]


def test_a_market_is_in_one_of_eight_states() -> None:
    words = "initialized inactive active closed determined disputed amended finalized"
    assert [status.value for status in MarketStatus] == words.split()


def test_answers_are_values_that_only_equal_their_own_kind() -> None:
    assert Unknown("timeout") == Unknown("timeout")
    assert {Unknown("timeout"), Unknown("timeout")} == {Unknown("timeout")}
    troubles: list[object] = [NotApplied("timeout"), Unknown("timeout"), Rejected(400, "invalid_price", "")]
    assert len(set(troubles)) == 3


def test_an_acknowledgement_may_leave_its_counts_out() -> None:
    assert Ack("a", None, None, Micros(1)) != Ack("a", Count(0), Count(0), Micros(1))


def test_only_a_settled_market_takes_no_order_for_good() -> None:
    """A closing time may be moved, also after it, and a paused market is reactivated (fact sheet, section 3)."""
    assert [status for status in MarketStatus if status.over()] == [MarketStatus.FINALIZED]
