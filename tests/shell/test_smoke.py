"""The smoke test for Kalshi's demo exchange, run here against our own: it reads, and trades only when told to."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.shell.scripted import Answer, trading

from depthwalker.core.units import Money, format_money
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.ending import FAILED, OK, REFUSED
from depthwalker.shell.paper import Account, Listing, PaperExchange
from depthwalker.shell.paper import Lost as LostAnswer
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.settings import Settings
from depthwalker.shell.smoke import Wish, main, smoke
from depthwalker.shell.synthetic import synthesize

ME, KEY_ID = "me", "key-of-mine"
CASH = Money(98_765_432_100)
TAPE = synthesize(PROFILES["liquid"], 7, 30)
READ = Wish(trade=False, market=TAPE.ticker)
TRADE = Wish(trade=True, market=TAPE.ticker)


def key_file(folder: Path, key: Ed25519PrivateKey) -> Path:
    file = folder / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return file


@asynccontextmanager
async def exchange(folder: Path, *, known: bool = True) -> AsyncIterator[tuple[PaperExchange, Settings]]:
    key = Ed25519PrivateKey.generate()
    account = Account(ME, KEY_ID if known else "another", key.public_key(), CASH)
    async with PaperExchange([Listing(TAPE)], [account], SystemClock(), SystemChance()) as paper:
        yield (
            paper,
            Settings.of(
                base_url=paper.url, installation="0123abcd", key_id=KEY_ID, key_file=str(key_file(folder, key))
            ),
        )


async def test_it_reads_and_says_so_without_showing_the_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with exchange(tmp_path) as (paper, settings):
        assert await smoke(settings, READ) == OK
        assert paper.orders(ME) == ()

    said = capsys.readouterr().out
    for word in ("status    exchange active, trading active", "limits    ", "costs     10 ", TAPE.ticker, "TRADE=1"):
        assert word in said
    assert said.endswith("all is well\n")
    assert KEY_ID not in said
    assert format_money(CASH)[:5] not in said


@pytest.mark.parametrize("market", [TAPE.ticker, ""], ids=["named", "found"])
async def test_told_to_trade_it_places_one_contract_far_away_and_cancels_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], market: str
) -> None:
    async with exchange(tmp_path) as (paper, settings):
        assert await smoke(settings, Wish(trade=True, market=market)) == OK
        (order,) = paper.orders(ME)
        assert (order.initial, order.filled, paper.resting(ME)) == (100, 0, ())
        assert order.price == TAPE.grid.lowest()
        assert paper.cash(ME) == CASH

    assert "confirmed: the order is canceled, nothing was filled" in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["create", "cancel"])
async def test_an_answer_that_gets_lost_leaves_nothing_behind(tmp_path: Path, lost: str) -> None:
    async with exchange(tmp_path) as (paper, settings):
        paper.faults.add(lost, LostAnswer(applied=True))
        assert await smoke(settings, TRADE) == OK
        assert (len(paper.orders(ME)), paper.resting(ME)) == (1, ())


async def test_a_key_that_the_exchange_does_not_know_fails_with_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with exchange(tmp_path, known=False) as (_, settings):
        assert await smoke(settings, TRADE) == FAILED

    assert "NOT_FOUND" in capsys.readouterr().err


async def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with exchange(tmp_path) as (paper, settings):
        assert settings.key_file is not None
        settings.key_file.chmod(0o644)
        assert await smoke(settings, READ) == REFUSED
        assert sum(paper.requests.values()) == 0

    assert "chmod 600" in capsys.readouterr().err


def test_without_a_key_it_says_what_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KEY_ID", "KEY_FILE", "BASE_URL", "CONFIG"):
        monkeypatch.delenv(f"DEPTHWALKER_{name}", raising=False)
    monkeypatch.setenv("DEPTHWALKER_STATE_DIRECTORY", str(tmp_path))

    assert main(["--trade"]) == REFUSED

    said = capsys.readouterr().err
    assert "DEPTHWALKER_KEY_ID" in said
    assert "DEPTHWALKER_KEY_FILE" in said


def test_settings_that_cannot_be_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "nowhere")

    assert main([]) == REFUSED
    assert "base_url" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["prod", "https://api.elections.kalshi.com/trade-api/v2", "https://external-api.kalshi.com"]
)
async def test_it_never_trades_with_real_money(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = key_file(tmp_path, Ed25519PrivateKey.generate())
    settings = Settings.of(base_url=url, installation="0123abcd", key_id=KEY_ID, key_file=str(file))

    assert await smoke(settings, TRADE) == REFUSED
    assert "demo exchange only" in capsys.readouterr().err


async def test_an_exchange_that_cannot_be_reached_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = key_file(tmp_path, Ed25519PrivateKey.generate())
    settings = Settings.of(base_url="http://127.0.0.1:1", installation="0123abcd", key_id=KEY_ID, key_file=str(file))

    assert await smoke(settings, READ) == FAILED
    assert "status: not sent" in capsys.readouterr().err


async def test_without_a_market_the_first_open_one_with_a_book_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def market(ticker: str, status: str, close: str) -> object:
        bands = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
        common = {"event_ticker": "E", "price_ranges": bands, "exchange_index": 2}
        return {**common, "ticker": ticker, "status": status, "close_time": close}

    full = {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": [["0.4800", "3.00"]]}
    empty: dict[str, object] = {"yes_dollars": []}

    def books(*tickers: str) -> object:
        return {"orderbooks": [{"ticker": one, "orderbook_fp": full if one == "GOOD" else empty} for one in tickers]}

    rate = {"refill_rate": 1, "bucket_capacity": 1}
    far = "2999-01-01T00:00:00Z"
    markets = [market("EMPTY", "active", far), market("LATE", "active", "1999-01-01T00:00:00Z")]
    markets += [market("IDLE", "inactive", far), market("GOOD", "active", far)]
    answers: tuple[Answer, ...] = (
        (200, {"exchange_active": True, "trading_active": False}),
        (200, {"usage_tier": "basic", "read": rate, "write": rate}),
        (200, {"default_cost": 10, "endpoint_costs": []}),
        (200, {"balance": 1}),
        (200, {"markets": markets, "cursor": "more"}),
        (200, books("EMPTY", "GOOD")),
        (200, {"market": market("GOOD", "active", far)}),
        (200, {"market_positions": []}),
    )
    file = key_file(tmp_path, Ed25519PrivateKey.generate())
    async with trading(*answers) as (server, _):
        settings = Settings.of(base_url=server.url, installation="0123abcd", key_id=KEY_ID, key_file=str(file))
        assert await smoke(settings, Wish(trade=False, market="")) == OK

    assert server.requests[5].pairs == (("tickers", "EMPTY"), ("tickers", "GOOD"))
    assert "GOOD is active; YES bid 0.4700, offer 0.5200" in capsys.readouterr().out


def test_it_is_a_program(tmp_path: Path) -> None:
    """As `make kalshi-demo` runs it, in a process of its own."""
    import os
    import subprocess
    import sys

    async def whole() -> tuple[int, str]:
        async with exchange(tmp_path) as (_, settings):
            environment = {
                **os.environ,
                "DEPTHWALKER_BASE_URL": settings.base_url,
                "DEPTHWALKER_KEY_ID": KEY_ID,
                "DEPTHWALKER_KEY_FILE": str(settings.key_file),
                "DEPTHWALKER_STATE_DIRECTORY": str(tmp_path),
            }
            words = (sys.executable, "-m", "depthwalker.shell.smoke", "--trade", "--market", TAPE.ticker)
            done = await asyncio.to_thread(subprocess.run, words, env=environment, capture_output=True, check=False)
            return done.returncode, done.stdout.decode()

    code, said = asyncio.run(whole())

    assert code == OK, said
    assert said.endswith("all is well\n")
