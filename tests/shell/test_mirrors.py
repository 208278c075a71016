"""Live market data with simulated fills: what happens there happens here, and nothing but market data is ever asked for there."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.shell.command_line import method, trading_at
from tests.shell.rig import CASH, KEY, ME, TICKER, quiet, until

from depthwalker.core.answer import MarketStatus
from depthwalker.core.book import Leg
from depthwalker.core.fees import WITH_MAKER_FEES
from depthwalker.core.outcome import Success
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.tape import Arrive, Take
from depthwalker.core.units import MILLION, Count, Micros, Price
from depthwalker.shell.cli import main
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.mirrors import MarketData, Mirrors, mirrored
from depthwalker.shell.paper import Account, Listing, PaperExchange, lifecycle
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.paper.forms import read_create
from depthwalker.shell.paper.orders import create
from depthwalker.shell.ports import HttpRequest, HttpResponse, NotSent
from depthwalker.shell.settings import Settings
from depthwalker.shell.transport import AioHttpTransport

FINE = dict(STRUCTURES)["tapered_deci_cent"]


@dataclass
class Pair:
    """The exchange that is followed, and our own."""

    there: PaperExchange
    here: PaperExchange
    mirrors: Mirrors

    def books_agree(self) -> bool:
        there, here = self.there.book(TICKER), self.here.book(TICKER)
        return (there.yes, there.no) == (here.yes, here.no)


@asynccontextmanager
async def followed(tmp_path: Path, listing: Listing | None = None, **keys: object) -> AsyncIterator[Pair]:
    clock = SystemClock()
    account = Account(ME, "kid", KEY.public_key(), CASH)
    async with AsyncExitStack() as stack:
        there = PaperExchange([listing or Listing(quiet())], [account], clock, SystemChance())
        here = PaperExchange((), [account], clock, SystemChance())
        await stack.enter_async_context(there)
        await stack.enter_async_context(here)
        usual: dict[str, object] = {"installation": "0123abcd", "book_interval_seconds": "0.1"}
        settings = Settings.of(base_url=there.url, state_directory=tmp_path, **(usual | keys))
        yield Pair(there, here, await mirrored(stack, here, settings, [TICKER], clock))


async def test_the_book_follows_and_what_others_trade_fills_our_order_here(tmp_path: Path) -> None:
    async with followed(tmp_path) as pair:
        await until(pair.books_agree)
        pair.there.play(TICKER, [Arrive(Leg.YES, Price(4_500), Count(700)), Arrive(Leg.NO, Price(5_400), Count(900))])
        await until(pair.books_agree)
        pair.there.play(TICKER, [Take(Leg.NO, Price(5_500), Count(300))])
        await until(lambda: len(pair.here.exchange.floors[TICKER].trades) == 1)
        await until(pair.books_agree)
        assert await pair.mirrors.tickers() == (TICKER,)
        assert (await pair.mirrors.book(TICKER)).yes[0] == (4_500, 400)


async def test_status_close_grid_and_fees_follow_too(tmp_path: Path) -> None:
    async with followed(tmp_path) as pair:
        floor = pair.here.exchange.floors[TICKER]
        await until(pair.books_agree)
        lifecycle.regrid(pair.there.exchange, TICKER, FINE)
        lifecycle.deactivate(pair.there.exchange, TICKER)
        pair.mirrors._feeds[TICKER].reread_market()
        await until(lambda: floor.inactive and floor.pit.rules.grid == FINE)
        lifecycle.activate(pair.there.exchange, TICKER)
        lifecycle.change_fees(pair.there.exchange, "RIG", "", Fees("quadratic_with_maker_fees"), Micros(0))
        pair.mirrors._feeds[TICKER].reread_market()
        pair.mirrors._feeds[TICKER].reread_fees()
        await until(lambda: not floor.inactive and floor.pit.rules.rates == WITH_MAKER_FEES)
        await until(pair.books_agree)
        lifecycle.move_close(pair.there.exchange, TICKER, Micros(0))
        pair.mirrors._feeds[TICKER].reread_market()
        await until(lambda: floor.status(SystemClock().now()) is MarketStatus.CLOSED)


@pytest.mark.parametrize("kind", ["quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat"])
async def test_whoever_trades_here_is_told_the_fees_that_are_charged(kind: str, tmp_path: Path) -> None:
    first, then = Fees(kind, MILLION // 2), Fees(kind)
    async with followed(tmp_path, Listing(quiet(), kind, MILLION // 2)) as pair:
        floor, wire = pair.here.exchange.floors[TICKER], AioHttpTransport(pair.here.url)
        venue = KalshiVenue(wire, None, SystemClock())
        market = pair.mirrors._feeds[TICKER].market
        assert (floor.pit.rules.rates, await venue.fee_rates(market)) == (first.rates, Success(first.rates))
        lifecycle.change_fees(pair.there.exchange, floor.listing.series_ticker, market.event_ticker, then, Micros(0))
        pair.mirrors._feeds[TICKER].reread_fees()
        await until(lambda: floor.pit.rules.rates == then.rates)
        assert await venue.fee_rates(market) == Success(then.rates)
        await wire.close()


async def test_a_trade_told_just_after_the_level_that_it_lowered_takes_from_it_once(tmp_path: Path) -> None:
    """The exchange tells of both on channels of their own; ours is last in its queue, and nobody got so far."""
    file = tmp_path / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with followed(tmp_path, key_id="kid", key_file=file, book_interval_seconds="5") as pair:
        await until(lambda: len(pair.there.sockets) == 1 and pair.books_agree())
        pair.there.play(TICKER, [Arrive(Leg.YES, Price(4_500), Count(1_000))])
        await until(pair.books_agree)
        ours = {"ticker": TICKER, "side": "bid", "count": "10", "price": "0.45", "time_in_force": "good_till_canceled"}
        form = read_create(json.dumps(ours | {"self_trade_prevention_type": "maker"}).encode())
        create(pair.here.exchange, ME, form)
        pair.there.plan({"kind": "frame.trade", "fault": "delay", "ms": 5})
        pair.there.play(TICKER, [Take(Leg.NO, Price(5_500), Count(600))])
        await until(lambda: len(pair.here.exchange.floors[TICKER].trades) >= 1)
        assert pair.here.book(TICKER).yes[0] == (4_500, 1_400)
        assert pair.here.fills(ME) == ()


async def test_a_book_that_is_not_known_any_more_offers_nothing(tmp_path: Path) -> None:
    async with followed(tmp_path) as pair:
        await until(pair.books_agree)
        await pair.there.stop()
        await until(lambda: pair.here.book(TICKER).yes == ())


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/trade-api/v2/portfolio/events/orders", {}),
        ("GET", "/trade-api/v2/portfolio/orders", {}),
        ("DELETE", "/trade-api/v2/markets/X", {}),
        ("GET", "/trade-api/v2/markets/X", {"KALSHI-ACCESS-KEY": "kid"}),
    ],
)
async def test_only_unsigned_market_data_passes(method: str, path: str, headers: dict[str, str]) -> None:
    sent: list[HttpRequest] = []

    class Wire:
        async def send(self, request: HttpRequest) -> HttpResponse:
            sent.append(request)
            return HttpResponse(200, {}, b"{}")

        async def close(self) -> None: ...

    wire = MarketData(Wire())
    with pytest.raises(NotSent, match="only market data is asked for here"):
        await wire.send(HttpRequest(method, path, (), headers, None))
    allowed = HttpRequest("GET", "/trade-api/v2/markets/X", (), {}, None)
    await wire.send(allowed)
    assert sent == [allowed]


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_a_run_on_live_data_fills_here_and_sends_nothing_there(
    websocket: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = method(tmp_path / "limit.json", {"order_timeout_seconds": 60})  # at the offer, where it fills at once
    with trading_at(tmp_path, monkeypatch, postgres) as kalshi:
        monkeypatch.setenv("DEPTHWALKER_WEBSOCKET", websocket)
        given = ["OPEN-1", "--venue", "feed", "--method", limit, "--every", "1", "--parents", "2", "--count", "10"]
        assert main(["paper", *given, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["executed"], told["failed"], told["skipped"]) == (2, [], 0)
        with psycopg.connect(postgres) as connection:
            rows = connection.execute("SELECT source, ticker, filled_quantity FROM execution_state").fetchall()
        assert rows == [("paper", "OPEN-1", 10)] * 2
        asked = kalshi.exchange.requests
        assert set(asked) <= {"market", "event", "series", "book", "trades", "socket"}, asked
        assert kalshi.exchange.orders("cli") == ()
        assert ("socket" in asked) == (websocket == "true")
