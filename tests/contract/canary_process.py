"""A storage canary on a tmpfs, the bricks that it asks, and something that makes every open() there hang."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import queue
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chaosjc.canary.files import shelf
from chaosjc.drivers import command
from tests.contract.prometheus_process import free_port, wait_for

VM, VOLUME = "worker-001", "homes"
EVERY = 0.05
LIBC = ctypes.CDLL(None, use_errno=True)
FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD_MOUNT, FAN_OPEN_PERM = 0x4, 0x1, 0x11, 0x10000
SAMPLE = re.compile(r"^(chaosjc_storage_\w+)\{(.*)\} (\S+)$", re.MULTILINE)


class Brick:
    """A brick's exporter; its file system is a directory of the test's, by default the canary's own."""

    def __init__(self, root: Path) -> None:
        self.root, self.pending, self.answers = root, 0, True
        brick = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = json.dumps(brick.audit(self.path.removeprefix(f"/audit/{VOLUME}/"))).encode()
                self.send_response(200 if brick.answers else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def audit(self, directory: str) -> dict[str, object]:
        files: dict[str, str] = {}
        for path in sorted((self.root / directory).glob("?/[0-9]*")):
            with contextlib.suppress(FileNotFoundError):
                files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"pending": self.pending, "arbiter": False, "files": files}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Canary:
    """The process, and what it tells."""

    def __init__(self, directory: Path, mount: Path, **more: object) -> None:
        self.port, self.log = int(str(more.get("listen", free_port()))), directory / f"{time.monotonic_ns()}.log"
        self.files = mount / ".chaosjc" / VM
        config = directory / f"{self.port}.json"
        plain = {"volume": VOLUME, "mount": str(mount), "vm": VM, "listen": self.port, "every": EVERY, "keep": 60}
        plain |= {"audit": 0.3, "peers": {}, "sets": [], "types": ["tmpfs"], "ledger": str(directory / "homes.ledger")}
        config.write_text(json.dumps(plain | more))
        with (directory / "homes.ledger").open("a") as ledger:
            ledger.write("\n= 0000000000")  # numbers begin at 0
        argv = [sys.executable, "-m", "chaosjc.canary", "storage", "--config", str(config)]
        self.process = command.spawn(argv, log=self.log)
        try:
            wait_for(self.serves, 20)
        except BaseException:
            self.stop()
            raise

    def serves(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text())
        with contextlib.suppress(OSError):
            return bool(self.scrape())
        return False

    def scrape(self) -> dict[str, float]:
        """`name` or `name{other labels}` → value."""
        text = self.get("/metrics")[1].decode()
        found: dict[str, float] = {}
        for name, labels, value in SAMPLE.findall(text):
            others = ",".join(each for each in labels.split(",") if not each.startswith("volume="))
            found[f"{name}{{{others}}}" if others else name] = float(value)
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wait(self, metric: str, least: float, seconds: float = 10) -> None:
        wait_for(lambda: self.scrape().get(f"chaosjc_storage_{metric}", -1) >= least, seconds)

    def file(self, name: str) -> Path:
        """Where a write lies; one that only begins, too."""
        return self.files / shelf(name) / name

    def written(self) -> dict[str, Path]:
        """Every write that lies on the mount, by its file's name."""
        return {path.name: path for path in self.files.glob("?/[0-9]*")}

    def children(self) -> list[int]:
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@contextlib.contextmanager
def canary(directory: Path, mount: Path, **more: object) -> Generator[Canary]:
    running = Canary(directory, mount, **more)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def tmpfs(directory: Path) -> Generator[Path]:
    mount = directory / "mount"
    mount.mkdir()
    command.run(["mount", "-t", "tmpfs", "-o", "size=64m", "chaosjc-test", str(mount)])
    try:
        yield mount
    finally:
        command.run(["umount", "--lazy", str(mount)])


@contextlib.contextmanager
def hanging(mount: Path) -> Generator[None]:
    """Nobody's open() on the mount returns: a permission that is asked for and not given. Closing gives it to all."""
    group = LIBC.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
    assert group >= 0, os.strerror(ctypes.get_errno())
    try:
        mask = ctypes.c_uint64(FAN_OPEN_PERM)
        assert LIBC.fanotify_mark(group, FAN_MARK_ADD_MOUNT, mask, -100, os.fsencode(mount)) == 0
        yield
    finally:
        os.close(group)


class Probe:
    """An independent writer on the same mount and grid: threads of the test, a file each, and no other code."""

    def __init__(self, mount: Path) -> None:
        self.writes: list[tuple[float, float]] = []
        self._mount, self._due, self._on = mount, queue.SimpleQueue[float](), True
        for number in range(200):
            threading.Thread(target=self._write, args=(number,), daemon=True).start()
        threading.Thread(target=self._tick, daemon=True).start()

    def longest(self) -> float:
        """Seconds that the write waited that waited longest."""
        return max(done - due for due, done in self.writes)

    def stop(self) -> None:
        self._on = False

    def _tick(self) -> None:
        due = (time.time() // EVERY + 1) * EVERY
        while self._on:
            time.sleep(max(0, due - time.time()))
            self._due.put(due)
            due += EVERY

    def _write(self, number: int) -> None:
        while True:
            due = self._due.get()
            (self._mount / f"probe-{number}").write_bytes(b"probe")
            self.writes.append((due, time.time()))
