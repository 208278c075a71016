"""The smoke test against Kalshi's demo exchange with the user's own key: `make kalshi-demo`.

It reads (status, clock, limits, balance, a market, its book, the position there); told to trade, it also rests one
contract at the lowest price of the market, cancels it and reads that it is gone. Nothing of the account is shown.
"""

import argparse
import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from depthwalker.core.answer import Ack, Market, MarketStatus, NotApplied, OrderRecord, OrderStatus, Rejected, Trouble
from depthwalker.core.book import Book, Leg, ladders
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.reply import describe
from depthwalker.core.skew import correction
from depthwalker.core.units import CONTRACT, SECOND, Micros, format_price
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.ending import FAILED, OK, REFUSED
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.ports import Clock, PlaceRequest
from depthwalker.shell.settings import Settings, SettingsError, trades_live
from depthwalker.shell.signing import Signer, load_signer
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.voice import complain, say

T = TypeVar("T")

LIFETIME: Final = Micros(60 * SECOND)  # the order ends by itself should everything else fail
LOOKS: Final = 10
BETWEEN_LOOKS: Final = Micros(SECOND // 2)  # reads lag writes (fact sheet, section 5.3)
CLOSING: Final = Micros(600 * SECOND)
NO_KEY: Final = """\
no key: make one at https://demo.kalshi.co (account, API keys), keep it in a file that only you can read, and set
  export DEPTHWALKER_KEY_ID=the-id-shown-beside-the-key
  export DEPTHWALKER_KEY_FILE=/path/to/the/key.pem
Kalshi's demo exchange is what DEPTHWALKER_BASE_URL stands at unless you set it"""


class Broken(Exception):
    """One step failed; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; without a market the first open one with a book serves."""

    trade: bool
    market: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the smoke test and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m depthwalker.shell.smoke", description="Check Kalshi's demo exchange."
    )
    parser.add_argument("--trade", action="store_true", help="also rest one contract far from the market and cancel it")
    parser.add_argument("--market", default="", metavar="TICKER", help="the market (default: the first open one)")
    arguments = parser.parse_args(argv)
    try:
        settings = Settings.load()
    except SettingsError as error:
        complain(str(error))
        return REFUSED
    return asyncio.run(smoke(settings, Wish(arguments.trade, arguments.market)))


async def smoke(settings: Settings, wish: Wish) -> int:
    """Run every step, say how each went, and return the exit code."""
    if settings.key_id is None or settings.key_file is None:
        complain(NO_KEY)
        return REFUSED
    if wish.trade and trades_live(settings.base_url):
        complain("this test trades on the demo exchange only: unset DEPTHWALKER_BASE_URL, or leave TRADE out")
        return REFUSED
    match load_signer(settings.key_id, settings.key_file):
        case Success(signer):
            return await _checked(settings.base_url, signer, wish)
        case Failure(trouble):
            complain(trouble.in_words())
            return REFUSED


async def _checked(base_url: str, signer: Signer, wish: Wish) -> int:
    transport, clock = AioHttpTransport(base_url), SystemClock()
    venue = KalshiVenue(transport, signer, clock)
    account = KalshiAccount(venue.rest)
    say(f"exchange  {base_url}")
    try:
        await _read(venue, account)
        market, book = await _market(venue, account, wish.market, clock)
        _say_book(market, book)
        _done("position", await venue.position(market.ticker))
        say("position  readable")
        if wish.trade:
            await _trade(venue, market, book, clock)
        else:
            say("trading   left out; TRADE=1 places one order far from the market and cancels it")
    except Broken as broken:
        complain(f"failed    {broken}")
        return FAILED
    finally:
        await transport.close()
    say("all is well")
    return OK


async def _read(venue: KalshiVenue, account: KalshiAccount) -> None:
    status = _done("status", await venue.warm())
    say(f"status    exchange {_active(status.exchange_active)}, trading {_active(status.trading_active)}")
    limits = _done("limits", await account.limits())
    say(f"limits    {limits.tier}: {limits.read.refill} read and {limits.write.refill} write tokens a second")
    costs = _done("costs", await account.costs())
    say(f"costs     {costs.default} tokens, {len(costs.endpoints)} endpoints differ")
    _done("balance", await venue.balance())
    say("balance   readable")
    known = venue.rest.skew
    say(f"clock     the exchange's is {known.low // 1_000} to {known.high // 1_000} ms ahead of ours")
    say(f"          {correction(known) // 1_000} ms are added when signing")


async def _market(venue: KalshiVenue, account: KalshiAccount, ticker: str, clock: Clock) -> tuple[Market, Book]:
    if ticker:
        named = _done(f"market {ticker}", await venue.market(ticker))
        return named, _done("book", await venue.book(ticker))
    page = _done("markets", await account.markets(status="open", limit=100))
    lasting = {
        one.ticker: one
        for one in page.items
        if one.status is MarketStatus.ACTIVE and one.close_time > clock.now() + CLOSING
    }
    books = _done("books", await account.books(tuple(lasting)))
    found = next((one for one in books if books[one].yes and books[one].no), None)
    if found is None:
        raise Broken(f"none of {len(page.items)} open markets has a book; name one with MARKET=ticker")
    return _done("market", await venue.market(found)), books[found]


def _say_book(market: Market, book: Book) -> None:
    seen = ladders(book, Leg.YES)
    bid, offer = (format_price(side[0][0]) if side else "none" for side in (seen.queue, seen.offers))
    say(f"market    {market.ticker} is {market.status.value}; YES bid {bid}, offer {offer}")


async def _trade(venue: KalshiVenue, market: Market, book: Book, clock: Clock) -> None:
    lowest = market.grid.lowest()
    leg = next((leg for leg in Leg if all(price > lowest for price, _ in ladders(book, leg).offers)), None)
    if leg is None:
        raise Broken(
            "trading: this market is offered at its lowest price on both sides; name another with MARKET=ticker"
        )
    started = clock.now()
    request = PlaceRequest(
        ticker=market.ticker,
        client_order_id=f"dw-smoke-{secrets.token_hex(12)}",
        leg=leg,
        price=lowest,
        count=CONTRACT,
        immediate=False,
        post_only=True,
        expires=Micros(started + LIFETIME),
    )
    order_id = await _placed(venue, request, await venue.place(request), started, clock)
    say(f"order     1 contract of {leg.value} rests at {format_price(lowest)}")
    cancelled = await venue.cancel(market.ticker, order_id)
    for _ in range(LOOKS):
        record = _done("order", await venue.order(order_id))
        if record.status is not OrderStatus.RESTING:
            break
        if isinstance(cancelled, Failure):
            cancelled = await venue.cancel(market.ticker, order_id)
        await clock.sleep_until(Micros(clock.now() + BETWEEN_LOOKS))
    else:
        raise Broken(f"cancel: order {order_id} still reads as resting; it ends by itself within a minute")
    if record.filled:
        raise Broken(f"cancel: order {order_id} was filled: there is a position in {market.ticker} now")
    say(f"cancel    confirmed: the order is {record.status.value}, nothing was filled")


async def _placed(
    venue: KalshiVenue, request: PlaceRequest, outcome: Outcome[Ack, Trouble], started: Micros, clock: Clock
) -> str:
    """Return the order's id, looked up by the client's where the answer got lost."""
    match outcome:
        case Success(ack):
            return ack.order_id
        case Failure(Rejected() | NotApplied() as trouble):
            raise Broken(f"order: {describe(trouble)}")
        case Failure(trouble):
            for _ in range(LOOKS):
                await clock.sleep_until(Micros(clock.now() + BETWEEN_LOOKS))
                listed = await venue.orders(request.ticker, Micros(started - LIFETIME))
                found = _mine(listed, request.client_order_id)
                if found is not None:
                    return found.order_id
            raise Broken(f"order: {describe(trouble)}; should it rest, it ends by itself within a minute")


def _mine(listed: Outcome[tuple[OrderRecord, ...], Trouble], client_order_id: str) -> OrderRecord | None:
    match listed:
        case Success(records):
            return next((one for one in records if one.client_order_id == client_order_id), None)
        case Failure():
            return None


def _done(step: str, outcome: Outcome[T, Trouble]) -> T:
    match outcome:
        case Success(found):
            return found
        case Failure(trouble):
            raise Broken(f"{step}: {describe(trouble)}")


def _active(flag: bool) -> str:
    return "active" if flag else "paused"


if __name__ == "__main__":
    raise SystemExit(main())
