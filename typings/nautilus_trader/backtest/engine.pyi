from collections.abc import Sequence

from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig
from nautilus_trader.core.data import Data
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Currency, Money
from nautilus_trader.trading.strategy import Strategy

class BacktestEngineConfig:
    def __init__(self, *, logging: LoggingConfig) -> None: ...

class BacktestEngine:
    def __init__(self, config: BacktestEngineConfig) -> None: ...
    def add_venue(
        self,
        venue: Venue,
        oms_type: OmsType,
        account_type: AccountType,
        starting_balances: list[Money],
        *,
        base_currency: Currency,
        book_type: BookType,
        latency_model: LatencyModel | None = ...,
        trade_execution: bool = ...,
        queue_position: bool = ...,
        liquidity_consumption: bool = ...,
    ) -> None: ...
    def add_instrument(self, instrument: BinaryOption) -> None: ...
    def add_data(self, data: Sequence[Data], *, validate: bool, sort: bool) -> None: ...
    def add_strategy(self, strategy: Strategy) -> None: ...
    def run(self) -> None: ...
    def reset(self) -> None: ...
    def clear_strategies(self) -> None: ...
    def dispose(self) -> None: ...
