"""`python -m depthwalker.shell`."""

import sys

from depthwalker.shell.cli import main

if __name__ == "__main__":
    sys.exit(main())
