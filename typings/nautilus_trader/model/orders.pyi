from nautilus_trader.model.objects import Price

class LimitOrder:
    price: Price
    is_closed: bool
