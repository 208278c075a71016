"""The answers to batches: one outcome an item, in the order of the request (fact sheet, section 5.5)."""

from collections.abc import Sequence
from typing import Final

from depthwalker.core.answer import CancelAck, Trouble, Unknown
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Micros
from depthwalker.shell.bodies import BatchCancelBody, BatchCancelPart, CancelBody
from depthwalker.shell.reading import Refused, Unreadable, reading
from depthwalker.shell.rest import judge
from depthwalker.shell.wire import cancel_ack_of, words_of

# An item's error has no status of its own: this is the one that its code has elsewhere (fact sheet, section 5.11).
STATUS: Final = {
    "not_found": 404,
    "market_not_found": 404,
    "user_not_found": 404,
    "order_already_exists": 409,
    "fill_or_kill_insufficient_resting_volume": 409,
    "trading_is_paused": 409,
    "exchange_is_paused": 409,
    "too_many_requests": 429,
    "too many requests": 429,
    "authentication_error": 401,
    "insufficient_balance": 400,
    "available_balance_too_low": 400,
    "invalid_order": 400,
    "invalid_order_size": 400,
    "invalid_price": 400,
    "invalid_parameters": 400,
    "missing_parameters": 400,
    "bad_request": 400,
    "order_id_and_client_order_id_mismatch": 400,
    "order_side_mismatch": 400,
    "order_ticker_mismatch": 400,
    "MARKET_INACTIVE": 400,
    "market_closed": 400,
}
UNHEARD_OF: Final = 500  # what a code that nobody has seen leaves open


def read_batch_cancels(
    body: bytes, now: Micros, order_ids: Sequence[str]
) -> Outcome[tuple[Outcome[CancelAck, Trouble], ...], Unreadable]:
    """Return what became of each cancel of a batch; a batch of another length is Unreadable."""

    def convert(found: BatchCancelBody) -> tuple[Outcome[CancelAck, Trouble], ...]:
        if len(found.orders) != len(order_ids):
            raise Refused(f"{len(found.orders)} items answer {len(order_ids)}")
        return tuple(_outcome(one, now, sent) for one, sent in zip(found.orders, order_ids, strict=True))

    return reading("batch answer", BatchCancelBody, body, convert)


def _outcome(found: BatchCancelPart, now: Micros, order_id: str) -> Outcome[CancelAck, Trouble]:
    if found.error is not None:
        return Failure(judge(STATUS.get(found.error.code, UNHEARD_OF), words_of(found.error.model_dump())))
    try:
        return Success(_cancel_ack(found, now, order_id))
    except Refused as refused:
        return Failure(Unknown(Unreadable("batch answer", str(refused)).in_words()))


def _cancel_ack(found: BatchCancelPart, now: Micros, order_id: str) -> CancelAck:
    if found.reduced_by is None:
        raise Refused("an item has neither a count nor an error")
    return cancel_ack_of(
        CancelBody(order_id=found.order_id, reduced_by=found.reduced_by, ts_ms=found.ts_ms), now, order_id
    )
