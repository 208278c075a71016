from collections.abc import Callable

from nautilus_trader.common.events import TimeEvent
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder

class _Clock:
    def timestamp_ns(self) -> int: ...
    def set_time_alert_ns(self, name: str, alert_time_ns: int, callback: Callable[[TimeEvent], None]) -> None: ...

class _Book:
    def best_bid_price(self) -> Price: ...

class _Cache:
    def order_book(self, instrument_id: InstrumentId) -> _Book: ...

class _Orders:
    def limit(
        self,
        instrument_id: InstrumentId,
        order_side: OrderSide,
        quantity: Quantity,
        price: Price,
        *,
        time_in_force: TimeInForce,
        post_only: bool = ...,
    ) -> LimitOrder: ...

class Strategy:
    clock: _Clock
    cache: _Cache
    order_factory: _Orders
    def __init__(self, config: StrategyConfig) -> None: ...
    def subscribe_order_book_deltas(self, instrument_id: InstrumentId, book_type: BookType) -> None: ...
    def submit_order(self, order: LimitOrder) -> None: ...
    def modify_order(self, order: LimitOrder, *, price: Price) -> None: ...
    def cancel_order(self, order: LimitOrder) -> None: ...
