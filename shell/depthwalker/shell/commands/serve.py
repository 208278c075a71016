"""`depthwalker serve`."""

import argparse
from typing import Final

from depthwalker.shell.commands.arguments import output, whole

PORT: Final = 8787


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=whole(0, 65_535), default=PORT, metavar="PORT", help=f"0 takes a free one (default: {PORT})"
    )
    output(parser, result="address and token")


def run(given: argparse.Namespace) -> int:
    """Serve the live page."""
    from depthwalker.shell.serve import Place, run_serve

    return run_serve(Place(given.host, given.port), as_json=given.json)
