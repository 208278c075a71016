"""Order groups over the wire: the kill-switch on fills whose rule is the core's `groups` (fact sheet, section 5.9).

A group lives on one shard; a request that names another one does not find it. A triggered group refuses new orders.
"""

from dataclasses import replace
from typing import Final

from depthwalker.core import groups
from depthwalker.core.outcome import Success
from depthwalker.core.units import CONTRACT, Count, Micros, format_count, parse_count
from depthwalker.shell.paper.exchange import Exchange, KeptGroup
from depthwalker.shell.paper.fields import INT, STRING, Fields, decode, shard
from depthwalker.shell.paper.notices import GroupEvent
from depthwalker.shell.paper.reply import Reply, answer, not_found, refusal

_LIMIT: Final = {"contracts_limit": INT, "contracts_limit_fp": STRING}
_CREATE: Final = _LIMIT | {"subaccount": INT, "exchange_index": INT}


def create(exchange: Exchange, account: str, body: bytes) -> Reply:
    """Make a group with a limit; raises Refusal."""
    now = exchange.advance()
    fields = decode(body, "CreateOrderGroupRequest", _CREATE)
    kept = KeptGroup(exchange.new_id(), account, shard(fields) or 0, groups.Group(_limit(fields)), now)
    exchange.groups[kept.group_id] = kept
    exchange.announce(kept, GroupEvent.CREATED, now)
    return answer({"order_group_id": kept.group_id, "subaccount": 0, "exchange_index": kept.shard}, 201)


def listed(exchange: Exchange, account: str) -> Reply:
    """Return an account's groups; an empty object where there are none (recorded)."""
    exchange.advance()
    rows = [{"id": kept.group_id} | _state(kept) for kept in exchange.groups.values() if kept.account == account]
    return answer({"order_groups": rows} if rows else {})


def one(exchange: Exchange, account: str, group_id: str, lag: Micros) -> Reply:
    """Return a group with the ids of its resting orders, not yet found within `lag` of its making; raises Refusal."""
    now = exchange.advance()
    kept = _found(exchange, account, group_id, None)
    if kept.created > now - lag:
        raise not_found()
    orders = [order.order_id for order in exchange.ledgers[account].resting() if order.group == group_id]
    return answer(_state(kept) | {"orders": orders})


def limit(exchange: Exchange, account: str, group_id: str, shard_named: int, body: bytes) -> Reply:
    """Change a group's limit; below what counts now it triggers. Raises Refusal."""
    now = exchange.advance()
    contracts = _limit(decode(body, "UpdateOrderGroupLimitRequest", _LIMIT))
    before = _found(exchange, account, group_id, shard_named)
    kept = _keep(exchange, before, groups.limit(before.group, contracts, now))
    exchange.announce(kept, GroupEvent.LIMIT_UPDATED, now)
    if kept.group.triggered and not before.group.triggered:
        exchange.announce(kept, GroupEvent.TRIGGERED, now)
        exchange.cancel_group(kept, now)
    return answer({})


def trigger(exchange: Exchange, account: str, group_id: str, shard_named: int) -> Reply:
    """Cancel a group's orders and refuse new ones until it is reset; raises Refusal."""
    now = exchange.advance()
    before = _found(exchange, account, group_id, shard_named)
    kept = _keep(exchange, before, groups.trigger(before.group))
    exchange.announce(kept, GroupEvent.TRIGGERED, now)
    exchange.cancel_group(kept, now)
    return answer({})


def reset(exchange: Exchange, account: str, group_id: str, shard_named: int) -> Reply:
    """Clear a group's counter and let it take orders again; raises Refusal."""
    now = exchange.advance()
    before = _found(exchange, account, group_id, shard_named)
    exchange.announce(_keep(exchange, before, groups.reset(before.group)), GroupEvent.RESET, now)
    return answer({})


def delete(exchange: Exchange, account: str, group_id: str, shard_named: int) -> Reply:
    """Cancel a group's orders and forget it; raises Refusal."""
    now = exchange.advance()
    kept = _found(exchange, account, group_id, shard_named)
    del exchange.groups[group_id]
    exchange.cancel_group(kept, now)
    exchange.announce(kept, GroupEvent.DELETED, now)
    return answer({})


def _found(exchange: Exchange, account: str, group_id: str, shard_named: int | None) -> KeptGroup:
    kept = exchange.groups.get(group_id)
    if kept is None or kept.account != account or shard_named not in {None, kept.shard}:
        raise not_found()
    return kept


def _keep(exchange: Exchange, kept: KeptGroup, group: groups.Group) -> KeptGroup:
    after = replace(kept, group=group)
    exchange.groups[kept.group_id] = after
    return after


def _state(kept: KeptGroup) -> dict[str, object]:
    return {
        "is_auto_cancel_enabled": True,
        "contracts_limit_fp": format_count(kept.group.limit),
        "exchange_index": kept.shard,
    }


def _limit(fields: Fields) -> Count:
    least, most = groups.LIMITS
    whole = fields.get("contracts_limit")
    match parse_count(str(fields["contracts_limit_fp"])) if "contracts_limit_fp" in fields else None:
        case Success(exact):
            found = exact
        case None if isinstance(whole, int):
            found = Count(whole * CONTRACT)
        case None:
            raise refusal(400, "missing_parameters", "contracts_limit")
        case _:
            raise refusal(400, "invalid_parameters", "contracts_limit_fp")
    if not least * CONTRACT <= found <= most * CONTRACT:
        raise refusal(400, "invalid_parameters", f"contracts_limit must be from {least} to {most}")
    return found
