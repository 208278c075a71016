"""How often the guard stops a walker that does no harm, and how soon one that does: `make guard` writes docs/guard.md.

Parents come from the laboratory: synthetic sessions (or recordings) on which simple_limit and the others execute the same
parents. A day is drawn as whole sessions, with replacement, so what the parents of a session have in common stays; the arm of
each parent is the rollout's own assignment of a fresh edge, and the guard is the core's.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.guard import DAYS, WIDER, review
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action
from depthwalker.core.policy import policy_for
from depthwalker.core.rollout import SHARES, Arm, Assigned, Stage, bucket
from depthwalker.core.tape import Tape
from depthwalker.core.units import CENT_MONEY, CONTRACT, SECOND, Count, Micros, Money, Price, round_div
from depthwalker.shell.lab.cost import measure
from depthwalker.shell.lab.experiment import indexed
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampled, Sampling, sample
from depthwalker.shell.lab.players import Player, players
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize

PAGE: Final = Path(__file__).parents[1] / "docs" / "guard.md"
RECORDED: Final = "## On recordings\n"
CONTROL: Final = "simple_limit"
WALKER: Final = "dynamic_depth_walker"
CHASE: Final = "chase"
LATENCY: Final = Micros(100_000)
SPAN: Final = 60  # days
EVERY: Final = 120  # seconds from parent to parent
SOON: Final = 20
ONCE: Final = 1  # the interval of 95 %
ALONE: Final = 0  # no interval
EDGES: Final = 100_000
MARKETS: Final = ("thin", "moderate", "moderate", "liquid", "liquid")  # of a day
STAGES: Final = (Stage.TENTH, Stage.HALF, Stage.FULL)


@dataclass(frozen=True, slots=True)
class Met:
    """A parent of a session and what each player paid for it, in microdollars a contract."""

    cost: dict[str, Money]


@dataclass(frozen=True, slots=True)
class World:
    """A walker to be judged: whose costs its parents have, and how much more."""

    name: str
    player: str
    extra: int


@dataclass(frozen=True, slots=True)
class Found:
    """On which of 60 days each rule stopped a walker, span by span; None where it did not."""

    guard: tuple[int | None, ...]
    once: tuple[int | None, ...]  # with an interval of 95 %
    alone: tuple[int | None, ...]  # with three worse days and no interval


WORLDS: Final = (
    World("equal to control", CONTROL, 0),
    World("the walker as it is", WALKER, 0),
    World("the walker, a cent dearer than control", CONTROL, CENT_MONEY),
    World("the walker, two cents dearer than control", CONTROL, 2 * CENT_MONEY),
    World("a chasing order in its place", CHASE, 0),
)


def competing() -> tuple[Player, ...]:
    """Return control, the walker, and an order that follows the best bid."""
    config = replace(DEFAULT_EXECUTION, slippage_ppm=None, slippage_dollars=Price(300))
    everyone = players(config)
    plain = Player(CONTROL, policy_for(replace(config, algorithm=Algorithm.SIMPLE_LIMIT)))
    return plain, everyone[WALKER], everyone[CHASE]


def met(tape: Tape, every: int) -> tuple[Met, ...]:
    """Return the parents of a session, one every so many seconds, 100 contracts at the offer, the outcomes in turn."""
    chosen = competing()
    index = indexed(tape)
    config = chosen[0].policy.config
    found: list[Met] = []
    for leg, offset in ((Leg.YES, every), (Leg.NO, 3 * every // 2)):
        sampling = Sampling(
            counts=(Count(100 * CONTRACT),),
            outcomes=(leg,),
            action=Action.BUY,
            aim=Aim("offer", 0),
            every=Micros(every * SECOND),
            offset=Micros(offset * SECOND),
            config=config,
        )
        for drawn in sample(index, sampling):
            if isinstance(drawn, Sampled):
                paid = {}
                for player in chosen:
                    exchange = Indexed(index, drawn.parent, QueueModel.WORST)
                    twice = measure(exchange, index, drawn, player, LATENCY).twice_shortfall
                    paid[player.name] = Money(round_div(twice * CONTRACT, 2 * drawn.parent.count))
                found.append(Met(paid))
    return tuple(found)


def synthetic(sessions: int, seconds: int, tell: Callable[[str], None]) -> dict[str, list[tuple[Met, ...]]]:
    """Return so many sessions of each profile."""
    found: dict[str, list[tuple[Met, ...]]] = {name: [] for name in PROFILES}
    for name, profile in PROFILES.items():
        for seed in range(sessions):
            found[name].append(met(synthesize(profile, seed, seconds), EVERY))
        tell(f"{name}: {sum(map(len, found[name]))} parents of {sessions} sessions")
    return found


def recorded(folder: Path, tell: Callable[[str], None]) -> list[tuple[Met, ...]]:
    """Return the sessions of a folder's recordings that can be replayed and gave parents."""
    found: list[tuple[Met, ...]] = []
    for file in sorted(folder.glob("*.jsonl.gz")):
        match load(file):
            case Success(tape):
                session = met(tape, EVERY)
                tell(f"{file.name}: {len(session)} parents")
                if session:
                    found.append(session)
            case _:
                pass
    return found


def days(
    draw: Callable[[random.Random], Sequence[tuple[Met, ...]]], world: World, stage: Stage, chance: random.Random
) -> Iterator[list[Assigned]]:
    """Yield day after day: sessions drawn whole, each parent's arm by a fresh edge."""
    edge = chance.randrange(EDGES)
    day = 0
    while True:
        parents: list[Assigned] = []
        for market, session in enumerate(draw(chance)):
            for one in session:
                walks = _BUCKETS[edge % EDGES] < SHARES[stage]
                cost = one.cost[world.player] + world.extra if walks else one.cost[CONTROL]
                parents.append(Assigned(Arm.WALKER if walks else Arm.CONTROL, f"M{market}", day, Money(cost)))
                edge += 1
        yield parents
        day += 1


def span(stream: Iterator[list[Assigned]], rules: frozenset[int]) -> tuple[int | None, int | None, int | None]:
    """Return on which of 60 days each rule stops the walker: the guard, an interval of 95 %, three worse days alone."""
    kept: list[list[Assigned]] = []
    stopped: dict[int, int] = {}
    for day in range(1, SPAN + 1):
        kept = [*kept[1 - DAYS :], next(stream)]
        known = [one for parents in kept for one in parents]
        for wider in rules.difference(stopped):
            if review(known, day, wider) is not None:
                stopped[wider] = day
        if WIDER in stopped:  # the others stop no later
            break
    return stopped.get(WIDER), stopped.get(ONCE), stopped.get(ALONE)


def judge(
    draw: Callable[[random.Random], Sequence[tuple[Met, ...]]], world: World, stage: Stage, trials: int, seed: int
) -> Found:
    """Return what becomes of a walker in so many spans of 60 days."""
    chance = random.Random(f"{world.name} {stage.value} {seed}")  # noqa: S311 - a simulation guards nothing
    equal = world.player == CONTROL and not world.extra
    rules = frozenset({WIDER, ONCE, ALONE} if equal else {WIDER})
    guard, once, alone = zip(*(span(days(draw, world, stage, chance), rules) for _ in range(trials)), strict=True)
    return Found(guard, once, alone)


def share(stops: Sequence[int | None], within: int) -> str:
    """Return which part of the spans was stopped within so many days, or a dash where there are none."""
    if not stops:
        return "-"
    return f"{sum(day is not None and day <= within for day in stops) / len(stops):.3f}"


def of_profiles(sessions: dict[str, list[tuple[Met, ...]]]) -> Callable[[random.Random], list[tuple[Met, ...]]]:
    """Return a drawer of days: a session of each of five markets."""

    def draw(chance: random.Random) -> list[tuple[Met, ...]]:
        return [chance.choice(sessions[name]) for name in MARKETS]

    return draw


def of_files(sessions: list[tuple[Met, ...]]) -> Callable[[random.Random], list[tuple[Met, ...]]]:
    """Return a drawer of days: five recordings."""

    def draw(chance: random.Random) -> list[tuple[Met, ...]]:
        return [chance.choice(sessions) for _ in MARKETS]

    return draw


def table(draw: Callable[[random.Random], Sequence[tuple[Met, ...]]], trials: int, seed: int) -> Iterator[str]:
    """Yield a table of all worlds and stages."""
    yield "| the walker's parents cost | stage | within 20 days | within 60 days | median day | 95 %: 20 | 60 | worse days alone: 20 | 60 |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for world in WORLDS:
        for stage in STAGES:
            found = judge(draw, world, stage, trials, seed)
            tripped = [day for day in found.guard if day is not None]
            equal = world == WORLDS[0]
            rules = (found.guard, found.once if equal else (), found.alone if equal else ())
            soon, once, alone = (f"{share(stops, SOON)} | {share(stops, SPAN)}" for stops in rules)
            day = f"{median(tripped):.0f}" if tripped else "-"
            yield f"| {world.name} | {stage.value} | {soon} | {day} | {once} | {alone} |"


def costs(sessions: Sequence[tuple[Met, ...]]) -> str:
    """Return what the players paid on average."""
    every = [one for session in sessions for one in session]
    names = (CONTROL, WALKER, CHASE)
    means = ", ".join(f"{name} {sum(one.cost[name] for one in every) / len(every) / CENT_MONEY:.2f}" for name in names)
    return f"{len(every)} parents of {len(sessions)} sessions; mean shortfall in cents a contract: {means}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and return the exit code."""
    parser = argparse.ArgumentParser(prog="make guard", description=__doc__)
    parser.add_argument("--sessions", type=int, default=12, help="synthetic sessions of each profile")
    parser.add_argument("--seconds", type=int, default=1_200, help="length of a session")
    parser.add_argument("--trials", type=int, default=100, help="spans of 60 days of each line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="a folder of recordings; without it that section stays as it is")
    parser.add_argument("--write", type=Path, default=PAGE)
    given = parser.parse_args(arguments)

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    sessions = synthetic(given.sessions, given.seconds, tell)
    flat = [session for name in PROFILES for session in sessions[name]]
    page = [
        HEAD.format(sessions=given.sessions, minutes=given.seconds // 60, trials=given.trials),
        costs(flat),
        "",
        *table(of_profiles(sessions), given.trials, given.seed),
        "",
        TAIL,
    ]
    before = given.write.read_text(encoding="utf-8") if given.write.exists() else ""
    kept = before.partition(RECORDED)[2]
    if given.data is not None and given.data.is_dir():
        files = recorded(given.data, tell)
        kept = "\n".join(["", OF_FILES, costs(files), "", *table(of_files(files), given.trials, given.seed), ""])
    text = "\n".join(page) + (f"\n{RECORDED}{kept}" if kept else "")
    given.write.write_text(text, encoding="utf-8")
    tell(f"wrote {given.write}")
    return 0


HEAD: Final = """# How often the guard is wrong

Written by `make guard`; `docs/rollout.md` says what the guard does. {sessions} synthetic sessions of {minutes} minutes of each profile; a
day is five markets, each a whole session drawn with replacement; arms as the rollout assigns them; {trials} spans of 60 days a line.
Every parent is 100 contracts at the offer with 3 cents of room, under the pessimistic queue.
"""
TAIL: Final = """The lines *equal to control* are the false-trip rate: a walker whose parents cost what control's do. The last four columns say
what the same three days would have done with the interval of 95 %, and with no interval at all: the reason for the guard's own, which
is twice as wide. The hard limit and broken invariants play no part here. What all markets of a day have in common is not in synthetic
sessions; more parents a day, or more alike ones, make the guard quicker, fewer slower.
"""
OF_FILES: Final = """The same on recordings: a day is five of them, drawn whole with replacement. There are few, so this is descriptive.
"""
_BUCKETS: Final = tuple(bucket(str(edge)) for edge in range(EDGES))

if __name__ == "__main__":
    sys.exit(main())
