"""The public API's types, checked by mypy and pyright and never executed."""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_type

from depthwalker.shell.api import Edge, ExecutionResult, Id, Market, Method, Trade
from depthwalker.shell.engine import Engine, Executor
from depthwalker.shell.settings import Settings
from depthwalker.shell.sync import SyncEngine, SyncExecutor


class OwnMarket:
    market_id: str = "m"
    ticker: str = "T"


class OwnEdge:
    """An engine's mutable class, with an int for its price's type where the protocol allows more."""

    edge_id: int = 1
    market: OwnMarket = OwnMarket()
    side: str = "yes"
    target_price: float = 0.5
    position_size: int = 1


class OwnMethod:
    method_id: str = "a"
    execution_config: dict[str, object] = {}  # noqa: RUF012 - an engine's own class


async def awaited(edge: Edge, method: Method, market: Market, settings: Settings) -> None:
    async with Engine.open(settings) as engine:
        assert_type(engine, Engine)
        assert_type(await engine.execute_trade(edge, method), Trade)
        assert_type(await engine.execute_trade(OwnEdge(), OwnMethod(), request_key="k"), Trade)
        assert_type(await engine.execute(edge, method, market), ExecutionResult)
        executor = engine.get_executor(method)
        assert_type(executor, Executor)
        assert_type(await executor.execute(edge, method), ExecutionResult)
        assert_type(engine.stop(), int)
        await engine.watch(["T"])
    async with Engine.open() as bare:
        assert_type(bare, Engine)


def blocking(edge: Edge, method: Method, settings: Settings) -> None:
    with SyncEngine.open(settings) as engine:
        assert_type(engine, SyncEngine)
        assert_type(engine.execute_trade(edge, method), Trade)
        assert_type(engine.execute(edge, method), ExecutionResult)
        assert_type(engine.get_executor(method), SyncExecutor)
        assert_type(engine.get_executor(method).execute(edge, method), ExecutionResult)


def read(trade: Trade, edge: Edge, method: Method) -> None:
    assert_type(trade.price, Decimal | None)
    assert_type(trade.quantity, Decimal)
    assert_type(trade.edge_id, Id | None)
    assert_type(trade.result, ExecutionResult)
    assert_type(trade.result.slippage_percent, Decimal | None)
    assert_type(edge.side, str)
    assert_type(edge.target_price, Decimal | float | str)
    assert_type(method.execution_config, Mapping[str, object])
