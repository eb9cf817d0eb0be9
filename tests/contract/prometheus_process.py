"""A real Prometheus and an exporter of the test's own, both on loopback."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen  # noqa: TID251 - its type alone

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import CommandError
from chaosjc.lab.layout import default_cache
from chaosjc.lab.machine.disks import locked

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - {{job_name: test, static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]}}
rule_files: [{rules}]
"""
RULES = """
groups:
  - {name: test, interval: 400ms, rules: [{record: 'test:double', expr: test_value * 2}]}
"""


def binary() -> Path:
    """The installed Prometheus, else Debian's package unpacked into a cache: no service is installed."""
    found = shutil.which("prometheus")
    if found:
        return Path(found)
    cache = default_cache() / "prometheus-deb"
    with locked(cache.with_name(".prometheus-deb.lock")):  # tests run side by side
        if not cache.exists():
            _unpack(cache)
    return cache / "usr" / "bin" / "prometheus"


def _unpack(cache: Path) -> None:
    """All of it, or nothing is there."""
    with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
        new = Path(temporary)
        try:
            command.run(["apt-get", "download", "-q", "prometheus"], cwd=new, timeout=120)
            package = str(next(new.glob("prometheus_*.deb")))
            command.run(["dpkg", "-x", package, str(new / "tree")], timeout=120)
        except (CommandError, StopIteration) as error:
            pytest.skip(f"no Prometheus here, and its Debian package cannot be had: {error}")
        (new / "tree").rename(cache)


def promtool() -> Path:
    """Of the same package."""
    return binary().with_name("promtool")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exporter:
    """Serves `text` on /metrics."""

    def __init__(self) -> None:
        self.text = "test_value 1\n"
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Begin to serve; right also when it does already."""
        if self._server:
            return
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Server:
    """The Prometheus process."""

    def __init__(self, directory: Path, exporter: Exporter) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: Popen[str] | None = None
        self.client = Prometheus.connect(f"http://127.0.0.1:{self.port}")
        rules = directory / "rules.yml"
        rules.write_text(RULES)
        (directory / "prometheus.yml").write_text(CONFIG.format(exporter=exporter.port, rules=rules))

    def start(self) -> None:
        """Begin to serve; right also when it does already."""
        if self.process and self.process.poll() is None:
            return
        argv = [
            str(binary()),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]
        self.process = command.spawn(argv, log=self.directory / "log")
        wait_for(self.client.ready, 30)

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)


def wait_for(true: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)


@contextlib.contextmanager
def scraping(directory: Path) -> Generator[tuple[Server, Exporter]]:
    """Both, with the first scrapes done."""
    exporter = Exporter()
    exporter.start()
    server = Server(directory, exporter)
    server.start()
    try:
        wait_for(lambda: server.client.query("test:double", at=time.time()), 30)
        yield server, exporter
    finally:
        server.kill()
        server.client.close()
        exporter.stop()
