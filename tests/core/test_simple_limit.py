"""The basic execution: the target quoted until the time-out."""

from tests.core.scenes import cents, contracts, parent, planned, policy, started, view

from depthwalker.core.algorithms.simple_limit import desire, plan
from depthwalker.core.ledger import Style
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split


def test_it_is_one_split_at_the_target() -> None:
    assert plan(started(), view(), policy()) == (Split(1, cents(50), contracts(100)),)


def test_it_rests_at_the_target() -> None:
    quoted = desire(planned((50, 100)), view(), policy())
    assert quoted == Desire((Quote(1, cents(50), Style.REST, "target price"),), ())
    assert desire(planned((50, 100)), view(offers=()), policy()) == quoted


def test_it_takes_what_is_offered_at_the_target_or_below() -> None:
    for offer in (50, 49):
        (quote,) = desire(planned((50, 100)), view(queue=(), offers=((offer, 5),)), policy()).quotes
        assert (quote.price, quote.style) == (cents(50), Style.TAKE)


def test_it_never_quotes_past_the_cap() -> None:
    capped = planned((50, 100), of=parent(cap=cents(48)))
    assert desire(capped, view(), policy()).quotes[0].price == cents(48)
