"""Turns what the store knows of a finished execution into the public trade; Decimals begin here."""

from datetime import timedelta
from decimal import Decimal

from depthwalker.core.execution import State, total_exposure, total_filled
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Order, Phase
from depthwalker.core.units import Count, format_count, format_money, format_price
from depthwalker.shell.api import ExecutionResult, Trade, Unresolved
from depthwalker.shell.journal import TradeRecord
from depthwalker.shell.reading import EPOCH


def trade_of(record: TradeRecord) -> Trade:
    """Return the public trade of a stored one."""
    result = ExecutionResult(
        execution_id=record.execution_id,
        status=record.status.value,
        filled_quantity=Decimal(format_count(record.quantity)),
        average_fill_price=None if record.price is None else Decimal(format_price(record.price)),
        slippage_percent=None if record.slippage is None else Decimal(record.slippage).scaleb(-6),
        total_walks=record.walks,
        fill_rate=Decimal(record.fill_rate).scaleb(-6),
        fees=Decimal(format_money(record.fees)),
        algorithm=record.algorithm.value,
        reason=record.ending,
    )
    return Trade(
        execution_id=record.execution_id,
        edge_id=record.edge_id,
        method_id=record.method_id,
        strategy_id=record.strategy_id,
        model_id=record.model_id,
        market_id=record.market_id,
        side=record.outcome.value,
        action=record.action.value,
        quantity=result.filled_quantity,
        price=result.average_fill_price,
        target_price=Decimal(format_price(record.target)),
        slippage_percent=result.slippage_percent,
        result=result,
    )


def bounds(execution_id: int, state: State) -> Unresolved:
    """Return what may have been and may yet be filled; before it winds down that is the whole parent."""
    most = total_exposure(state) if state.winding else max(state.parent.count, total_filled(state))
    return Unresolved(execution_id, total_filled(state), Count(most))


def not_ended(execution_id: int, state: State) -> str:
    """Say of an execution whose end is not confirmed what may be filled, which orders may rest, and what to do."""
    found, parent = bounds(execution_id, state), state.parent
    filled = f"execution {execution_id} is not confirmed ended: {found.filled_at_least} to {found.filled_at_most} contracts filled"
    orders = [_named(order, state) for order in state.orders if order.phase is not Phase.CLOSED]
    if not orders:
        return f"{filled}, nothing rests; run this again"
    until = (EPOCH + timedelta(microseconds=parent.expires)).strftime("%Y-%m-%d %H:%M:%S UTC")
    rest = f"order {', '.join(orders)} may rest in {parent.ticker} until {until}, when it expires"
    return f"{filled}; {rest}: run this again, or cancel it at the exchange"


def _named(order: Order, state: State) -> str:
    """Return an order's id at the exchange, or its client order id where that is all we know."""
    parent = state.parent
    return order.order_id or ClientId(parent.installation, parent.execution, order.key.split, order.revision).text()
