"""Journals the facts that an earlier process could not, where this database knows their execution."""

import logging
from functools import reduce
from typing import Final

from depthwalker.core.execution import START, evolve
from depthwalker.core.projection import project
from depthwalker.shell.api import DatabaseTrouble
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.journal import Appended, NoSuchExecution, Store, StoreError, StoreUnavailable
from depthwalker.shell.spool import Spool, Spooled

LOG: Final = logging.getLogger("depthwalker")


async def journal_spool(spool: Spool, store: Store) -> None:
    """Journal what is kept and drop it; what cannot be stays, and is named in the log. Raises DatabaseTrouble."""
    for spooled in spool.kept():
        try:
            await _journal(spooled, spool, store)
        except NoSuchExecution:
            continue
        except (Unreadable, OSError) as other:
            LOG.warning("execution %s: its facts stay in the spool (%s)", spooled.seat.execution_id, other)
        except StoreUnavailable as error:
            raise DatabaseTrouble(f"the database cannot be used: {error}") from error
        except StoreError as error:
            LOG.warning("execution %s: its facts stay in the spool (%s)", spooled.seat.execution_id, error)


async def _journal(spooled: Spooled, spool: Spool, store: Store) -> None:
    seat = spooled.seat
    earlier = await store.load(seat.execution_id)
    state = reduce(evolve, (*earlier[: seat.next_seq - 1], *spooled.facts), START)
    if state.parent.execution != spooled.uuid:
        return
    appended = await store.append(seat.execution_id, seat.epoch, seat.next_seq, spooled.facts, project(state))
    if isinstance(appended, Appended):
        spool.drop(spooled.uuid)
    else:
        LOG.error("execution %s was taken over: its spooled facts stay in the spool", seat.execution_id)
