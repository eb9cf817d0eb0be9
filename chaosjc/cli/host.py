"""What `make setup` asks before there is a .venv: `python3 -m chaosjc.cli.host packages|units|check`.

Standard library only, like all that it imports.
"""

from __future__ import annotations

import sys

from chaosjc.lab import host

WITHOUT_LAB = (
    "Everything else works: chaosjc check, run, runs, report on any site; make unit, make lint; the demo's small form."
)


def packages() -> int:
    """The missing packages' names to stdout, for apt-get; why, to stderr."""
    missing = host.missing()
    for package in missing:
        sys.stderr.write(f"  {package.name:20} {package.why}\n")
    sys.stdout.write(" ".join(package.name for package in missing))
    return 0


def units() -> int:
    """Services that the missing packages would start: to be masked before they are installed."""
    sys.stdout.write(" ".join(package.unit for package in host.missing() if package.unit))
    return 0


def check() -> int:
    """One line if the lab can run here, two if Kubernetes may lack room; else exactly what the lab lacks, and 1."""
    lacking = host.lacking(host.report())
    if not lacking:
        room = host.disk(kubernetes=True)
        sys.stdout.write("The lab can run on this machine.\n")
        sys.stdout.write("" if room.ok else f"  {room.name}: {room.found}; {room.todo}\n")
        return 0
    sys.stdout.write("The lab cannot run on this machine:\n")
    for probe in lacking:
        sys.stdout.write(f"  {probe.name}: {probe.found}\n    why: {probe.why}\n    to do: {probe.todo}\n")
    sys.stdout.write(f"{WITHOUT_LAB}\n")
    return 1


VERBS = {"packages": packages, "units": units, "check": check}

if __name__ == "__main__":
    sys.exit(VERBS[sys.argv[1]]())
