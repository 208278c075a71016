"""Faults as the control endpoint is told of them and tells of them."""

from dataclasses import asdict
from typing import Final

from depthwalker.core.units import Micros
from depthwalker.shell.paper.faults import Answered, Blow, Cut, Delayed, Duplicated, Fault, FrameFault, Held, Lost
from depthwalker.shell.paper.fields import Fields
from depthwalker.shell.paper.reply import Refusal, Reply, refusal

REQUESTS: Final = ("request_lost", "answer_lost", "answer_cut", "delay", "duplicate", "answer")
BLOWS: Final = tuple(blow.value for blow in Blow)
FRAMES: Final = ("drop", "delay", "duplicate", "hold", *BLOWS)
_MILLI: Final = 1_000


def told(fault: Fault) -> dict[str, object]:
    """Return a fault to come, an answer without its body."""
    if isinstance(fault, Blow):
        return {"fault": fault.value}
    details = {name: value for name, value in asdict(fault).items() if name != "reply"}
    return {"fault": type(fault).__name__, **details}


def request_fault(fields: Fields) -> Fault:
    """Return what befalls a request; raises Refusal."""
    applied = bool(fields.get("applied"))
    match fields["fault"]:
        case "request_lost":
            return Lost(applied=False)
        case "answer_lost":
            return Lost(applied=True)
        case "answer_cut":
            return Cut()
        case "delay":
            return Delayed(Micros(number(fields, "ms", 0) * _MILLI), applied)
        case "duplicate":
            return Duplicated(last=bool(fields.get("last", True)))
        case "answer":
            body, kind = str(fields.get("body", "")), str(fields.get("content_type", "text/html"))
            return Answered(Reply(number(fields, "status", 503), body.encode(), kind), applied)
        case other:
            raise _unknown(other, REQUESTS)


def frame_fault(fields: Fields) -> FrameFault:
    """Return what befalls a frame; raises Refusal."""
    match fields["fault"]:
        case "drop":
            return Lost(applied=True)
        case "hold":
            return Held()
        case "delay":
            return Delayed(Micros(number(fields, "ms", 0) * _MILLI))
        case "duplicate":
            return Duplicated()
        case other:
            return blow(other, FRAMES)


def blow(name: object, there: tuple[str, ...] = BLOWS) -> Blow:
    """Return what ends more than one frame; raises Refusal, which names what is there."""
    try:
        return Blow(name)
    except ValueError as error:
        raise _unknown(name, there) from error


def _unknown(name: object, there: tuple[str, ...]) -> Refusal:
    return refusal(400, "invalid_parameters", f"no such fault: {name}; there are {', '.join(there)}")


def number(fields: Fields, name: str, otherwise: int) -> int:
    """Return a whole number, or another one where there is none."""
    value = fields.get(name, otherwise)
    return value if isinstance(value, int) else otherwise
