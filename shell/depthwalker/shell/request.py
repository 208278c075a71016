"""The V2 requests' bodies (fact sheet, sections 5.2 to 5.9): numbers as text, prices on the exchange's one YES book."""

from collections.abc import Sequence

import msgspec

from depthwalker.core.book import Leg
from depthwalker.core.units import (
    CONTRACT,
    DOLLAR,
    SECOND,
    Count,
    Price,
    ceil_div,
    format_count,
    format_price,
)
from depthwalker.shell.ports import AmendRequest, PlaceRequest
from depthwalker.shell.rest import Rest
from depthwalker.shell.wire import AUTO_SHARD


def place_body(request: PlaceRequest, rest: Rest, group: str) -> bytes:
    """Return the body of a create, in an order group unless that is empty; its expiration is on the exchange's clock."""
    assert request.immediate or request.expires is not None, "an order that may rest needs an expiration"
    resting: dict[str, object] = (
        {"time_in_force": "immediate_or_cancel"}
        if request.immediate or request.expires is None
        else {
            "time_in_force": "good_till_canceled",
            "post_only": request.post_only,
            "expiration_time": ceil_div(rest.on_their_clock(request.expires), SECOND),
            "cancel_order_on_pause": True,
        }
    )
    return msgspec.json.encode(
        {
            "ticker": request.ticker,
            "client_order_id": request.client_order_id,
            **_terms(request.leg, request.price, request.count),
            "self_trade_prevention_type": "taker_at_cross",
            **resting,
            **({"order_group_id": group} if group else {}),
            **_routed(rest.shard(request.ticker)),
        }
    )


def amend_body(request: AmendRequest, rest: Rest) -> bytes:
    """Return the body of an amend."""
    return msgspec.json.encode(
        {
            "ticker": request.ticker,
            "client_order_id": request.client_order_id,
            "updated_client_order_id": request.updated_client_order_id,
            **_terms(request.leg, request.price, request.total),
            **_routed(rest.shard(request.ticker)),
        }
    )


def cancel_all_body(orders: Sequence[tuple[str, str]], rest: Rest) -> bytes:
    """Return the body of a batched cancel of (ticker, order id) pairs."""
    rows = [
        {"order_id": order, "market_ticker": ticker, "exchange_index": rest.shard(ticker)} for ticker, order in orders
    ]
    return msgspec.json.encode({"orders": rows})


def decrease_body(ticker: str, to: Count, rest: Rest) -> bytes:
    """Return the body of a decrease to what shall remain, which may be sent twice; `reduce_by` may not."""
    return msgspec.json.encode(
        {"reduce_to": format_count(to), "market_ticker": ticker, "exchange_index": rest.shard(ticker)}
    )


def group_body(limit: Count, shard: int) -> bytes:
    """Return the body of a new order group."""
    whole, rest = divmod(limit, CONTRACT)
    contracts = {"contracts_limit_fp": format_count(limit)} if rest else {"contracts_limit": whole}
    return msgspec.json.encode({**contracts, **_routed(shard)})


def _terms(leg: Leg, price: Price, count: Count) -> dict[str, object]:
    """Return side, price and count on the exchange's one book: acquiring NO at p is an ask at 1 - p."""
    side, yes_price = ("bid", price) if leg is Leg.YES else ("ask", Price(DOLLAR - price))
    return {"side": side, "price": format_price(yes_price), "count": format_count(count)}


def _routed(shard: int) -> dict[str, object]:
    return {} if shard == AUTO_SHARD else {"exchange_index": shard}
