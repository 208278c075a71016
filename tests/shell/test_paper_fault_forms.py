"""Faults in words: every one that is offered can be planned."""

import pytest

from depthwalker.shell.paper.fault_forms import BLOWS, FRAMES, REQUESTS, blow, frame_fault, request_fault, told
from depthwalker.shell.paper.reply import Refusal


@pytest.mark.parametrize("name", REQUESTS)
def test_every_fault_of_a_request_that_is_offered_is_there(name: str) -> None:
    assert told(request_fault({"fault": name}))


@pytest.mark.parametrize("name", FRAMES)
def test_every_fault_of_a_frame_that_is_offered_is_there(name: str) -> None:
    assert told(frame_fault({"fault": name}))


@pytest.mark.parametrize("name", BLOWS)
def test_every_blow_that_is_offered_is_there(name: str) -> None:
    assert told(blow(name)) == {"fault": name}


def test_another_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Refusal) as refused:
        request_fault({"fault": "duplicated"})
    assert all(name in refused.value.reply.body.decode() for name in REQUESTS)
