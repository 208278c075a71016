class Data:
    ts_init: int
