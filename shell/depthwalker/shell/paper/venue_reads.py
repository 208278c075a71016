"""What the exchange says of itself and of an account's limits: status, schedule, cutoffs, tiers, costs (fact sheet, 6, 9)."""

from collections.abc import Iterable
from typing import Final

from depthwalker.core.units import DAY, SECOND, Count, Micros, Money, format_count
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.fields import INT, STRING, decode, present
from depthwalker.shell.paper.reply import Reply, answer, forbidden, refusal, time_text
from depthwalker.shell.paper.tariff import DEFAULT_COST, Meter

_LIVE_DAYS: Final = {
    "market_settled_ts": 60,
    "trades_created_ts": 60,
    "orders_updated_ts": 14,
    "market_positions_last_updated_ts": 60,
}
_OPEN: Final = ({"open_time": "00:00", "close_time": "00:00"},)
_THURSDAY: Final = ({"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "00:00"})
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TRANSFER: Final = {
    "source": STRING,
    "destination": STRING,
    "amount": INT,
    "source_exchange_shard": INT,
    "destination_exchange_shard": INT,
}
_CENTICENT: Final = 100  # microdollars


def status(exchange: Exchange) -> Reply:
    """Return what is paused; shard by shard where there are several."""
    flags: dict[str, object] = {
        "exchange_active": exchange.exchange_active,
        "trading_active": exchange.trading_active,
    }
    shards = sorted({floor.listing.shard for floor in exchange.floors.values()})
    if len(shards) > 1:
        flags["exchange_index_statuses"] = [
            {
                "exchange_index": shard,
                "exchange_active": exchange.exchange_active and shard not in exchange.stopped_shards,
                "trading_active": exchange.trading_active and shard not in exchange.paused_shards,
                "intra_exchange_transfers_active": True,
            }
            for shard in shards
        ]
    return answer(flags)


def schedule(exchange: Exchange) -> Reply:
    """Return the week as the real exchange keeps it; this one pauses only when told to."""
    now = exchange.clock.now()
    hours = {day: _THURSDAY if day == "thursday" else _OPEN for day in _DAYS}
    span = {"start_time": time_text(exchange.start), "end_time": time_text(Micros(now + 365 * DAY))}
    return answer({"schedule": {"standard_hours": [span | hours], "maintenance_windows": []}})


def cutoff(exchange: Exchange) -> Reply:
    """Return how far back the live reads go; of markets, trades and positions this exchange forgets nothing."""
    now = exchange.clock.now()
    return answer({name: time_text(archived_before(name, now)) for name in _LIVE_DAYS})


def archived_before(name: str, now: Micros) -> Micros:
    """Return the instant before which records are read under /historical alone, by the cutoff's name."""
    return Micros(now - _LIVE_DAYS[name] * DAY)


def limits(meter: Meter, account: str) -> Reply:
    """Return an account's tier and buckets."""
    may = meter.allowance(account)
    grant = {"exchange_instance": "event_contract", "level": may.tier, "source": "manual"}
    return answer(
        {
            "usage_tier": may.tier,
            "read": {"refill_rate": may.read, "bucket_capacity": may.read_capacity},
            "write": {"refill_rate": may.write, "bucket_capacity": may.write_capacity},
            "grants": [grant] if meter.upgraded(account) else [],
        }
    )


def upgrade(exchange: Exchange, meter: Meter, account: str) -> Reply:
    """Grant the tier that is there for the asking to whoever placed an order; raises Refusal."""
    if next(exchange.ledgers[account].orders(), None) is None:
        raise forbidden("an order created by this interface")
    meter.upgrade(account)
    return Reply(201, b"")


def volume(exchange: Exchange, account: str) -> Reply:
    """Return what an account traded; no tier is given for it here."""
    now = exchange.advance()
    traded = sum(fill.count for fill in exchange.ledgers[account].fills if fill.at > now - 30 * DAY)
    row = {"computed_ts": now // SECOND, "trailing_30d_volume_fp": format_count(Count(traded)), "goals": []}
    return answer({"volume_progress": [row]})


def costs(rows: Iterable[tuple[str, str, int]]) -> Reply:
    """Return which requests (method, path, tokens) cost otherwise than usual."""
    listed = [{"method": method, "path": path, "cost": cost} for method, path, cost in rows]
    return answer({"default_cost": DEFAULT_COST, "endpoint_costs": listed})


def transfer(exchange: Exchange, account: str, body: bytes) -> Reply:
    """Accept a transfer between shards: the cash here is one for all of them, so nothing moves. Raises Refusal."""
    fields = decode(body, "IntraExchangeInstanceTransferRequest", _TRANSFER)
    present(fields, ("source", "destination", "amount"))
    amount = fields["amount"]
    if not isinstance(amount, int) or amount <= 0:
        raise refusal(400, "invalid_parameters", "amount")
    exchange.advance()
    if Money(amount * _CENTICENT) > exchange.ledgers[account].cash:
        raise refusal(400, "insufficient_balance")
    return answer({"transfer_id": exchange.new_id()})
