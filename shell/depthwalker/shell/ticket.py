"""Reads the engine's own objects into a parent order; floats and Decimals become whole numbers here, at once and exactly."""

import logging
from dataclasses import dataclass
from decimal import Decimal
from operator import index
from typing import Final, SupportsIndex, TypeVar, assert_never
from uuid import UUID

from depthwalker.core.book import Leg
from depthwalker.core.config import ExecutionConfig
from depthwalker.core.execution import State
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Action, Refusal, RefusalKind, Ticket
from depthwalker.core.policy import Policy
from depthwalker.core.units import Malformed, format_count, format_price, parse_count, parse_price
from depthwalker.shell.api import Edge, Id, InvalidEdge, InvalidMethod, Market, Method, OrderRefused
from depthwalker.shell.config import parse_config
from depthwalker.shell.exact import LONGEST_SHOWN
from depthwalker.shell.journal import Source

LOG: Final = logging.getLogger("depthwalker")
T = TypeVar("T")

_SIDES: Final = {"yes": Leg.YES, "no": Leg.NO}
_ACTIONS: Final = {"buy": Action.BUY, "sell": Action.SELL}


@dataclass(frozen=True, slots=True)
class Job:
    """One call of the engine, read: what to execute, how, for whom, and under which request key."""

    request_key: str
    ticket: Ticket
    config: ExecutionConfig
    ticker: str
    market_id: str | None
    edge_id: Id | None
    method_id: Id | None
    strategy_id: Id | None
    model_id: Id | None
    source: Source


def read_job(edge: Edge, method: Method, market: Market | None, request_key: str | None) -> Job:
    """Return the job of an edge and a method. Raises InvalidEdge or InvalidMethod."""
    place = edge.market if market is None else market
    ticker: object = place.ticker
    if not isinstance(ticker, str) or not ticker.strip():
        raise InvalidEdge(f"ticker {ticker!r}: it must be a market's ticker, such as 'KXHIGHNY-26JUN11-T80'")
    edge_id, method_id = _needed("edge_id", edge.edge_id), _needed("method_id", method.method_id)
    market_id = _id("market_id", place.market_id)
    return Job(
        request_key=_text("request_key", request_key or f"edge {edge_id} method {method_id}"),
        ticket=read_ticket(edge.side, getattr(edge, "action", "buy"), edge.position_size, edge.target_price),
        config=read_config(method),
        ticker=_text("ticker", ticker),
        market_id=None if market_id is None else str(market_id),
        edge_id=edge_id,
        method_id=method_id,
        strategy_id=_id("strategy_id", getattr(method, "strategy_id", None)),
        model_id=_id("model_id", getattr(method, "model_id", None)),
        source=Source.ENGINE,
    )


def _needed(what: str, given: object) -> Id:
    told = _id(what, given)
    if told is None:
        raise InvalidEdge(f"{what} None: it must be the engine's key, without which one order is not told from another")
    return told


def _id(what: str, given: object) -> Id | None:
    """Return a key of the engine's tables as the plain number or text that is kept: as JSON, and read again by a worker."""
    match given:
        case None:
            return None
        case str():
            return _text(what, given)
        case UUID() | Decimal():
            return str(given)
        case SupportsIndex() if not isinstance(given, bool):  # numpy's integers are none of Python's
            return index(given)
        case _:
            raise InvalidEdge(
                f"{what} {given!r}: it must be a whole number or a text, as the engine's own tables have it"
            )


def _text(what: str, given: object) -> str:
    if not isinstance(given, str) or "\0" in given or any("\ud800" <= letter <= "\udfff" for letter in given):
        raise InvalidEdge(f"{what} {given!r}: it must be a text, without U+0000 or half of a character")
    return str.__str__(given)  # of a subclass, such as numpy's, the text alone


def job_of(request_key: str, state: State, policy: Policy) -> Job:
    """Return the job of an execution that is there already: whatever it is for stands in the store."""
    return Job(
        request_key=request_key,
        ticket=state.parent.ticket,
        config=policy.config,
        ticker=state.parent.ticker,
        market_id=None,
        edge_id=None,
        method_id=None,
        strategy_id=None,
        model_id=None,
        source=Source.ENGINE,
    )


def refuse_another(job: Job, named: Job) -> None:
    """Raise OrderRefused where a job's request key names an order in another market, outcome or direction.

    What else differs is only logged: a target moves between a call and its repetition.
    """
    if _direction(job) != _direction(named):
        told = f"request key {job.request_key!r} names an earlier order, {_direction(named)}: give another key"
        raise OrderRefused(Refusal(RefusalKind.KEY_TAKEN, told))
    pairs = (
        ("count", format_count(job.ticket.count), format_count(named.ticket.count)),
        ("target", format_price(job.ticket.target), format_price(named.ticket.target)),
        ("method", job.config, named.config),
    )
    differing = ", ".join(what for what, asked, was in pairs if asked != was)
    if differing:
        LOG.warning(
            "request key %s names an earlier, different order (%s): what became of that one, %s at %s, is returned",
            *(job.request_key, differing, format_count(named.ticket.count), format_price(named.ticket.target)),
        )


def _direction(job: Job) -> str:
    return f"to {job.ticket.action.value} {job.ticket.outcome.value} of {job.ticker}"


def read_config(method: Method) -> ExecutionConfig:
    """Return a method's configuration. Raises InvalidMethod."""
    match parse_config(method.execution_config):
        case Success(config):
            return config
        case Failure(errors):
            raise InvalidMethod(errors.in_words())
        case _ as never:
            assert_never(never)


def read_ticket(side: object, action: object, size: object, target: object) -> Ticket:
    """Return the parent order of plain values. Raises InvalidEdge, which names the value and what is allowed."""
    outcome = _SIDES.get(str(side))
    verb = _ACTIONS.get(str(action))
    if outcome is None:
        raise InvalidEdge(f"side {side!r}: it must be 'yes' or 'no'")
    if verb is None:
        raise InvalidEdge(f"action {action!r}: it must be 'buy' or 'sell'")
    return Ticket(
        outcome=outcome,
        action=verb,
        count=_read("position_size", parse_count(exact(size))),
        target=_read("target_price", parse_price(exact(target))),
    )


def exact(given: object) -> str:
    """Return a number's decimal text; a float counts as the shortest decimal that reads back as itself."""
    if isinstance(given, bool):
        return str(given)
    if isinstance(given, float):
        given = Decimal(float.__repr__(given))  # a subclass, as numpy's float64 is, has a repr of its own
    elif isinstance(given, int):
        given = Decimal(given)  # str() refuses more than 4,300 digits
    if isinstance(given, Decimal):
        return f"{given:f}" if given.is_finite() else str(given)
    return str(given).strip()


def _read(what: str, parsed: Outcome[T, Malformed]) -> T:
    match parsed:
        case Success(number):
            return number
        case Failure(malformed):
            raise InvalidEdge(f"{what} {malformed.text[:LONGEST_SHOWN]!r}: it must be {malformed.allowed}")
        case _ as never:
            assert_never(never)
