"""The public types: what an engine may catch, and what an unconfirmed end tells it."""

from decimal import Decimal

import pytest

from depthwalker.core.parent import Refusal, RefusalKind
from depthwalker.core.units import Count
from depthwalker.shell import api


def test_everything_raised_on_purpose_has_one_base() -> None:
    raised = (
        api.InvalidMethod,
        api.InvalidEdge,
        api.OrderRefused,
        api.DatabaseTrouble,
        api.ExchangeTrouble,
        api.EngineClosed,
        api.Unresolved,
    )
    assert all(issubclass(error, api.DepthwalkerError) for error in raised)
    assert issubclass(api.InvalidMethod, ValueError)
    assert issubclass(api.InvalidEdge, ValueError)


def test_an_unconfirmed_end_tells_its_bounds_exactly() -> None:
    unresolved = api.Unresolved(7, Count(1), Count(6_000))
    assert (unresolved.execution_id, unresolved.filled_at_least, unresolved.filled_at_most) == (
        7,
        Decimal("0.01"),
        Decimal("60.00"),
    )
    assert "execution 7" in str(unresolved)
    assert "0.01 to 60.00" in str(unresolved)


def test_a_beginning_that_the_database_does_not_confirm_is_told_as_an_unconfirmed_end() -> None:
    unresolved = api.Unresolved(None, Count(0), Count(6_000))
    assert unresolved.execution_id is None
    assert "may have begun" in str(unresolved)
    assert "0.00 to 60.00" in str(unresolved)
    assert "the same request key" in str(unresolved)


def test_a_refusal_is_its_message_and_its_kind() -> None:
    refused = api.OrderRefused(Refusal(RefusalKind.INVALID_COUNT, "count 0.00: it must be more"))
    assert str(refused) == "count 0.00: it must be more"
    assert refused.refusal.kind is RefusalKind.INVALID_COUNT


@pytest.mark.parametrize(("status", "error"), [("completed", None), ("failed", "time-out"), ("cancelled", "time-out")])
def test_what_was_not_completed_has_an_error_message_as_the_specification_s_own_test_reads_it(
    status: str, error: str | None
) -> None:
    zero = Decimal(0)
    result = api.ExecutionResult(1, status, zero, None, None, 0, zero, zero, "simple_limit", "time-out")
    assert result.error_message == error


def test_results_are_values() -> None:
    result = api.ExecutionResult(1, "failed", Decimal(0), None, None, 0, Decimal(0), Decimal(0), "simple_limit", "")
    with pytest.raises(AttributeError):
        result.status = "completed"  # type: ignore[misc]  # that it cannot be assigned is the point
