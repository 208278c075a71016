"""Projections as the JSON that schema.sql's functions take: keys are column names, numbers are exact decimal texts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Ladder, Leg, ladders
from depthwalker.core.execution import WalkStep
from depthwalker.core.fact import Fact
from depthwalker.core.ledger import Ending, Fill
from depthwalker.core.projection import told_fills
from depthwalker.core.quality import Shortfall
from depthwalker.core.row import ExecutionRow, MetricsRow, OrderRow, Projection, SplitRow, SplitStatus, WalkerRow
from depthwalker.core.units import (
    CONTRACT,
    MILLION,
    Count,
    Micros,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
    parse_price,
    round_div,
)
from depthwalker.core.view import LEVELS

Row: TypeAlias = dict[str, object]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLIS: Final = 1_000


class _Level(msgspec.Struct):
    price: str
    quantity: Decimal


def rows(projection: Projection, facts: Iterable[Fact]) -> bytes:
    """Return all rows of an execution, and those of the fills that `facts` tell."""
    return msgspec.json.encode(
        {
            "state": {
                **_execution(projection.execution),
                "walker_state": None if projection.walker is None else _walker(projection.walker),
                "split_configs": [_config(split) for split in projection.splits],
            },
            "splits": [_split(split) for split in projection.splits],
            "orders": [_order(order) for order in projection.orders],
            "fills": [_fill(fill) for fill in told_fills(projection.ticket, facts)],
            "metrics": None if projection.metrics is None else _metrics(projection.metrics),
            "trade": None if projection.metrics is None else _trade(projection.metrics),
        }
    )


def snapshot_row(ticker: str, market_id: str | None, book: Book, at: Micros, trades: Iterable[TradePrint] = ()) -> Row:
    """Return a row of order_book_snapshots, and the ticker: depth of ten levels a side, totals of the whole book."""
    seen = ladders(book, Leg.YES)
    return {
        "ticker": ticker,
        "market_id": market_id,
        "timestamp": instant(at),
        "yes_depth": _depth(book.yes),
        "no_depth": _depth(book.no),
        "yes_total_volume": format_count(_total(book.yes)),
        "no_total_volume": format_count(_total(book.no)),
        "spread": _price(seen.spread()),
        "yes_best_bid": _price(book.yes[0][0] if book.yes else None),
        "no_best_bid": _price(book.no[0][0] if book.no else None),
        "trades": [_trade_print(trade) for trade in trades],
    }


def read_depth(text: str) -> Ladder:
    """Return a side's bids, best first, from a snapshot's depth as it was written."""
    levels = msgspec.json.decode(text, type=tuple[_Level, ...])
    return tuple((parse_price(one.price).value_or(Price(0)), Count(int(one.quantity * CONTRACT))) for one in levels)


def instant(micros: Micros) -> str:
    """Return an instant in ISO 8601, exact to the microsecond."""
    return (EPOCH + timedelta(microseconds=micros)).isoformat()


def span(micros: Micros) -> timedelta:
    """Return a span as PostgreSQL's interval."""
    return timedelta(microseconds=micros)


def _execution(row: ExecutionRow) -> Row:
    return {
        "algorithm": row.algorithm.value,
        "algorithm_reason": row.reason,
        "policy": row.policy.value,
        "policy_version": row.policy_version,
        "side": row.outcome.value,
        "action": row.action.value,
        "target_price": format_price(row.target),
        "cap_price": format_price(row.cap),
        "target_quantity": format_count(row.count),
        "status": row.status.value,
        "filled_quantity": format_count(row.filled),
        "filled_value": format_money(row.bought.value),
        "average_fill_price": _price(row.bought.average),
        "fill_rate": _fraction(row.fill_rate),
        "fees": format_money(row.bought.fees),
        "created_at": instant(row.started),
        "wind_down_at": instant(row.wind_down),
        "deadline_at": instant(row.deadline),
        "expires_at": instant(row.expires),
        "completed_at": _when(row.completed),
        "ending": row.ending or None,
        "error_message": row.error or None,
        "arm": None if row.arm is None else row.arm.value,
    }


def _walker(row: WalkerRow) -> Row:
    return {
        "walk_count": row.walks,
        "max_walks": row.max_walks,
        "max_total_walks": row.max_total_walks,
        "momentum": row.momentum / MILLION,
        "ema_slippage": None if row.ema_slippage is None else row.ema_slippage / MILLION,
        "last_walk_at": _when(row.last_walk_at),
    }


def _config(row: SplitRow) -> Row:
    return {
        "level": row.level,
        "target_price": format_price(row.price),
        "quantity": _number(row.count),
        "order_id": row.order_id or None,
        "status": row.status.value,
        "filled_quantity": _number(row.filled),
    }


def _split(row: SplitRow) -> Row:
    return {
        "level": row.level,
        "order_id": row.order_id or None,
        "start_price": format_price(row.start),
        "target_price": format_price(row.price),
        "quantity": format_count(row.count),
        "side": row.outcome.value,
        "status": row.status.value,
        "filled_quantity": format_count(row.filled),
        "average_fill_price": _price(row.bought.average),
        "walk_count": len(row.walks),
        "price_walk_history": [_step(step) for step in row.walks],
        "created_at": instant(row.planned),
        "placed_at": _when(row.placed),
        "filled_at": _when(row.done) if row.status is SplitStatus.FILLED else None,
        "cancelled_at": _when(row.done) if row.status is SplitStatus.CANCELLED else None,
        "error_message": row.error or None,
    }


def _step(step: WalkStep) -> Row:
    return {
        "timestamp": instant(step.at),
        "old_price": format_price(step.old),
        "new_price": format_price(step.new),
        "momentum": step.momentum / MILLION,
        "reason": step.reason,
    }


def _order(row: OrderRow) -> Row:
    return {
        "split": row.key.split,
        "birth": row.key.birth,
        "client_order_id": row.client_id,
        "current_client_order_id": row.current_id,
        "order_id": row.order_id or None,
        "revision": row.revision,
        "style": row.style.value,
        "side": row.outcome.value,
        "price": format_price(row.price),
        "quantity": format_count(row.count),
        "filled_quantity": format_count(row.filled),
        "itemised_quantity": format_count(row.bought.count),
        "filled_value": format_money(row.bought.value),
        "average_fill_price": _price(row.bought.average),
        "fees": format_money(row.bought.fees),
        "phase": row.phase.value,
        "ending": None if row.ending is Ending.OPEN else row.ending.value,
        "walk_reason": row.walk_reason or None,
        "placed_at": instant(row.placed),
        "closed_at": _when(row.closed),
    }


def _fill(fill: Fill) -> Row:
    return {
        "order_id": fill.order_id,
        "trade_id": fill.trade_id,
        "price": format_price(fill.price),
        "quantity": format_count(fill.count),
        "fee": format_money(fill.fee),
        "taker": fill.taker,
        "filled_at": instant(fill.at),
    }


def _metrics(row: MetricsRow) -> Row:
    return {
        **_market(row),
        "arm": None if row.arm is None else row.arm.value,
        "target_price": format_price(row.target),
        "target_quantity": format_count(row.count),
        "filled_quantity": format_count(row.filled),
        "filled_value": format_money(row.bought.value),
        "average_fill_price": _price(row.bought.average),
        "fees": format_money(row.bought.fees),
        "fill_rate": _fraction(row.fill_rate),
        "slippage_percent": None if row.slippage is None else _fraction(row.slippage),
        "slippage_basis_points": None if row.slippage is None else round_div(row.slippage, 100),
        "time_to_first_fill": _seconds(row.first_fill),
        "time_to_full_fill": _seconds(row.full_fill),
        "time_to_last_fill": _seconds(row.last_fill),
        "total_execution_time": _seconds(row.total),
        "algorithm": row.algorithm.value,
        "walks_executed": row.walks,
        "splits_used": row.splits,
        "momentum_at_execution": _fraction(row.momentum),
        "calls_used": row.calls,
        "tokens_used": row.tokens,
        **_shortfall(row.shortfall),
        "created_at": instant(row.at),
    }


def _shortfall(cost: Shortfall | None) -> Row:
    return {
        "implementation_shortfall": None if cost is None else _dollars(cost.total),
        "shortfall_cents": None if cost is None else _dollars(Money(cost.per_contract * 100)),
        "shortfall_basis_points": None if cost is None else cost.basis_points,
    }


def _trade(row: MetricsRow) -> Row:
    return {
        **_market(row),
        "side": row.outcome.value,
        "action": row.action.value,
        "quantity": format_count(row.filled),
        "price": _price(row.bought.average),
        "target_price": format_price(row.target),
        "filled_price": _price(row.bought.average),
        "filled_quantity": format_count(row.filled),
        "slippage_percent": None if row.slippage is None else _fraction(row.slippage),
        "fill_time_seconds": _seconds(row.last_fill),
        "created_at": instant(row.at),
    }


def _market(row: MetricsRow) -> Row:
    entry = row.entry
    return {
        "market_volume_at_entry": None if entry is None else format_count(entry.volume),
        "market_spread_at_entry": None if entry is None else _price(entry.spread),
        "liquidity_category": None if entry is None else entry.liquidity.value,
    }


def _depth(bids: Ladder) -> list[Row]:
    return [
        {"price": format_price(price), "quantity": _number(count), "order_count": None}
        for price, count in bids[:LEVELS]
    ]


def _trade_print(trade: TradePrint) -> Row:
    return {
        "trade_id": trade.trade_id,
        "taker": trade.taker.value,
        "yes_price": trade.yes_price,
        "count": trade.count,
        "at": trade.at,
    }


def _total(bids: Ladder) -> Count:
    return Count(sum(count for _, count in bids))


def _price(price: Price | None) -> str | None:
    return None if price is None else format_price(price)


def _when(micros: Micros | None) -> str | None:
    return None if micros is None else instant(micros)


def _seconds(span: Micros | None) -> str | None:
    """Return a span in seconds with three decimals."""
    if span is None:
        return None
    whole, millis = divmod(round_div(span, MILLIS), MILLIS)
    return f"{whole}.{millis:03d}"


def _fraction(ppm: int) -> str:
    """Return parts per million as a plain fraction."""
    whole, rest = divmod(abs(ppm), MILLION)
    return f"{'-' if ppm < 0 else ''}{whole}.{rest:06d}"


def _dollars(money: Money) -> str:
    return _fraction(money)  # a microdollar is a part per million of a dollar


def _number(count: Count) -> int | float:
    """Return contracts as a JSON number, as the specification shows them; its shortest text is exact."""
    return count // CONTRACT if count % CONTRACT == 0 else float(format_count(count))
