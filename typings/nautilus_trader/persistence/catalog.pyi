from collections.abc import Sequence
from typing import TypeVar

from nautilus_trader.core.data import Data

D = TypeVar("D", bound=Data)

class ParquetDataCatalog:
    def __init__(self, path: str) -> None: ...
    def write_data(self, data: Sequence[Data]) -> None: ...
    def query(self, data_cls: type[D]) -> list[D]: ...
