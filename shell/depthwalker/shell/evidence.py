"""A rollout's evidence as JSON: costs in microdollars a contract, gains in parts per million."""

import msgspec

from depthwalker.core.rollout import Comparison


def evidence(found: Comparison) -> str:
    """Return the arms beside each other as a JSON object."""
    return msgspec.json.encode(found).decode()
