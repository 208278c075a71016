"""What a world consists of and what goes wrong in it: drawn from a seed, or written down as a script."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from tests.shell.rig import AMethod, quiet, sellers, simple, walker
from tests.simulation.wire import Fault

from depthwalker.core.tape import Tape

MOST_PARENTS = 6
A_DAY_S = 86_400.0


@dataclass(frozen=True)
class Parent:
    """One parent order: how many contracts are bought or sold, of which outcome, and how."""

    size: int
    method: AMethod
    action: str = "buy"
    side: str = "yes"


@dataclass(frozen=True)
class Interruption:
    """The market stops: `what` names how, from `at` for so many seconds."""

    what: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Circumstances:
    """A world before it begins. Seconds; `odds` are those of a fault at each request, `losses` faults at the nth of a kind.

    `held` contracts were bought by hand before. `gives_up_at` is when the caller cancels its calls. `moves_close`: when the
    closing time is moved, and by how much; a market that has closed is settled soon after.
    """

    parents: tuple[Parent, ...]
    tape: Tape = field(default_factory=quiet)
    closes: float = A_DAY_S
    read_lag: float = 0.0
    odds: float = 0.0
    dies_at: int | None = None
    second_worker: bool = False
    groups: bool = False
    socket: bool = False
    held: int = 0
    interruptions: tuple[Interruption, ...] = ()
    losses: Mapping[tuple[str, int], Fault] = field(default_factory=dict)
    gives_up_at: float | None = None
    moves_close: tuple[float, float] | None = None

    @property
    def last_close(self) -> float:
        """Return when the market closes for the last time."""
        at, by = self.moves_close or (0.0, 0.0)
        return max(at, self.closes + by)


def drawn(seed: int, most: int = MOST_PARENTS) -> Circumstances:
    """Return the circumstances of a seed: with at most so many parents at once."""
    random = Random(seed)
    held = random.choice((0, 0, 80))
    times = sorted(random.uniform(0, 4) for _ in range(random.randint(0, 4)))
    given = Circumstances(
        parents=tuple(_parent(random, held) for _ in range(random.randint(1, most))),
        tape=quiet(*sellers(random.choice((4_300, 4_500)), random.randint(1, 80), *times)),
        closes=random.choice((2.0, A_DAY_S, A_DAY_S, A_DAY_S)),
        read_lag=random.choice((0.0, 0.0, 0.3)),
        odds=random.choice((0.05, 0.2, 0.5)),
        dies_at=random.choice((None, random.randint(1, 1_500))),
        second_worker=random.random() < 0.3,
        groups=random.random() < 0.5,
        socket=random.random() < 0.5,
        held=held,
        interruptions=tuple(
            Interruption(what, random.uniform(0, 4), random.uniform(0.1, 6))
            for what in ("trading pause", "exchange pause", "reactivation sweep")
            if random.random() < 0.15
        ),
        gives_up_at=random.uniform(0, 4) if random.random() < 0.1 else None,
    )
    if random.random() < 0.3 and given.closes < A_DAY_S:
        return replace(given, moves_close=(random.uniform(3, 30), random.uniform(1, 30)))
    if random.random() < 0.1 and given.closes == A_DAY_S:
        return replace(given, moves_close=(random.uniform(0.2, 3), -A_DAY_S))
    return given


def _parent(random: Random, held: int) -> Parent:
    seconds, kind = random.randint(1, 3), random.random()
    method = (
        simple(seconds)
        if kind < 0.3
        else walker(seconds)
        if kind < 0.65
        else walker(seconds, policy="spec")
        if kind < 0.8
        else simple(seconds, algorithm=random.choice(("twap", "adaptive_limit")))
    )
    sells = held > 0 and random.random() < 0.4
    size, opposite = random.randint(1, held // 2 if sells else 120), random.random() < 0.2
    return Parent(size, method, "sell" if sells else "buy", "no" if opposite and not sells else "yes")


_FILLS = quiet(*sellers(4_300, 20, 0.6, 1.1))
_WALKS = Circumstances((Parent(60, walker(2)),))
SCRIPTS: Mapping[str, Circumstances] = {
    "a limit order rests and is filled": Circumstances((Parent(30, simple(2)),), _FILLS),
    "a walker rests, walks and takes the rest": _WALKS,
    "the specification's policy": Circumstances((Parent(60, walker(2, policy="spec")),), _FILLS),
    "a sale": Circumstances((Parent(40, walker(2), "sell"),), held=80),
    "parents that acquire opposite legs": Circumstances(
        (Parent(30, simple(3)), Parent(30, walker(3), side="no"), Parent(20, walker(2, policy="spec"), side="no"))
    ),
    "two parents at once, one order group, by websocket": Circumstances(
        (Parent(30, walker(2)), Parent(20, simple(1))), _FILLS, groups=True, socket=True
    ),
    "a create whose answer is lost": replace(_WALKS, losses={("create", 1): Fault.ANSWER_LOST}),
    "a create that is lost": replace(_WALKS, losses={("create", 1): Fault.REQUEST_LOST}),
    "an amend and a cancel whose answers are lost": replace(
        _WALKS, losses={("amend", 1): Fault.ANSWER_LOST, ("cancel", 1): Fault.ANSWER_LOST}, gives_up_at=1.2
    ),
    "the caller gives up half way": Circumstances((Parent(60, walker(3)),), _FILLS, gives_up_at=0.9),
    "trading pauses, and goes on": replace(_WALKS, interruptions=(Interruption("trading pause", 0.5, 0.8),)),
    "the market is reactivated": replace(_WALKS, interruptions=(Interruption("reactivation sweep", 0.5, 0.8),)),
    "the market closes": Circumstances((Parent(60, walker(3)),), moves_close=(0.9, -A_DAY_S)),
    "a create is lost, and its market closes": Circumstances(
        (Parent(60, simple(1)),), closes=2.0, losses={("create", 1): Fault.LATE}
    ),
    "a create is lost, its market closes, and it comes when it is open again": Circumstances(
        (Parent(60, simple(1)),), closes=2.0, losses={("create", 1): Fault.LATE}, moves_close=(3.0, 30.0)
    ),
}
