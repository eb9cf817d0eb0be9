"""`python3 -m chaosjc.canary storage|gluster|hub --config FILE`: one exporter, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from chaosjc.errors import ChaosJCError


def main(argv: list[str] | None = None) -> int:
    """Run the chosen exporter; 2 where its configuration or its machine is not what it needs."""
    parser = argparse.ArgumentParser(prog="chaosjc.canary", description=__doc__)
    parser.add_argument("canary", choices=("storage", "gluster", "hub"))
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration, JSON")
    chosen = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        if chosen.canary == "storage":
            from chaosjc.canary import storage  # noqa: PLC0415 - neither loads what the other needs

            storage.main(chosen.config)
        elif chosen.canary == "gluster":
            from chaosjc.canary import gluster  # noqa: PLC0415

            gluster.main(chosen.config)
        else:
            from chaosjc.canary import hub  # noqa: PLC0415

            hub.main(chosen.config)
    except ChaosJCError as error:
        sys.stderr.write(f"chaosjc.canary {chosen.canary}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
