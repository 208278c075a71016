from typing import Self

from nautilus_trader.core.data import Data
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import Price, Quantity

class BookOrder:
    def __init__(self, side: OrderSide, price: Price, size: Quantity, order_id: int) -> None: ...

class OrderBookDelta(Data):
    def __init__(
        self,
        instrument_id: InstrumentId,
        action: BookAction,
        order: BookOrder,
        flags: int,
        sequence: int,
        ts_event: int,
        ts_init: int,
    ) -> None: ...
    @classmethod
    def clear(cls, instrument_id: InstrumentId, sequence: int, ts_event: int, ts_init: int) -> Self: ...

class TradeTick(Data):
    def __init__(
        self,
        instrument_id: InstrumentId,
        price: Price,
        size: Quantity,
        aggressor_side: AggressorSide,
        trade_id: TradeId,
        ts_event: int,
        ts_init: int,
    ) -> None: ...
