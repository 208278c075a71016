from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

class CreateOrderV2Request:
    def __init__(
        self,
        *,
        ticker: str,
        client_order_id: str,
        side: Literal["bid", "ask"],
        count: Decimal,
        price: Decimal,
        time_in_force: str,
        self_trade_prevention_type: str,
        post_only: bool,
    ) -> None: ...

class CreateOrderV2Response:
    order_id: str

class AsyncOrdersResource:
    async def create_v2(self, *, request: CreateOrderV2Request) -> CreateOrderV2Response: ...

class AsyncKalshiClient:
    orders: AsyncOrdersResource
    def __init__(self, *, key_id: str, private_key_path: Path, base_url: str, max_retries: int) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
