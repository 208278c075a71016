from nautilus_trader.model.objects import Currency

USD: Currency
