"""What a market pays when it settles (fact sheet, section 5.10)."""

from depthwalker.core.fees import Precision
from depthwalker.core.units import DOLLAR, Micros, Money, Price, value
from depthwalker.shell.paper.floor import Listing, Verdict
from depthwalker.shell.paper.ledger import Holding, Settlement

SCALAR = "scalar"


def settle(held: Holding, listing: Listing, verdict: Verdict, precision: Precision, at: Micros) -> Settlement:
    """Return what a position is paid: YES the verdict's value, NO the rest of the dollar; scalar payouts are floored."""
    share = verdict.value if held.position >= 0 else Price(DOLLAR - verdict.value)
    revenue = Money(abs(value(share, held.position)))
    return Settlement(
        ticker=held.ticker,
        event_ticker=listing.event_ticker,
        result=verdict.result,
        value=verdict.value,
        position=held.position,
        cost=held.exposure,
        revenue=revenue,
        residue=Money(revenue % precision.value if verdict.result == SCALAR else 0),
        fees=held.fees,
        at=at,
        shard=listing.shard,
    )
