"""Algorithms: each says which quotes it wants working now, as a pure function of state, view and policy."""
