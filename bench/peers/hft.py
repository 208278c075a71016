"""hftbacktest on the peers' tape, in the peers' environment: its own event file, the schedule compiled, its fastest depth.

python -m bench.peers.hft FOLDER prepare | one PARENTS... | sweep POLICIES PARENTS
"""

import sys
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from hftbacktest import GTX, LIMIT, BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.order import IOC
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit

from bench.peers import told
from bench.peers.schedule import CONTRACTS, HIGHEST, HORIZON_US, LATENCY_US, USUAL, Policy, policies, starts
from bench.peers.tape import BIDS, Ints, read

Rows = npt.NDArray[np.void]
Table = npt.NDArray[np.float64]
NS: Final = 1_000
ANSWERED_NS: Final = 2 * LATENCY_US * NS  # it waits for ever for an answer that does not come


def prepare(folder: Path) -> None:
    """Write the tape in the engine's own format: what was hit as trades, and after each what was left as depth."""
    tape = read(folder)
    hit = np.isin(tape.changes[:, 0], tape.takes[:, 0])
    changes, hits = tape.changes, tape.changes[hit]
    buys_hit = hits[:, 2] != BIDS  # who hits offers buys
    trades = _rows(TRADE_EVENT, buys_hit, hits[:, 1] * NS, hits[:, 3], -hits[:, 4])
    depth = _rows(DEPTH_EVENT, changes[:, 2] == BIDS, changes[:, 1] * NS, changes[:, 3], changes[:, 5])
    order = np.argsort(np.concatenate((2 * np.flatnonzero(hit), 2 * np.arange(len(changes)) + 1)), kind="stable")
    opening = tape.opening
    snapshot = _rows(DEPTH_SNAPSHOT_EVENT, opening[:, 0] == BIDS, 0 * opening[:, 0], opening[:, 1], opening[:, 2])
    np.savez(folder / "hft.npz", data=np.concatenate((trades, depth))[order])
    np.savez(folder / "hft_snapshot.npz", data=snapshot)


def _rows(kind: int, buys: npt.NDArray[np.bool_], at_ns: Ints, cents: Ints, count: Ints) -> Rows:
    rows = np.zeros(len(cents), dtype=event_dtype)
    sides = np.where(buys, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    rows["ev"] = sides | np.uint64(kind | EXCH_EVENT | LOCAL_EVENT)
    rows["exch_ts"] = rows["local_ts"] = at_ns
    rows["px"], rows["qty"] = cents / 100, count
    return rows


@njit
def left_of(market: ROIVectorMarketDepthBacktest, number: int) -> float:
    """Return what an order has left to fill, by the order itself: the position forgets all but its last piece."""
    order = market.orders(0).get(number)
    return 0.0 if order is None else order.leaves_qty


@njit
def rests(market: ROIVectorMarketDepthBacktest, number: int) -> bool:
    """Return whether an order is still there to be cancelled."""
    order = market.orders(0).get(number)
    return order is not None and order.cancellable


@njit
def follow(
    market: ROIVectorMarketDepthBacktest, begins: Ints, every: int, before: int, horizon: int, count: float, out: Table
) -> None:
    """Execute the parents one after the other, and write what each filled, paid and how long it took (as it was polled)."""
    market.elapse(1)  # from here on it knows the time
    number = 0
    for place in range(len(begins)):
        market.elapse(begins[place] - market.current_timestamp)
        begun = market.current_timestamp
        at, left, tick, takes_at, paid = -1, count, begun, begun + horizon - before, 0.0
        while True:
            if at >= 0:
                unfilled = left_of(market, number)
                paid, left = paid + (left - unfilled) * at, unfilled
                if not rests(market, number):
                    at = -1
            best = market.depth(0).best_bid_tick
            late = market.current_timestamp >= takes_at
            if left <= 0 or late:
                break
            if best != at:
                if at >= 0:
                    market.cancel(0, number, False)
                    market.elapse(ANSWERED_NS)
                    unfilled = left_of(market, number)
                    paid, left = paid + (left - unfilled) * at, unfilled
                if left > 0:
                    number += 1
                    market.submit_buy_order(0, number, best * 0.01, left, GTX, LIMIT, False)
                at = best
            tick += every
            if market.elapse(max(1, min(tick, takes_at) - market.current_timestamp)):
                return  # it has given up, with an error of its own: the rest of the parents stay empty
        if left > 0 and at >= 0:
            market.cancel(0, number, False)
            market.elapse(ANSWERED_NS)
            unfilled = left_of(market, number)
            paid, left = paid + (left - unfilled) * at, unfilled
        if left > 0:
            offer = market.depth(0).best_ask_tick
            number += 1
            market.submit_buy_order(0, number, HIGHEST * 0.01, left, IOC, LIMIT, False)
            market.elapse(ANSWERED_NS)
            unfilled = left_of(market, number)
            paid, left = paid + (left - unfilled) * offer, unfilled
        market.clear_inactive_orders(0)
        out[place, 0], out[place, 1] = count - left, paid
        out[place, 2] = (market.current_timestamp - begun) / 1e9


def run(data: Rows | str, snapshot: Rows | str, end_us: int, parents: int, by: Policy) -> Table:
    """Return what the parents filled, what they paid, and how long each took."""
    asset = (
        BacktestAsset()
        .data(data)
        .initial_snapshot(snapshot)
        .linear_asset(1.0)
        .constant_order_latency(LATENCY_US * NS, 0)
        .risk_adverse_queue_model()
        .partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(0.01)
        .lot_size(1.0)
        .roi_lb(0.0)
        .roi_ub(1.0)
        .last_trades_capacity(0)
    )
    begins = np.array(starts(end_us, parents), dtype=np.int64) * NS
    out = np.zeros((parents, 3))
    market = ROIVectorMarketDepthBacktest([asset])
    follow(market, begins, by.every_us * NS, by.take_before_us * NS, HORIZON_US * NS, float(CONTRACTS), out)
    market.close()
    return out


def main(arguments: list[str]) -> None:
    """Do as the command line says."""
    folder, what, *numbers = Path(arguments[0]), arguments[1], *map(int, arguments[2:])
    if what == "prepare":
        prepare(folder)
        return
    files = str(folder / "hft.npz"), str(folder / "hft_snapshot.npz")
    load_s, (data, snapshot) = told.clocked(lambda: [np.load(file)["data"] for file in files], 1)
    end_us = int(data["exch_ts"][-1]) // NS
    run(data, snapshot, end_us, 1, USUAL)  # compiles it
    if what == "sweep":
        by = policies(numbers[0])
        seconds, _ = told.clocked(lambda: [run(data, snapshot, end_us, numbers[1], one) for one in by], 1)
        told.say(told.Sweep(seconds, load_s + seconds, len(by)))
        return
    for parents in numbers:
        whole_s, _ = told.clocked(partial(run, *files, end_us, parents, USUAL), told.repeats(parents))
        run_s, found = told.clocked(partial(run, data, snapshot, end_us, parents, USUAL), told.repeats(parents))
        filled = [(int(count), paid / count if count else 0.0, seconds) for count, paid, seconds in found.tolist()]
        told.say(told.One(parents, run_s, whole_s, filled))


if __name__ == "__main__":
    main(sys.argv[1:])
