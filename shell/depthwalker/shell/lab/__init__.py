"""The execution laboratory: parents sampled from a market, executed by every algorithm, and what each of them cost."""
