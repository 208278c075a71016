"""Replay against other engines, which run in an environment of their own: `make bench-peers`."""
