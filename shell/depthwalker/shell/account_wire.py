"""The V2 bodies beyond the `Venue` port, turned into core values: batches, groups, queues, rates, status, schedule, fees.

Shapes: fact sheet, sections 5.5 to 5.9, 6, 8 and 9; the manner of reading is that of `wire`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from depthwalker.core.answer import (
    Ack,
    ExchangeStatus,
    FeeChange,
    Maintenance,
    OrderGroup,
    QueuePosition,
    Schedule,
    Session,
    ShardStatus,
    Week,
)
from depthwalker.core.book import Book
from depthwalker.core.budget import Costs, EndpointCost, Limits, Rate
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Count, Micros
from depthwalker.shell.bodies import (
    DecreaseBody,
    DoneBody,
    GroupBody,
    GroupsBody,
    NewGroupBody,
    QueuePositionBody,
    QueuePositionsBody,
)
from depthwalker.shell.exchange_bodies import (
    CostsBody,
    EventFeePart,
    EventFeesBody,
    LimitsBody,
    RatePart,
    ScheduleBody,
    SeriesFeePart,
    SeriesFeesBody,
    SessionPart,
    StatusBody,
    WeekPart,
)
from depthwalker.shell.reading import Refused, Unreadable, count_of, reading, stamp_of, time_of
from depthwalker.shell.tariff import FeeSchedule, fee_rates
from depthwalker.shell.wire import Listing, Sides, book_of

DAY_MINUTES: Final = 1_440
CLOCK_TIME: Final = re.compile(r"(\d\d):([0-5]\d)(?::00)?", re.ASCII)


class _TickerBook(msgspec.Struct, frozen=True):
    ticker: str
    orderbook_fp: Sides


class _BooksBody(msgspec.Struct, frozen=True):
    orderbooks: Sequence[_TickerBook]


def read_books(body: bytes, at: Micros) -> Outcome[Mapping[str, Book], Unreadable]:
    """Return the books of GET /markets/orderbooks by ticker, dated `at`."""
    try:
        found = msgspec.json.decode(body, type=_BooksBody)
        return Success({one.ticker: book_of(one.orderbook_fp, at) for one in found.orderbooks})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failure(Unreadable("order books", "not the documented JSON"))
    except Refused as refused:
        return Failure(Unreadable("order books", str(refused)))


def read_decrease(body: bytes, now: Micros, order_id: str) -> Outcome[Ack, Unreadable]:
    """Return the answer to a decrease, which leaves out what is filled; one that names another order is Unreadable."""

    def convert(found: DecreaseBody) -> Ack:
        if found.order_id != order_id:
            raise Refused("it describes another order")
        return Ack(found.order_id, None, count_of(found.remaining_count), stamp_of(found.ts_ms, now))

    return reading("decrease answer", DecreaseBody, body, convert)


def read_queue_position(body: bytes) -> Outcome[Count, Unreadable]:
    """Return the contracts ahead of GET /portfolio/orders/{id}/queue_position."""
    return reading("queue position", QueuePositionBody, body, lambda found: count_of(found.queue_position_fp))


def read_queue_positions(body: bytes) -> Outcome[tuple[QueuePosition, ...], Unreadable]:
    """Return the places of GET /portfolio/orders/queue_positions."""

    def convert(found: QueuePositionsBody) -> tuple[QueuePosition, ...]:
        return tuple(
            QueuePosition(one.order_id, one.market_ticker, count_of(one.queue_position_fp))
            for one in found.queue_positions or ()
        )

    return reading("queue positions", QueuePositionsBody, body, convert)


def read_new_group(body: bytes) -> Outcome[str, Unreadable]:
    """Return the id of a new order group."""
    return reading("order group", NewGroupBody, body, lambda found: found.order_group_id)


def read_groups(body: bytes) -> Outcome[tuple[OrderGroup, ...], Unreadable]:
    """Return the groups of GET /portfolio/order_groups; without any the exchange answers {}."""

    def convert(found: GroupsBody) -> tuple[OrderGroup, ...]:
        return tuple(
            OrderGroup(one.id, _limit(one.contracts_limit_fp), (), one.exchange_index)
            for one in found.order_groups or ()
        )

    return reading("order groups", GroupsBody, body, convert)


def read_group(body: bytes, group_id: str) -> Outcome[OrderGroup, Unreadable]:
    """Return the group of GET /portfolio/order_groups/{id}, which does not name itself."""

    def convert(found: GroupBody) -> OrderGroup:
        limit, orders = _limit(found.contracts_limit_fp), found.orders or ()
        return OrderGroup(group_id, limit, orders, found.exchange_index)

    return reading("order group", GroupBody, body, convert)


def read_done(body: bytes) -> Outcome[None, Unreadable]:
    """Return that it was done: the answer is {} or nothing at all."""
    return Success(None) if not body.strip() else reading("answer", DoneBody, body, lambda _: None)


def read_limits(body: bytes) -> Outcome[Limits, Unreadable]:
    """Return the account's rates of GET /account/limits."""

    def convert(found: LimitsBody) -> Limits:
        return Limits(found.usage_tier, _rate(found.read), _rate(found.write))

    return reading("limits", LimitsBody, body, convert)


def read_costs(body: bytes) -> Outcome[Costs, Unreadable]:
    """Return the tokens that requests cost, of GET /account/endpoint_costs."""

    def convert(found: CostsBody) -> Costs:
        rows = tuple(
            EndpointCost(one.method.upper(), one.path, _not_negative(one.cost)) for one in found.endpoint_costs
        )
        return Costs(_positive(found.default_cost), rows)

    return reading("endpoint costs", CostsBody, body, convert)


def read_status(body: bytes) -> Outcome[ExchangeStatus, Unreadable]:
    """Return the flags of GET /exchange/status."""

    def convert(found: StatusBody) -> ExchangeStatus:
        resumes = found.exchange_estimated_resume_time
        return ExchangeStatus(
            exchange_active=found.exchange_active,
            trading_active=found.trading_active,
            resumes=time_of(resumes) if resumes else None,
            shards=tuple(
                ShardStatus(one.exchange_index, one.exchange_active, one.trading_active)
                for one in found.exchange_index_statuses or ()
            ),
        )

    return reading("exchange status", StatusBody, body, convert)


def read_schedule(body: bytes) -> Outcome[Schedule, Unreadable]:
    """Return the hours of GET /exchange/schedule."""

    def convert(found: ScheduleBody) -> Schedule:
        windows = found.schedule.maintenance_windows or ()
        return Schedule(
            tuple(map(_week, found.schedule.standard_hours)),
            tuple(Maintenance(time_of(one.start_datetime), time_of(one.end_datetime)) for one in windows),
        )

    return reading("schedule", ScheduleBody, body, convert)


def read_series_changes(body: bytes) -> Outcome[tuple[FeeChange, ...], Unreadable]:
    """Return the changes of GET /series/fee_changes, earliest first."""

    def convert(found: SeriesFeesBody) -> tuple[FeeChange, ...]:
        return tuple(sorted(map(_series_change, found.series_fee_change_arr), key=_when))

    return reading("series fee changes", SeriesFeesBody, body, convert)


def read_event_changes(body: bytes) -> Outcome[Listing[FeeChange], Unreadable]:
    """Return a page of GET /events/fee_changes."""

    def convert(found: EventFeesBody) -> Listing[FeeChange]:
        return Listing(tuple(map(_event_change, found.event_fee_changes)), found.cursor)

    return reading("event fee changes", EventFeesBody, body, convert)


def _limit(text: str | None) -> Count | None:
    return None if text is None else count_of(text)


def _rate(found: RatePart) -> Rate:
    return Rate(_positive(found.refill_rate), _positive(found.bucket_capacity))


def _positive(number: int) -> int:
    if number <= 0:
        raise Refused("a rate is not above 0")
    return number


def _not_negative(number: int) -> int:
    if number < 0:
        raise Refused("a cost is below 0")
    return number


def _week(found: WeekPart) -> Week:
    days = (
        found.monday,
        found.tuesday,
        found.wednesday,
        found.thursday,
        found.friday,
        found.saturday,
        found.sunday,
    )
    return Week(time_of(found.start_time), time_of(found.end_time), tuple(tuple(map(_session, day)) for day in days))


def _session(found: SessionPart) -> Session:
    return Session(_minutes(found.open_time), _minutes(found.close_time))


def _minutes(text: str) -> int:
    found = CLOCK_TIME.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES + 1
    if minutes > DAY_MINUTES:
        raise Refused("an hour of the day is not HH:MM")
    return minutes


def _series_change(found: SeriesFeePart) -> FeeChange:
    schedule = FeeSchedule(found.fee_type, found.fee_multiplier)
    return _change(found.series_ticker, "", schedule, found.scheduled_ts)


def _event_change(found: EventFeePart) -> FeeChange:
    kind, multiplier = found.fee_type_override, found.fee_multiplier_override
    schedule = None if kind is None or multiplier is None else FeeSchedule(kind, multiplier)
    return _change(found.series_ticker, found.event_ticker, schedule, found.scheduled_ts)


def _change(series: str, event: str, schedule: FeeSchedule | None, at: str) -> FeeChange:
    if schedule is None:
        return FeeChange(series, event, None, None, time_of(at))
    rates = fee_rates(schedule)
    known = rates.unwrap() if isinstance(rates, Success) else None
    return FeeChange(series, event, schedule.fee_type, known, time_of(at))


def _when(change: FeeChange) -> Micros:
    return change.at
