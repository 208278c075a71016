import numpy as np

BUY_EVENT: int
DEPTH_EVENT: int
DEPTH_SNAPSHOT_EVENT: int
EXCH_EVENT: int
LOCAL_EVENT: int
SELL_EVENT: int
TRADE_EVENT: int
event_dtype: np.dtype[np.void]
