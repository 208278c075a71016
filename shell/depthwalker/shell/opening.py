"""Opens what an engine stands on: the database, embedded or named, and the key. Every trouble says what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, assert_never

from depthwalker.core.outcome import Failure, Success
from depthwalker.shell.api import DatabaseTrouble, ExchangeTrouble
from depthwalker.shell.ending import Wrong
from depthwalker.shell.journal import StoreError, StoreRefused
from depthwalker.shell.postgres import connect_string
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer, load_signer
from depthwalker.shell.store import PostgresStore

NO_KEY: Final = (
    "no API key: set DEPTHWALKER_KEY_ID and DEPTHWALKER_KEY_FILE; "
    "to try without money, `depthwalker exchange` prints what to set"
)


def require_key(settings: Settings) -> None:
    """See that there is a key, and that it can be used. Raises Wrong."""
    if settings.key_id is None:
        raise Wrong(NO_KEY)
    try:
        load_key(settings)
    except ExchangeTrouble as error:
        raise Wrong(str(error)) from error


def load_key(settings: Settings) -> Signer | None:
    """Return the signer of the settings' key, or None where no key is named. Raises ExchangeTrouble."""
    if settings.key_id is None or settings.key_file is None:
        return None
    match load_signer(settings.key_id, settings.key_file):
        case Success(signer):
            return signer
        case Failure(trouble):
            raise ExchangeTrouble(trouble.in_words())
        case _ as never:
            assert_never(never)


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[PostgresStore]:
    """Open the store of a database, with its schema loaded. Raises DatabaseTrouble."""
    async with AsyncExitStack() as stack:
        store = PostgresStore(url)
        try:
            await stack.enter_async_context(store)
            await store.migrate()
        except StoreRefused as error:  # reached: it is the loading that it refuses
            raise DatabaseTrouble(
                f"the database lacks this version's schema, which cannot be loaded: {error}; "
                "run `depthwalker db load` as the owner of its tables, or the version that they are of"
            ) from error
        except StoreError as error:
            raise DatabaseTrouble(f"the database cannot be used: {error}; check DATABASE_URL") from error
        yield store


async def embedded_server(stack: AsyncExitStack, settings: Settings) -> str:
    """Start or join the embedded server, for as long as the stack is open."""
    server = connect_string(settings.state_directory / "postgres")
    url = await asyncio.to_thread(server.__enter__)
    stack.push(server)
    return url
