"""flumine's own matching on the cases, in the peers' environment: `python -m bench.peers.flumine FOLDER` prints fills as JSON.

A buyer of YES is a lay at its price. flumine halves what is traded, because its exchange counts both sides.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from flumine.markets.middleware import RunnerAnalytics
from flumine.order.ordertype import LimitOrder
from flumine.simulation.simulatedorder import SimulatedOrder

from bench.peers.cases import Fills, Order, kept, merged
from bench.peers.tape import BIDS, OFFERS, Drawn

SELECTION = 1


def filled(tape: Drawn, order: Order) -> Fills:
    """Return what flumine's simulated order fills."""
    levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for side, cents, count in tape.opening.tolist():
        levels[side][cents] = count
    traded: dict[int, int] = {}
    exchange = SimpleNamespace(available_to_back=[], available_to_lay=[], traded_volume=[])
    runner = SimpleNamespace(selection_id=SELECTION, handicap=0, status="ACTIVE", ex=exchange)
    market = SimpleNamespace(status="OPEN", version=1, bsp_reconciled=False, publish_time_epoch=0, runners=[runner])
    analytics = RunnerAnalytics(runner)
    simulated: SimulatedOrder | None = None
    events: dict[int, list[list[int]]] = {}
    for row in tape.changes.tolist():
        events.setdefault(row[0], []).append(row)
    takes = set(tape.takes[:, 0].tolist())
    for event, rows in events.items():
        if simulated is None and rows[0][1] > order.at_us:
            simulated = _placed(order, market, exchange, levels)
        for _, _, side, cents, change, left in rows:
            levels[side][cents] = left
            if event in takes:
                traded[cents] = traded.get(cents, 0) - 2 * change
        exchange.traded_volume = [{"price": cents, "size": size} for cents, size in traded.items()]
        market.publish_time_epoch = rows[0][1]
        analytics(runner)
        hit_bids = any(row[2] == BIDS for row in rows)
        if simulated is not None and not order.takes and hit_bids:
            simulated(market, (runner, dict(analytics.traded)))
    assert simulated is not None
    return merged([(int(at), int(cents), int(count)) for at, cents, count in simulated.matched])


def _placed(
    order: Order, market: SimpleNamespace, exchange: SimpleNamespace, levels: tuple[dict[int, int], dict[int, int]]
) -> SimulatedOrder:
    exchange.available_to_back = [
        {"price": cents, "size": levels[BIDS][cents]}
        for cents in sorted(levels[BIDS], reverse=True)
        if levels[BIDS][cents]
    ]
    exchange.available_to_lay = [
        {"price": cents, "size": levels[OFFERS][cents]} for cents in sorted(levels[OFFERS]) if levels[OFFERS][cents]
    ]
    client = SimpleNamespace(best_price_execution=True, simulated_full_match=False)
    ours = SimpleNamespace(
        id="1",
        side="LAY",
        order_type=LimitOrder(order.cents, order.count),
        client=client,
        selection_id=SELECTION,
        handicap=0,
    )
    simulated = SimulatedOrder(ours)
    package = SimpleNamespace(market_version=None, elapsed_seconds=1, simulated_latency_plus_delay=0, client=client)
    market.publish_time_epoch = order.at_us
    simulated.place(package, market, {}, 1)
    return simulated


if __name__ == "__main__":
    for seed, tape, orders in kept(Path(sys.argv[1])):
        print(json.dumps([seed, [filled(tape, order) for order in orders]]))
