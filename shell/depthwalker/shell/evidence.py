"""A rollout's evidence: the parents that it rests on, and what they say as JSON, in microdollars a contract and parts per million."""

import msgspec

from depthwalker.core.rollout import Assigned, Comparison, Rollout, Stage
from depthwalker.shell.journal import Store
from depthwalker.shell.settings import PAPER


def evidence(found: Comparison) -> str:
    """Return the arms beside each other as a JSON object."""
    return msgspec.json.encode(found).decode()


async def parents(store: Store, account: str, rollout: Rollout) -> tuple[Assigned, ...]:
    """Return the finished parents that count since the stage began. Raises StoreError.

    At the paper stage they are those of `depthwalker paper`; where it was never run, those of engines, which trade on the
    demo exchange or a paper one. No paper counts later.
    """
    if rollout.stage is None:
        return ()
    if rollout.stage is Stage.PAPER and (found := await store.assigned(account + PAPER, rollout.since)):
        return found
    return await store.assigned(account, rollout.since)
