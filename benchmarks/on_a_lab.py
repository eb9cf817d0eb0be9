"""What a benchmark on a lab begins and ends with: a directory of its own, which other users may pass through."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def run(doc: str | None, benchmark: Callable[[Path], int]) -> int:
    """Measure there, and leave nothing of it; `--help` prints `doc` instead. The exit code."""
    argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-bench-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        return benchmark(directory)
    finally:
        shutil.rmtree(directory)
