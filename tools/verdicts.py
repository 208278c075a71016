"""Prints docs/recordings_verdicts.md: the paper exchange put through a recorded session with the real demo exchange.

Each recorded request is sent again, in its order and at its own time, to a paper exchange that lists the same market with
the same book. Status, keys and error bodies must be the same, but for what the exchange has removed or added since
(fact sheet, sections 0 and 2); for orders and fills the values too, but for ids and times. The recordings are reference
material beside the checkout and no part of it: `python tools/verdicts.py > docs/recordings_verdicts.md`.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from depthwalker.core.book import Book, Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Event, Take, Tape
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange, lifecycle
from depthwalker.shell.signing import Signer

Json: TypeAlias = Any
SESSION = "kalshi/recordings/fortuna_demo_2026-06-11"
PREFIX = "/trade-api/v2"
KEY_ID = "recorder"
TRADED, GOLF = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP", "KXPGATOUR-USO26-JDAY"
START = Micros(1_781_159_338 * SECOND)  # ten seconds before the first request
DAY = Micros(86_400 * SECOND)
SKEWS = {"minus30s": -30, "minus5min": -300, "minus5s": -5, "plus5min": 300, "plus5s": 5}
LAG = Micros(SECOND // 2)  # a GET 0.4 s after a cancel still said resting; one 1.8 s after a create was current

REMOVED = {  # by the exchange, with the date
    "service": "2026-08-06",
    "liquidity_dollars": "2026-10-01",
    "response_price_units": "2026-07-09",
    "fractional_trading_enabled": "2026-07-09",
    "resting_orders_count": "2026-07-09",
}
ADDED = {"exchange_index", "settlement_bounds_type"}  # by the exchange, since
OPTIONAL = {"client_order_id"}  # in the answer to a cancel
# What a market has or has not by its kind: the recorded ones were about baseball, weather and combinations.
OWN = {
    "cap_strike", "custom_strike", "floor_strike", "is_provisional", "mve_collection_ticker", "mve_selected_legs",
    "primary_participant_key", "settlement_ts", "settlement_value_dollars", "strike_type", "subtitle",
    "early_close_condition", "occurrence_datetime", "expected_expiration_time",
}  # fmt: skip
TELLING = (
    "orders__", "cleanup__", "fills__", "settlements__", "exchange__", "series__", "orderbook__", "account__limits"
)  # fmt: skip
NAMES = {"order_id", "user_id", "trade_id", "fill_id", "ts", "ts_ms", "created_time", "last_update_time", "cursor"}
HEAD = f"""# The paper exchange against recordings of the real one

A session with the demo exchange of 2026-06-11 (recorded by others, on the wire), sent again to the paper exchange: every
request in its order and at its own time. *same body*: an error's body is the same JSON. *same keys*: the same keys with the
same types, at every depth. *same values*: so is every value but ids and times.

What the exchange has removed since is not there ({", ".join(sorted(REMOVED))}), what it has added is
({", ".join(sorted(ADDED))}). Fields that a market has by its kind (a strike, a combination's legs) are not compared.

Made by `python tools/verdicts.py`; a test runs it and compares, where the recordings are at hand.

| recording | request | recorded | here | verdict |
|---|---|---|---|---|"""


class ReplayClock:
    """Time as the recording has it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> Micros:
        """Return the time of the request in hand."""
        return self.time

    async def sleep_until(self, when: Micros) -> None:
        """Wait for ever: each request lets happen what is due."""
        while self.time < when:  # noqa: ASYNC110 - cancelled when the session is over
            await asyncio.sleep(3_600)


class Numbers:
    """Ids by counting."""

    def __init__(self) -> None:
        self._last = 0

    def hex(self, digits: int) -> str:
        """Return the next number in so many hex digits."""
        self._last += 1
        return f"{self._last:0{digits}x}"

    def jitter(self) -> int:
        """Return nothing: the exchange draws no jitter."""
        return 0


@dataclass(frozen=True)
class Recording:
    """One recorded request and its answer."""

    name: str
    meta: Json
    body: Json

    @property
    def at(self) -> Micros:
        """Return when it was sent; what has no time came last."""
        return Micros(self.meta.get("recorded_at_epoch_ms", (START + DAY) // 1_000) * 1_000)


@dataclass
class Replay:
    """The session on its way; `known` maps what the real exchange named to what this one named instead."""

    url: str
    session: aiohttp.ClientSession
    clock: ReplayClock
    signer: Signer
    known: dict[str, str] = field(default_factory=dict)

    async def send(self, recording: Recording) -> tuple[int, Json]:
        """Send a recorded request, and return status and body."""
        self.clock.time = max(self.clock.time, recording.at)
        path = recording.meta["path"].removeprefix(PREFIX)
        for theirs, ours in self.known.items():
            path = path.replace(theirs, ours)
        body = recording.meta.get("request_body")
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers(recording, path.partition("?")[0]) | {"Content-Type": "application/json"}
        async with self.session.request(recording.meta["method"], self.url + path, data=data, headers=headers) as got:
            text = await got.read()
        answered = json.loads(text) if text else {}
        for name in ("order_id", "cursor"):
            if recording.body.get(name) and answered.get(name):
                self.known[recording.body[name]] = answered[name]
        return got.status, answered

    def _headers(self, recording: Recording, path: str) -> dict[str, str]:
        method, how = recording.meta["method"], recording.meta["auth"]
        skew = SKEWS.get(recording.name.rpartition("_")[2], 0) * SECOND
        signed = dict(self.signer.sign(method, PREFIX + path, Micros(self.clock.time + skew)))
        match how:
            case "signed" | "signed-skewed":
                return signed
            case "bad-signature":
                return dict(self.signer.sign(method, "another path", self.clock.time))
            case "unknown-key-id":
                return signed | {"KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"}
            case "missing-signature-header":
                return {name: value for name, value in signed.items() if name != "KALSHI-ACCESS-SIGNATURE"}
            case _:
                return {}


def recordings(shared: Path) -> Iterator[Recording]:
    """Yield what was recorded of the REST interface, in the order of time."""
    found: list[Recording] = []
    for path in sorted((shared / SESSION).glob("*.meta.json")):
        meta, body = json.loads(path.read_bytes()), path.with_name(path.name.replace(".meta", ""))
        if body.exists() and meta.get("method"):
            found.append(Recording(body.stem, meta, json.loads(body.read_bytes())))
    yield from sorted(found, key=lambda recording: recording.at)


def listings() -> list[Listing]:
    """Return the market that was traded with its book, and enough others to fill the recorded pages."""
    three = ((Price(4_700), Count(300)),), ((Price(4_800), Count(300)),)
    deep = ((Price(9_700), Count(10_000)),)
    hits = tuple(Event(Micros(n * SECOND), Take(Leg.YES, Price(300), Count(100 + n))) for n in range(1, 20))
    golf = Tape(GOLF, CENT_GRID, Book((), deep, Micros(0)), hits, DAY)
    empty = Book((), (), Micros(0))
    others = [(f"KXCLOSED-26-{n}", Micros(SECOND), Micros(0)) for n in range(12)]
    others += [(f"KXLATER-26-{n}", Micros(9 * DAY), Micros(2 * DAY)) for n in range(30)]
    return [
        Listing(golf, closes_after=Micros(9 * DAY)),
        Listing(Tape(TRADED, CENT_GRID, Book(*three, Micros(0)), (), DAY), closes_after=Micros(14 * DAY)),
        *(
            Listing(Tape(ticker, CENT_GRID, empty, (), DAY), closes_after=closes, opens_after=opens)
            for ticker, closes, opens in others
        ),
    ]


def shape(value: Json) -> Json:
    """Return the keys and types of a body; the rows of a list are one, with the keys of all of them."""
    match value:
        case dict():
            return {name: shape(one) for name, one in value.items() if name not in OWN}
        case list():
            rows = [shape(one) for one in value]
            objects = rows and all(isinstance(row, dict) for row in rows)
            return [{name: one for row in rows for name, one in row.items()}] if objects else rows[:1]
        case _:
            return type(value).__name__


def differences(theirs: Json, ours: Json, at: str = "") -> Iterator[str]:
    """Yield where two shapes differ beyond what was removed and added; a list that is empty here tells nothing."""
    match theirs, ours:
        case dict(), dict():
            yield from (f"lacks {at}{name}" for name in theirs.keys() - ours.keys() - REMOVED.keys())
            yield from (f"has {at}{name}" for name in ours.keys() - theirs.keys() - ADDED - OPTIONAL)
            for name in theirs.keys() & ours.keys():
                yield from differences(theirs[name], ours[name], f"{at}{name}.")
        case [one], [other]:
            yield from differences(one, other, at)
        case [_], []:
            yield f"{at} is empty"
        case [], list():
            pass
        case _:
            if theirs != ours:
                yield f"{at} is {ours}, was {theirs}"


def values(body: Json) -> Json:
    """Return a body without ids, times, and what was removed or added."""
    if not isinstance(body, dict):
        return [values(one) for one in body] if isinstance(body, list) else body
    return {name: values(body[name]) for name in body.keys() - NAMES - REMOVED.keys() - ADDED - OPTIONAL}


def verdict(recording: Recording, status: int, body: Json) -> str:
    """Return how our answer compares; a verdict in capitals is a difference."""
    recorded = recording.meta["status"]
    if recording.name.startswith("orders__legacy"):
        same = (status, body["error"]["code"]) == (410, "deprecated_v1_order_endpoint")
        return "gone since 2026-06-25: 410, as the exchange answers today" if same else "DIFFERS from the removal"
    if status != recorded:
        return f"DIFFERS: {json.dumps(body)[:80]}"
    if status >= 400:
        return "same body" if without(recording.body) == body else f"DIFFERS: {json.dumps(body)[:80]}"
    found = sorted(differences(shape(recording.body), shape(body)))
    if found or not recording.name.startswith(TELLING):
        return f"DIFFERS: {'; '.join(found)[:160]}" if found else "same keys"
    theirs, ours = values(recording.body), values(body)
    if "fills" in theirs:  # the account had filled before the session: the newest row is the session's own
        theirs, ours = theirs["fills"][0], ours["fills"][0]
    return "same values" if theirs == ours else "DIFFERS in values"


def without(body: Mapping[str, Json]) -> Json:
    """Return an error's body without the field that is gone."""
    nested = body.get("error")
    return {"error": {k: v for k, v in nested.items() if k != "service"}} if isinstance(nested, dict) else body


def template(path: str) -> str:
    """Return a request's path with ids and tickers as variables."""
    named = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{order_id}", path.removeprefix(PREFIX))
    return named.partition("?")[0].replace(TRADED, "{ticker}")


async def rows(shared: Path) -> list[tuple[Recording, int, str]]:
    """Send the session again, and return each recording with our status and the verdict."""
    key, clock = Ed25519PrivateKey.from_private_bytes(bytes(range(32))), ReplayClock()
    account = Account("recorder", KEY_ID, key.public_key(), Money(98_018_600))
    options = Options(read_lag=LAG)
    compared: list[tuple[Recording, int, str]] = []
    async with (
        PaperExchange(listings(), [account], clock, Numbers(), options) as exchange,
        aiohttp.ClientSession() as session,
    ):
        clock.time = Micros(START + 5 * SECOND)
        for n in range(9):
            lifecycle.determine(exchange.exchange, f"KXCLOSED-26-{n}", "yes")
        for n in range(6):
            lifecycle.finalize(exchange.exchange, f"KXCLOSED-26-{n}")
        replay = Replay(exchange.url, session, clock, Signer(KEY_ID, key))
        for recording in recordings(shared):
            status, body = await replay.send(recording)
            compared.append((recording, status, verdict(recording, status, body)))
    return compared


def page(shared: Path) -> str:
    """Return the whole page."""
    compared = asyncio.run(rows(shared))
    lines = [
        f"| {one.name} | {one.meta['method']} {template(one.meta['path'])} | {one.meta['status']} | {status} | {told} |"
        for one, status, told in compared
    ]
    left = sorted(
        path.name
        for path in (shared / SESSION).iterdir()
        if ".meta." not in path.name and path.stem not in {one.name for one, _, _ in compared}
    )
    tail = f"\n{len(compared)} requests. Not among them, being no recorded REST request: {', '.join(left)}."
    return "\n".join([HEAD, *lines, tail, ""])


if __name__ == "__main__":
    print(page(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared"), end="")
