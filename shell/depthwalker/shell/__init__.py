"""Effects: the only place that awaits, reads a clock, draws chance, logs or raises on I/O. It decides nothing."""
