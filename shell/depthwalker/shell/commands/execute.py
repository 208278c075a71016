"""`depthwalker execute`."""

import argparse

from depthwalker.shell.commands.arguments import algorithm, method, output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("ticker", metavar="TICKER", help="the market")
    parser.add_argument("--outcome", required=True, choices=("yes", "no"), help="which contracts")
    parser.add_argument("--action", required=True, choices=("buy", "sell"), help="what to do with them")
    parser.add_argument("--count", required=True, metavar="N", help="contracts, with at most 2 decimals")
    parser.add_argument("--target", required=True, metavar="DOLLARS", help="target price in dollars, such as 0.48")
    method(parser)
    algorithm(parser)
    parser.add_argument(
        "--key", metavar="REQUEST_KEY", help="calling again with the same never buys twice (default: a fresh one)"
    )
    parser.add_argument(
        "--queue", action="store_true", help="leave it to `depthwalker worker` processes and return at once"
    )
    output(parser, live=True)


def run(given: argparse.Namespace) -> int:
    """Execute one parent order."""
    from depthwalker.shell.execute import Order, run_execute

    return run_execute(
        Order(
            ticker=given.ticker,
            outcome=given.outcome,
            action=given.action,
            count=given.count,
            target=given.target,
            method=given.method,
            algorithm=given.algorithm,
            key=given.key,
            plain=given.plain,
            as_json=given.json,
            queue=given.queue,
        )
    )
