from typing import Self

class OrderbookSnapshotMessage:
    @classmethod
    def model_validate(cls, obj: object) -> Self: ...

class OrderbookDeltaMessage:
    @classmethod
    def model_validate(cls, obj: object) -> Self: ...
