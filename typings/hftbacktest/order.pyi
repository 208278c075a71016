IOC: int
