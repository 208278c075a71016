"""Signals of where the price is going: the specification's MomentumCalculator and a signed one beside it.

All are parts per million. The specification's momentum is unsigned in meaning (resting volume of both legs against its
two-minute mean); `pressure` is signed: above zero the market moves away from a buyer of the leg.
"""

from typing import Final

from depthwalker.core.flow import Flow
from depthwalker.core.units import MILLION, Count, round_div

DEFAULT_SLIPPAGE: Final = 10_000  # the specification's 1 % where nothing was measured lately
ALPHA: Final = 300_000
NO_SIGNAL: Final = 0


def momentum(volumes: tuple[Count, ...]) -> int:
    """Return (current - mean of the earlier) / mean of the earlier, or 0 with fewer than two samples."""
    if len(volumes) < 2:
        return NO_SIGNAL
    earlier = sum(volumes[:-1])
    samples = len(volumes) - 1
    return round_div((volumes[-1] * samples - earlier) * MILLION, earlier) if earlier else NO_SIGNAL


def ema_slippage(slippages: tuple[int, ...], alpha: int = ALPHA) -> int:
    """Return the exponential moving average of recent slippages, oldest first; 1 % where there are none."""
    if not slippages:
        return DEFAULT_SLIPPAGE
    ema = slippages[0]
    for slippage in slippages[1:]:
        ema = round_div(alpha * slippage + (MILLION - alpha) * ema, MILLION)
    return ema


def pressure(flow: Flow) -> int | None:
    """Return how strongly the market moves against a buyer of the leg, within -1 and +1, or None without history.

    Takers' signed flow counts half, growth of the queue we stand in and thinning of the offers a quarter each: resting
    depth can be shown and withdrawn for nothing, a trade cannot (PEERS section 0).
    """
    if len(flow.volumes) < 2:
        return None
    traded = flow.rivals + flow.suppliers
    imbalance = round_div((flow.rivals - flow.suppliers) * MILLION, traded) if traded else 0
    return round_div(
        2 * imbalance + _change(flow.queue_mean, flow.queue_now) - _change(flow.offers_mean, flow.offers_now),
        4,
    )


def _change(mean: Count, now: Count) -> int:
    if mean == 0:
        return MILLION if now else 0
    return max(-MILLION, min(MILLION, round_div((now - mean) * MILLION, mean)))
