from nautilus_trader.model.objects import Price, Quantity

class OrderCanceled: ...

class OrderFilled:
    ts_event: int
    last_qty: Quantity
    last_px: Price
