"""The tokens of one rate bucket that this process may spend: of a bucket of its own, or leased from the account's common one.

Leased tokens run out with their lease; those kept for cancels are leased in advance. While the store cannot be reached, a
process goes on alone with a share of the rate: others may be in the same case.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from depthwalker.core.budget import Bucket, Rate, available, available_within, full, ready_at, rerated, spend
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import Store, StoreError, TokenAsk, TokenBlock
from depthwalker.shell.ports import Clock
from depthwalker.shell.tasks import end

TTL: Final = Micros(10 * SECOND)
RENEWAL: Final = Micros(5 * SECOND)  # before a lease ends
PATIENCE_S: Final = 0.5  # a store that takes longer is taken for away: a cancel may be waiting
ENDING_S: Final = 1.0  # for what was abandoned to end
AWAY: Final = Micros(2 * SECOND)  # until it is asked again
ALONE: Final = 8  # the processes of an account that may each go on alone, without a 429
BLOCKS: Final = 16  # a lease takes so many-th of the bucket beyond what is needed at once
FIRST_PAUSE: Final = Micros(SECOND)  # after a 429 that others caused; doubled by each that follows
LONGEST_PAUSE: Final = Micros(16 * SECOND)
# Market data leaves half of a budget to others, but a quarter once it has waited: by a book older than five seconds nothing is
# taken or walked, and what is left to orders would never be asked for. A poll is of two requests and a second's rest.
SPARING: Final = Micros(2 * SECOND)


class Pool(Protocol):
    """Where an account's tokens are leased from."""

    async def lease(self, bucket: str, ask: TokenAsk, rate: Bucket, ttl: Micros) -> TokenBlock:
        """As the store's `lease_tokens`. Raises StoreError."""
        ...


class StorePool:
    """The pool that all processes of an account share through the store."""

    def __init__(self, store: Store, account: str, worker: str) -> None:
        self._store = store
        self._account = account
        self._worker = worker

    async def lease(self, bucket: str, ask: TokenAsk, rate: Bucket, ttl: Micros) -> TokenBlock:
        """As the store's `lease_tokens`. Raises StoreError."""
        return await self._store.lease_tokens(self._account, bucket, self._worker, ask, rate, ttl)


class Purse:
    """One bucket's tokens. Without a pool the bucket is this process's own."""

    def __init__(self, clock: Clock, name: str, bucket: Bucket, pool: Pool | None) -> None:
        """`name` is the common bucket's: `read`, `write` or `calls`."""
        self._clock = clock
        self._name = name
        self._bucket = bucket  # with a pool: the common one, as last seen
        self._pool = pool
        self._alone = _share(bucket, bucket.at)
        self._held = 0
        self._held_until = bucket.at
        self._busy = False  # since the last look of `hold`
        self._away = False
        self._asked_again = bucket.at
        self._paused_until = Micros(bucket.at - LONGEST_PAUSE)
        self._pause = FIRST_PAUSE
        self._leasing = asyncio.Lock()
        self._asking: set[asyncio.Task[TokenBlock]] = set()

    @property
    def capacity(self) -> int:
        """Return how many tokens the bucket holds."""
        return self._bucket.capacity

    def go_by(self, rate: Rate) -> None:
        """Go by another rate from now on; what was spent stays spent."""
        now = self._clock.now()
        self._bucket = rerated(self._bucket, rate, now)
        self._alone = replace(_share(self._bucket, now), level=0)

    def within(self, span: Micros) -> int:
        """Return how many tokens can be spent from now until `span` has passed, if nobody else spends any."""
        now = self._clock.now()
        return (self._held if now < self._held_until else 0) + available_within(self._bucket, span, now)

    async def take(self, cost: int, kept: Callable[[], int], *, spare: int = 0, urgent: bool = False) -> None:
        """Return when `cost` is spent, with what `kept` tells left to this process, and `spare` beside it to whomever.

        What is urgent waits for tokens alone. What is to spare some waits SPARING at most for all of them, then for half of them.
        """
        until = Micros(self._clock.now() + SPARING)
        while True:
            sparing = spare > 0 and self._clock.now() < until
            ready = await self._take(cost, kept(), spare if sparing else spare // 2, urgent=urgent)
            if ready is None:
                return
            await self._clock.sleep_until(min(ready, until) if sparing else ready)

    async def hold(self, wanted: int) -> None:
        """Have `wanted` tokens at hand for a while, and give back what nobody has used since the last call."""
        now = self._clock.now()
        idle, self._busy = not self._busy, False
        missing, running_out = wanted - self._held, self._held > 0 and self._held_until - now < RENEWAL
        if (
            self._pool is not None
            and now >= self._asked_again
            and (missing > 0 or running_out or (idle and missing < 0))
        ):
            await self._lease(self._pool, 0, max(0, missing), wanted if idle else self._held)

    async def give_back(self) -> None:
        """Leave what is not spent to the others, as the last thing that is done with it."""
        if self._pool is not None and self._held and self._clock.now() >= self._asked_again:
            await self._lease(self._pool, 0, 0, 0)
        if self._asking:  # cancelled already: a second time would interrupt that, and cost the connection
            await asyncio.wait(self._asking, timeout=ENDING_S)
        await end(*self._asking)

    def refused(self) -> None:
        """Pause: somebody else has used up the exchange's bucket (a 429). Cancels go on."""
        now = self._clock.now()
        if now < self._paused_until:
            return
        follows = now - self._paused_until < LONGEST_PAUSE
        self._pause = min(LONGEST_PAUSE, Micros(2 * self._pause)) if follows else FIRST_PAUSE
        self._paused_until = Micros(now + self._pause)

    async def _take(self, cost: int, kept: int, spare: int, *, urgent: bool) -> Micros | None:
        """Spend, or return when to try again."""
        now = self._clock.now()
        if now < self._paused_until and not urgent:
            return self._paused_until
        if self._pool is None:
            ready = ready_at(self._bucket, cost, kept + spare, now)
            self._bucket = spend(self._bucket, cost, now) if ready <= now else self._bucket
            return ready if ready > now else None
        if (not spare or self._plenty(cost + kept + spare, now)) and self._spent(cost, kept, now, urgent=urgent):
            return None
        if now >= self._asked_again:
            needed = max(0, min(cost + kept, self._bucket.capacity) - self._live(now))
            ahead = self._bucket.capacity // BLOCKS // cost * cost  # whole requests: a rest would be of use to nobody
            least = min(needed + spare, self._bucket.capacity - self._live(now))
            wait = await self._lease(self._pool, least, needed + ahead, self._held)
            now = self._clock.now()
            if wait is not None:
                return None if not wait and self._spent(cost, kept, now, urgent=urgent) else Micros(now + max(1, wait))
        ready = ready_at(self._alone, cost, kept + spare, now)
        self._alone = spend(self._alone, cost, now) if ready <= now else self._alone
        return ready if ready > now else None

    def _plenty(self, wanted: int, now: Micros) -> bool:
        """Return whether so many are there in all, as far as this process has seen."""
        return self._live(now) + available(self._bucket, now) >= wanted

    def _spent(self, cost: int, kept: int, now: Micros, *, urgent: bool) -> bool:
        """Spend of what is leased; what is urgent may also use what was kept for it when its lease has run out."""
        held = self._held if urgent else self._live(now)
        if held < min(cost + kept, self._bucket.capacity):
            return False
        self._held -= cost
        self._busy = True
        return True

    def _live(self, now: Micros) -> int:
        return self._held if now < self._held_until else 0

    async def _lease(self, pool: Pool, least: int, wanted: int, kept: int) -> Micros | None:
        """Renew the lease, keeping so much of it; return how long to wait, None where the store is away."""
        before = self._held
        async with self._leasing:
            if least and self._held > before:
                return Micros(0)  # another request has just leased: look again
            asked = self._clock.now()
            live = self._live(asked)
            kept = min(kept, live)
            self._held -= live - kept
            try:
                block = await self._answer(pool, TokenAsk(kept, live - kept, least, wanted))
            except (StoreError, TimeoutError):
                self._go_on_alone()
                return None
            self._away = False
            self._held = min(self._held, block.kept) + block.granted
            self._held_until = Micros(asked + TTL)
            self._bucket = replace(self._bucket, level=block.remaining * self._bucket.period, at=self._clock.now())
            return block.wait

    async def _answer(self, pool: Pool, ask: TokenAsk) -> TokenBlock:
        """Return what is leased. Raises StoreError, and TimeoutError without waiting for the cancelled store to give up."""
        asking = asyncio.create_task(pool.lease(self._name, ask, self._bucket, TTL))
        self._asking.add(asking)
        asking.add_done_callback(self._answered)
        try:
            await asyncio.wait({asking}, timeout=PATIENCE_S)
            if not asking.done():
                raise TimeoutError
            return asking.result()
        finally:
            asking.cancel()

    def _answered(self, asking: "asyncio.Task[TokenBlock]") -> None:
        """Forget it, and what it raised: whoever still waits has that already."""
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()

    def _go_on_alone(self) -> None:
        now = self._clock.now()
        if not self._away:
            self._alone = replace(_share(self._bucket, now), level=0)
        self._away, self._asked_again = True, Micros(now + AWAY)


def _share(bucket: Bucket, now: Micros) -> Bucket:
    """Return what a process may spend while it cannot ask the others."""
    return full(bucket.tokens, Micros(bucket.period * ALONE), max(1, bucket.capacity // ALONE), now)
