from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaosjc.drivers import command

BUILD = """
import sys; from pathlib import Path; from chaosjc.lab import image
image.build(image.default_recipe(), Path(sys.argv[1]))
"""


@pytest.mark.lab
def test_a_builder_killed_while_it_mounts_leaves_no_process_and_no_mount(tmp_path: Path) -> None:
    builder = command.spawn([sys.executable, "-c", BUILD, str(tmp_path)], log=tmp_path / "log")
    try:
        until(lambda: len(processes(tmp_path)) > 3 and list(tmp_path.glob("build-*/root/usr/bin/dpkg")), "it installs")
    finally:
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    until(lambda: not processes(tmp_path), "all that it started is dead")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not list(tmp_path.glob("*.squashfs"))


def processes(directory: Path) -> list[str]:
    """Command lines and roots that name the directory."""
    found = list[str]()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                found += [
                    text
                    for text in (process.joinpath("cmdline").read_text(), os.readlink(process / "root"))
                    if str(directory) in text
                ]
            except OSError:  # gone, or a kernel thread
                continue
    return found


def until(holds: Callable[[], object], what: str, seconds: float = 50.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not after {seconds:.0f} s: {what}"
        time.sleep(0.02)
