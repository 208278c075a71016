"""What requests do to orders: create, amend, decrease and cancel, one at a time, in batches or all (fact sheet, section 5).

Each verb raises Refusal where the exchange would refuse; a batch carries the refusals of its items in its answer.
"""

from collections.abc import Callable, Iterable
from functools import partial

from depthwalker.core import matching
from depthwalker.core.book import Leg
from depthwalker.core.crossing import Step
from depthwalker.core.pit import NewOrder, Pit
from depthwalker.core.reports import Ended, EndReason, Refused
from depthwalker.core.units import Count, Micros, format_count
from depthwalker.shell.paper import bodies
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.fields import Fields
from depthwalker.shell.paper.floor import Floor
from depthwalker.shell.paper.forms import AmendForm, CancelForm, CreateForm, DecreaseForm, Route, create_form
from depthwalker.shell.paper.ledger import Candidate, Kept, Ledger
from depthwalker.shell.paper.reply import Refusal, Reply, answer, error_of, refusal

REDUCED = "ReduceOnlyCancel"


def create(exchange: Exchange, account: str, form: CreateForm) -> Reply:
    """Take a new order."""
    return answer(_create(exchange, account, form), 201)


def create_batch(exchange: Exchange, account: str, rows: Iterable[Fields]) -> Reply:
    """Take orders one after the other; 201 even where each of them is refused."""

    def one(row: Fields) -> dict[str, object]:
        return _create(exchange, account, create_form(row))

    return answer({"orders": [_tried(partial(one, row), _named(row)) for row in rows]}, 201)


def amend(exchange: Exchange, account: str, order_id: str, form: AmendForm) -> Reply:
    """Change price, total or expiry of a live order."""
    now = exchange.advance()
    ledger = exchange.ledgers[account]
    before = exchange.live(ledger, order_id, now, placing=True)
    _check_match(before, form)
    floor = exchange.floors[before.ticker]
    exchange.check_grid(floor, form.leg, form.price)
    renamed = form.updated_client_order_id
    if renamed and renamed != before.client_order_id and renamed in ledger.burned:
        raise refusal(409, "order_already_exists")
    rest = Count(max(0, form.total - before.filled))
    raises = form.price != before.price or rest > before.remaining
    candidate = Candidate(before.ticker, form.leg, form.price, rest, instead=order_id)
    if raises and not ledger.affords(candidate, exchange.rates()):
        raise refusal(400, "insufficient_balance")
    known = len(ledger.fills)
    if renamed:
        ledger.rename(order_id, renamed)  # first, so that whoever is told of the amend hears the new name
    step = matching.amend(floor.pit, order_id, form.price, form.total, now, form.expires)
    refused = exchange.settle(floor, step, now)
    if refused is not None:
        if renamed:
            ledger.unname(order_id, before.client_order_id)
        raise refused
    own = [fill for fill in ledger.fills[known:] if fill.order_id == order_id]
    return answer(bodies.amended(before, _known(ledger, order_id), own, now))


def decrease(exchange: Exchange, account: str, order_id: str, form: DecreaseForm) -> Reply:
    """Lower what remains of a live order; it keeps its place."""
    now = exchange.advance()
    ledger = exchange.ledgers[account]
    before = exchange.live(ledger, order_id, now, placing=True, route=form.route)
    floor = exchange.floors[before.ticker]
    step = matching.decrease(floor.pit, order_id, now, form.by, form.to)
    refused = exchange.settle(floor, step, now, because={order_id: "Decrease"})
    if refused is not None:
        raise refused
    remaining = format_count(_known(ledger, order_id).remaining)
    return answer(_ids(before) | {"remaining_count": remaining, "ts_ms": now // 1000})


def cancel(exchange: Exchange, account: str, order_id: str, route: Route) -> Reply:
    """Cancel a live order; 404 also where the request names neither its market nor its shard."""
    return answer(_cancel(exchange, account, order_id, route))


def cancel_batch(exchange: Exchange, account: str, forms: Iterable[CancelForm]) -> Reply:
    """Cancel orders one after the other."""

    def one(form: CancelForm) -> dict[str, object]:
        return _cancel(exchange, account, form.order_id, form.route)

    rows = [
        _tried(partial(one, form), {"order_id": form.order_id, "reduced_by": format_count(Count(0))}) for form in forms
    ]
    return answer({"orders": rows})


def cancel_all(exchange: Exchange, account: str, lag: Micros) -> Reply:
    """Accept to cancel whatever rests `lag` from now, also what is placed until then."""
    now = exchange.advance()
    if not exchange.exchange_active:
        raise refusal(409, "exchange_is_paused")

    def sweep(at: Micros) -> None:
        for floor in exchange.floors.values():
            exchange.settle(floor, matching.cancel_all(floor.pit, account), at)

    exchange.later(Micros(now + lag), sweep)
    return Reply(204, b"")


def _create(exchange: Exchange, account: str, form: CreateForm) -> dict[str, object]:
    now = exchange.advance()
    ledger = exchange.ledgers[account]
    if form.ticker not in exchange.floors:
        raise refusal(404, "market_not_found")
    floor = exchange.floors[form.ticker]
    exchange.check_open(floor, now, placing=True)
    _check_shard(exchange, ledger, floor, form)
    if form.client_order_id and form.client_order_id in ledger.burned:
        raise refusal(409, "order_already_exists")
    exchange.check_grid(floor, form.leg, form.price)
    if not ledger.affords(Candidate(form.ticker, form.leg, form.price, form.count), exchange.rates()):
        raise refusal(400, "insufficient_balance")
    new = NewOrder(
        exchange.new_id(),
        account,
        form.leg,
        form.price,
        _capped(ledger, form),
        form.time_in_force,
        form.self_trade,
        form.post_only,
        form.expires,
        form.cancel_on_pause,
    )
    return _placed(exchange, floor, ledger, form, new, now)


def _placed(
    exchange: Exchange, floor: Floor, ledger: Ledger, form: CreateForm, new: NewOrder, now: Micros
) -> dict[str, object]:
    step = matching.submit(floor.pit, new, now) if new.count else _reduced_to_nothing(floor.pit, new)
    if not all(isinstance(event, Refused) for event in step[1]):
        ledger.open(_kept(exchange, floor, form, new.order_id, now))
    known = len(ledger.fills)
    because = None if new.count else {new.order_id: REDUCED}
    refused = exchange.settle(floor, step, now, new.order_id, because)
    if refused is not None:
        raise refused
    own = [fill for fill in ledger.fills[known:] if fill.order_id == new.order_id]
    return bodies.created(_known(ledger, new.order_id), own, now)


def _cancel(exchange: Exchange, account: str, order_id: str, route: Route) -> dict[str, object]:
    now = exchange.advance()
    before = exchange.live(exchange.ledgers[account], order_id, now, placing=False, route=route)
    floor = exchange.floors[before.ticker]
    refused = exchange.settle(floor, matching.cancel(floor.pit, order_id, now), now)
    if refused is not None:
        raise refused
    return _ids(before) | {"reduced_by": format_count(before.remaining), "ts_ms": now // 1000}


def _tried(act: Callable[[], dict[str, object]], otherwise: dict[str, object]) -> dict[str, object]:
    try:
        return act()
    except Refusal as refused:
        return otherwise | {"error": error_of(refused.reply)}


def _named(row: Fields) -> dict[str, object]:
    return {"client_order_id": row["client_order_id"]} if row.get("client_order_id") else {}


def _ids(order: Kept) -> dict[str, object]:
    named: dict[str, object] = {"client_order_id": order.client_order_id} if order.client_order_id else {}
    return {"order_id": order.order_id} | named


def _check_shard(exchange: Exchange, ledger: Ledger, floor: Floor, form: CreateForm) -> None:
    shard = floor.listing.shard
    if form.shard is not None and form.shard != shard:
        raise refusal(404, "market_not_found")
    if ledger.account.shards is not None and shard not in ledger.account.shards:
        raise refusal(404, "user_not_found")
    if form.group:
        kept = exchange.groups.get(form.group)
        if kept is None or kept.account != ledger.account.name or kept.shard != shard:
            raise refusal(404, "not_found", "order group not found")
        if kept.group.triggered:
            raise refusal(400, "invalid_order", "order group is triggered")


def _capped(ledger: Ledger, form: CreateForm) -> Count:
    if not form.reduce_only:
        return form.count
    position = ledger.holding(form.ticker).position
    return Count(min(form.count, max(0, -position if form.leg is Leg.YES else position)))


def _kept(exchange: Exchange, floor: Floor, form: CreateForm, order_id: str, now: Micros) -> Kept:
    return Kept(
        serial=next(exchange.serials),
        order_id=order_id,
        client_order_id=form.client_order_id,
        ticker=form.ticker,
        leg=form.leg,
        price=form.price,
        initial=form.count,
        remaining=form.count,
        created=now,
        updated=now,
        self_trade=form.self_trade,
        expires=form.expires,
        cancel_on_pause=form.cancel_on_pause,
        group=form.group,
        shard=floor.listing.shard,
    )


def _reduced_to_nothing(pit: Pit, new: NewOrder) -> Step:
    lapsed = Ended(new.order_id, new.account, new.leg, new.price, EndReason.IMMEDIATE, Count(0), Count(0), rested=False)
    return pit, (lapsed,)


def _known(ledger: Ledger, order_id: str) -> Kept:
    kept = ledger.order(order_id)
    assert kept is not None
    return kept


def _check_match(before: Kept, form: AmendForm) -> None:
    if form.ticker != before.ticker:
        raise refusal(400, "order_ticker_mismatch")
    if form.leg is not before.leg:
        raise refusal(400, "order_side_mismatch")
    if form.client_order_id and form.client_order_id != before.client_order_id:
        raise refusal(400, "order_id_and_client_order_id_mismatch")
