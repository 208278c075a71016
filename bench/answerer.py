"""An exchange that accepts every order at once, in a process of its own: what is left of a round trip without an exchange.

Run as `python -m bench.answerer`; it prints its URL and serves until its standard input is closed.
"""

import asyncio
import sys
from typing import Final

import msgspec
from aiohttp import web

from depthwalker.shell.listener import Listener

ORDERS: Final = "/trade-api/v2/portfolio/events/orders"
ANSWER_TS_MS: Final = 1_760_000_000_000


class Asked(msgspec.Struct):
    """What the answer repeats of an order."""

    client_order_id: str
    count: str


_read: Final = msgspec.json.Decoder(Asked).decode


async def _accept(request: web.Request) -> web.Response:
    asked = _read(await request.read())
    answer = {
        "order_id": "00000000-0000-4000-8000-000000000000",
        "client_order_id": asked.client_order_id,
        "fill_count": "0.00",
        "remaining_count": asked.count,
        "ts_ms": ANSWER_TS_MS,
    }
    return web.Response(status=201, body=msgspec.json.encode(answer), content_type="application/json")


async def serve() -> None:
    """Serve on a free loopback port until standard input ends."""
    app = web.Application()
    app.router.add_post(ORDERS, _accept)
    listener = Listener(app, linger=0.1)
    print(f"http://127.0.0.1:{await listener.listen('127.0.0.1', 0)}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await listener.close()


if __name__ == "__main__":
    asyncio.run(serve())
