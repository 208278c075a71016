"""Our fills against flumine's and NautilusTrader's on drawn tapes: `make differential` writes docs/differential.md.

What each simulator fills is foretold by a few lines of plain Python (`cases.expected`) under its own rules. Two that agree need no
rule to explain it; where they differ, the rules must say so, to the contract and the microsecond, or the command fails.
"""

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.peers import cases, ours
from bench.peers.cases import Fills, Order, Rules, expected, merged
from bench.peers.tape import Drawn, read
from bench.peers.told import version_of
from depthwalker.core.ledger import OrderKey, Style
from depthwalker.core.units import CENT, CONTRACT, Count, Micros, Price
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import ORIGIN, QueueModel
from depthwalker.shell.lab.parents import Sampled, drawn

PAGE: Final = Path(__file__).parents[2] / "docs" / "differential.md"
OURS, FLUMINE, NAUTILUS = "depthwalker", "flumine", "NautilusTrader"
RULES: Final = {
    OURS: Rules("shown", "added"),
    FLUMINE: Rules("kept", "never"),
    NAUTILUS: Rules("emptied", "again"),
}
MODULES: Final = {FLUMINE: "bench.peers.flumine", NAUTILUS: "bench.peers.nautilus_cases"}
SEEDS, EACH = 60, 6


@dataclass(frozen=True, slots=True)
class Compared:
    """How one simulator's fills stand to ours: orders by what came of them, and the cases that nothing explains."""

    orders: Counter[str]
    unexplained: list[str]


def our_fills(tape: Drawn, orders: list[Order]) -> list[Fills]:
    """Return what our indexed exchange fills, each order alone."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "ours")
        ours.prepare(tape, source)
        index = Index(ours.load(source))
        return [_alone(index, order) for order in orders]


def _alone(index: Index, order: Order) -> Fills:
    at = Micros(ORIGIN + order.at_us)
    count = Count(order.count * CONTRACT)
    (sampled,) = drawn(index, replace(ours.SAMPLING, counts=(count,)), at)
    assert isinstance(sampled, Sampled)
    exchange = Indexed(index, sampled.parent, QueueModel.WORST)
    exchange.place(OrderKey(1, 0), Price(order.cents * CENT), count, Style.TAKE if order.takes else Style.REST, at)
    exchange.advance(index.end())
    return merged([(fill.at - ORIGIN, fill.price // CENT, fill.count // CONTRACT) for fill in exchange.account.fills])


def their_fills(python: str, module: str, folder: Path) -> dict[int, list[Fills | None]]:
    """Return what a peer fills, by the tape's seed; None where it has no way to say."""
    command = [python, "-W", "ignore", "-m", module, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    found = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    return {int(seed): [None if one is None else _fills(one) for one in fills] for seed, fills in found}


def _fills(told: list[list[int]]) -> Fills:
    return [(int(at), int(cents), int(count)) for at, cents, count in told]


def compare(
    tapes: dict[int, Drawn],
    orders: dict[int, list[Order]],
    mine: dict[int, list[Fills]],
    theirs: Mapping[int, Sequence[Fills | None]],
    rules: Rules,
) -> Compared:
    """Return how a peer's fills stand to ours."""
    found: Counter[str] = Counter()
    unexplained = []
    for seed, order, our, their in _cases(orders, mine, theirs):
        if their is None:
            found["not compared"] += 1
        elif their != expected(tapes[seed], order, rules):
            found["unexpected"] += 1
            unexplained.append(f"seed {seed}, {order}: {their}, ours {our}")
        elif their == our:
            found["taking, alike" if order.takes else "resting, alike"] += 1
        else:
            found[_reason(tapes[seed], order, their, rules)] += 1
    return Compared(found, unexplained)


def _cases(
    orders: dict[int, list[Order]], mine: dict[int, list[Fills]], theirs: Mapping[int, Sequence[Fills | None]]
) -> Iterator[tuple[int, Order, Fills, Fills | None]]:
    for seed, all_of_it in orders.items():
        for order, our, their in zip(all_of_it, mine[seed], theirs[seed], strict=True):
            yield seed, order, our, their


def _reason(tape: Drawn, order: Order, their: Fills, rules: Rules) -> str:
    """Return which of the two differences alone explains it, or both."""
    if expected(tape, order, replace(RULES[OURS], queue=rules.queue)) == their:
        return "differ: a cancel before it in the queue"
    if expected(tape, order, replace(RULES[OURS], offers=rules.offers)) == their:
        return "differ: an offer came to its price"
    return "differ: both"


HEAD: Final = """# Our fills beside other simulators'

`make differential` draws {tapes} tapes of {events:,} events (seeds {first} to {last}, `bench/peers/tape.py`) with {each} orders each, sends every
order alone, and compares what fills: the instant, the price and the count of every fill. flumine's own matching (written for
another exchange), NautilusTrader's engine, and our indexed exchange under the worst queue, which other tests hold equal to the
plain one.

Each simulator has rules of its own about two things that a tape of levels does not tell. A few lines of plain Python
(`bench/peers/cases.py`) foretell every fill under these rules; a difference is expected where they alone explain it, to the
contract and the microsecond. Anything else is unexpected, and the command fails.

| simulator | the queue before our order is shortened by | an offer that comes to our price |
| --- | --- | --- |
| depthwalker | trades, and cancels down to what is still shown there | fills us with what was added, once |
| flumine | trades alone | does not fill us |
| NautilusTrader | trades, and all of it once nothing is shown there, within a taker's order too | fills us with all of that level, again at its every change |

Orders are sent and left; none is moved here. What an amend does to the queue is Kalshi's rule, which no other simulator has:
there ours is held equal to the plain exchange (`tests/shell/test_lab_replay.py`).

Ours is between: more pessimistic than NautilusTrader about offers, which it lets fill twice, and no more optimistic about the
queue than what is shown. Taking has no such rules: there every fill has to be the same. NautilusTrader's last version for Python 3.11
has no queues: there only what takes is compared.
"""
RESULTS: Final = (
    "taking, alike",
    "resting, alike",
    "differ: a cancel before it in the queue",
    "differ: an offer came to its price",
    "differ: both",
    "not compared",
    "unexpected",
)


def page(found: dict[str, Compared], versions: dict[str, str], seeds: range) -> Iterator[str]:
    """Yield the page."""
    yield HEAD.format(tapes=len(seeds), events=cases.EVENTS, first=seeds[0], last=seeds[-1], each=EACH)
    yield f"| orders | {' | '.join(f'{name} {versions[name]}' for name in found)} |"
    yield f"| --- |{' ---: |' * len(found)}"
    for result in RESULTS:
        yield f"| {result} | {' | '.join(str(one.orders[result]) for one in found.values())} |"
    yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write the page, and fail where a difference is unexpected."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.differential", description=__doc__)
    parser.add_argument("peers", help="the Python of the peers' environment")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.seeds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        orders = cases.cases(folder, seeds, EACH)
        tapes = {seed: read(folder / str(seed)) for seed in seeds}
        mine = {seed: our_fills(tapes[seed], orders[seed]) for seed in seeds}
        found = {
            peer: compare(tapes, orders, mine, their_fills(given.peers, module, folder), RULES[peer])
            for peer, module in MODULES.items()
        }
    wrong = [
        f"ours: seed {seed}, {order}"
        for seed, order, our, _ in _cases(orders, mine, mine)
        if our != expected(tapes[seed], order, RULES[OURS])
    ]
    wrong += [f"{peer}: {line}" for peer, one in found.items() for line in one.unexplained]
    versions = {peer: version_of(given.peers, peer.lower().replace("trader", "_trader")) for peer in found}
    given.out.write_text("\n".join(page(found, versions, seeds)), encoding="utf-8")
    print(*page(found, versions, seeds), *wrong, f"wrote {given.out}", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
