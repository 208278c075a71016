"""Replay: the same journal gives the same decisions (invariant 8), and one that was altered by a tick does not."""

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from tests.core.scenes import NOW, accepted, after, cents, contracts, parent, policy, record, view
from tests.core.world import Tape, World

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Ladders
from depthwalker.core.command import intents
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import (
    FORMAT,
    Fact,
    LookedUp,
    LookupStarted,
    PlaceIntended,
    Started,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.ledger import OrderKey
from depthwalker.core.policy import VERSION, Policy
from depthwalker.core.replay import Difference, Newer, Replayed, replay
from depthwalker.core.view import View

BY: Final = policy()


class Journal:
    """A journal in the making: decisions from views, and whatever happens between them."""

    def __init__(self, by: Policy = BY) -> None:
        self.facts: tuple[Fact, ...] = ()
        self.state: State = START
        self.add(Started(parent(), by, NOW, FORMAT))

    def add(self, *facts: Fact) -> "Journal":
        for fact in facts:
            self.facts = (*self.facts, fact)
            self.state = evolve(self.state, fact)
        return self

    def decide(self, seen: View) -> "Journal":
        return self.add(*intents(decide(self.state, seen, BY), seen))


def worked() -> Journal:
    """Return a parent in two splits that is planned, placed, read and stopped."""
    told = Journal().decide(view()).decide(view())
    first, second = OrderKey(1, 0), OrderKey(2, 0)
    told.add(accepted(first, at=after(0.1)), accepted(second, at=after(0.1))).decide(view(after(4)))
    told.add(
        record(OrderStatus.RESTING, key=first, total=60, at=after(4.1)),
        record(OrderStatus.RESTING, key=second, price=48, total=40, at=after(4.1)),
        LookedUp("", after(4.1)),
    )
    return told.add(StopRequested("enough", after(5))).decide(view(after(5)))


def altered(told: Journal, place: int, seen: View) -> tuple[Fact, ...]:
    fact = told.facts[place]
    assert isinstance(fact, Viewed)
    return (*told.facts[:place], replace(fact, view=seen), *told.facts[place + 1 :])


def views(told: Journal) -> list[int]:
    return [place for place, fact in enumerate(told.facts) if isinstance(fact, Viewed)]


def test_8_every_decision_comes_out_as_it_is_journalled() -> None:
    told = worked()
    assert replay(told.facts) == Replayed(told.state, same=len(views(told)), passed=0)
    assert len(views(told)) >= 4


def test_8_one_view_altered_by_one_tick_is_found() -> None:
    told = worked()
    placing = next(place for place, fact in enumerate(told.facts) if isinstance(fact, PlaceIntended))
    place = max(place for place in views(told) if place < placing)
    lower = Ladders(((cents(47), contracts(500)),), view().ladders.offers)
    found = replay(altered(told, views(told)[0], replace(view(), ladders=lower)))
    assert isinstance(found, Difference)
    assert found.entry == views(told)[0] + 1
    assert found.journalled[1:] != found.recomputed[1:]
    # The queue at our price is part of what is intended.
    thinner = Ladders(((cents(48), contracts(501)), (cents(47), contracts(501))), view().ladders.offers)
    changed = replay(altered(told, place, replace(view(), ladders=thinner)))
    assert isinstance(changed, Difference)
    assert changed.entry == place + 1


def test_8_an_intent_that_is_missing_or_one_too_many_is_found() -> None:
    told = worked()
    place = views(told)[1]
    for facts in (
        (*told.facts[: place + 1], *told.facts[place + 2 :]),
        (*told.facts[: place + 1], told.facts[place + 1], *told.facts[place + 1 :]),
    ):
        found = replay(facts)
        assert isinstance(found, Difference)
        assert found.entry == place + 1


def test_a_read_that_keeps_no_view_may_follow() -> None:
    told = Journal().decide(view()).add(LookupStarted(NOW))
    assert replay(told.facts) == Replayed(told.state, same=1, passed=0)


def test_a_decision_that_failed_is_a_bug_that_nothing_recomputes() -> None:
    told = Journal().add(Viewed(view(), False, NOW), WindingDown("internal error: ValueError: no", NOW))
    assert replay(told.facts) == Replayed(told.state, same=0, passed=1)


def test_decisions_of_another_version_are_folded_and_not_compared() -> None:
    told = Journal(replace(BY, version=VERSION - 1)).decide(view())
    assert replay(told.facts) == Replayed(told.state, same=0, passed=1)


def test_what_was_decided_by_a_policy_that_the_journal_does_not_hold_cannot_be_compared() -> None:
    seen = Viewed(view(), False, NOW)
    assert replay((seen,)) == Replayed(evolve(START, seen), same=0, passed=1)


def test_a_journal_of_a_format_to_come_is_not_judged() -> None:
    assert replay((Started(parent(), BY, NOW, FORMAT + 1),)) == Newer(FORMAT + 1)


@given(tape=st.binary(max_size=200))
def test_8_every_world_replays(tape: bytes) -> None:
    world = World(parent(), BY, Tape(list(tape)))
    while world.tape and world.state.finished is None:
        world.step()
    world.finish()
    world.replays()
    assert world.state.finished is not None
    assert world.state.finished.status in set(Status)
