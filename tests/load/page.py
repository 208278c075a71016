"""The figures of a load test, as text and in docs/load.md."""

import os
from collections.abc import Iterator, Sequence

from tests.load.load import TICK_S, WORKERS, Figures
from tests.page import DOCS, commit, put

PAGE = DOCS / "load.md"


def shown(runs: Sequence[Figures]) -> Iterator[str]:
    """Yield the tables of some runs."""
    yield _row("", [one.tier for one in runs])
    yield _row("---", ["---:" for _ in runs])
    yield _row("parents", [f"{one.parents:,}" for one in runs])
    yield _row("executing at once, at most", [f"{one.peak:,}" for one in runs])
    yield _row(
        "answers of 429", [", ".join(f"{count} {kind}" for kind, count in one.throttled.items()) or "0" for one in runs]
    )
    yield _row("deadlines missed by more than a tick", [f"{sum(at > TICK_S for at in one.late):,}" for one in runs])
    yield _row("end after its deadline, seconds: median, 99th, most", [_spread(one.late) for one in runs])
    yield _row("tick after its time, seconds: median, 99th, most", [_spread(one.ticks) for one in runs])
    yield _row("wait in the queue, seconds: median, 99th, most", [_spread(one.waited) for one in runs])
    yield _row("requests", [f"{one.requests:,}" for one in runs])
    yield _row("orders", [f"{one.orders:,}" for one in runs])
    yield _row("fills", [f"{one.fills:,}" for one in runs])
    yield _row("seconds", [f"{one.seconds:.0f}" for one in runs])
    yield _row("of the processors, the workers", [_share(one, one.workers_s) for one in runs])
    yield _row("of the processors, the database", [_share(one, one.database_s) for one in runs])
    yield _row("of the processors, the exchange", [_share(one, one.exchange_s) for one in runs])
    yield _row("of the processors, others on the machine", [_share(one, one.others_s) for one in runs])
    for one in runs:
        yield ""
        yield f"At {one.tier}: {', '.join(f'{count} {what}' for what, count in one.ran)}; " + (
            ", ".join(f"{count} {what}" for what, count in sorted(one.ended.items())) + "."
        )


def keep(runs: Sequence[Figures]) -> None:
    """Write the figures into the page, instead of those of the runs before."""
    told = f"At commit {commit()}, {WORKERS} workers on {os.cpu_count()} shared cores:"
    put(PAGE, "load", (told, "", *shown(runs)))


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    at = [ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]]
    return ", ".join(f"{one:.1f}" for one in at)


def _share(one: Figures, used: float) -> str:
    return f"{100 * used / one.seconds / (os.cpu_count() or 1):.0f} %"
