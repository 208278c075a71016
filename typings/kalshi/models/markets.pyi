from decimal import Decimal

class OrderbookLevel:
    price: Decimal
    quantity: Decimal

class Orderbook:
    yes: list[OrderbookLevel]
    no: list[OrderbookLevel]
