"""A real JupyterHub on loopback, its proxy apart from it, and the hub canary's process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from chaosjc.drivers import command
from tests.contract.hub_environment import Programs
from tests.contract.prometheus_process import free_port, wait_for

CONFIG = Path(__file__).with_name("hub_config.py")
TOKEN, ADMIN, PASSWORD = "a" * 32, "b" * 32, "horse"
USERS = ("canary-ladder", "canary-login", "canary-live-worker-001", "canary-b-ladder", "canary-b-live-worker-002")
SCOPES = ("list:users", "read:users", "servers", "access:servers")
"""What a canary needs, of each of its users; those are made beforehand. A group's `access:servers` opens no server."""
SAMPLE = re.compile(r"^(chaosjc_hub_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Hub:
    """Hub and proxy; a test kills and starts them one by one."""

    def __init__(self, directory: Path, programs: Programs) -> None:
        self.directory, self.programs = directory, programs
        ports = [free_port() for _ in range(3)]
        self.url, self.inner, self.proxy_api = (f"http://127.0.0.1:{port}" for port in ports)
        self.users = set[str](USERS)
        self.database = tempfile.TemporaryDirectory(dir="/dev/shm")  # on a busy disk its commits hold up the hub
        (directory / "homes").mkdir(parents=True)
        self.start_proxy()
        self.start_hub()

    def start_proxy(self) -> None:
        outer, api = (each.rpartition(":")[2] for each in (self.url, self.proxy_api))
        argv = [
            *self.programs.proxy.argv,
            "--ip",
            "127.0.0.1",
            "--port",
            outer,
            "--api-ip",
            "127.0.0.1",
            "--api-port",
            api,
        ]
        argv += ["--default-target", self.inner, "--error-target", f"{self.inner}/hub/error"]
        log = self.directory / "proxy.log"
        self.proxy = command.spawn(argv, log=log, env={"CONFIGPROXY_AUTH_TOKEN": TOKEN})

    def start_hub(self) -> None:
        said: dict[str, object] = {"url": self.url, "hub": self.inner, "proxy_api": self.proxy_api, "routes_every": 2}
        said |= {"token": TOKEN, "admin": ADMIN, "password": PASSWORD, "directory": str(self.directory)}
        said["database"] = f"sqlite:///{self.database.name}/hub.sqlite"
        said |= {"users": USERS, "scopes": [f"{scope}!user={user}" for scope in SCOPES for user in USERS]}
        said |= {"singleuser": self.programs.singleuser.argv, "environment": self.programs.singleuser.env}
        env = {**self.programs.hub.env, "CHAOSJC_TEST_HUB": json.dumps(said)}
        argv = [*self.programs.hub.argv, "--config", str(CONFIG)]
        self.hub = command.spawn(argv, log=self.directory / "hub.log", env=env, cwd=self.directory)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/hub/health", timeout=2) as answer:
            return answer.status == 200
        return False

    def call(self, method: str, path: str) -> Any:
        """As the hub's administrator, who sees everybody."""
        body = b"" if method == "POST" else None
        request = urllib.request.Request(f"{self.inner}/hub/api{path}", method=method, data=body)
        request.add_header("Authorization", f"token {ADMIN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def servers(self) -> set[str]:
        """Users with a server."""
        return {user["name"] for user in self.call("GET", "/users?state=active")}

    def start_foreign(self, user: str) -> None:
        """Somebody's server, of whom no canary knows; ready at once, since it is a plain web server."""
        self.users.add(user)
        self.call("POST", f"/users/{user}")
        self.call("POST", f"/users/{user}/server")

    def processes(self, user: str) -> list[int]:
        """The user's server and what it started, of this hub alone."""
        wanted = {f"JUPYTERHUB_USER={user}".encode(), f"JUPYTERHUB_API_URL={self.inner}/hub/api".encode()}
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if wanted <= set(path.read_bytes().split(b"\0")):
                    found.append(int(path.parent.name))
        return sorted(found)

    def kernels(self, user: str) -> list[int]:
        """Of the user's server."""
        return [pid for pid in self.processes(user) if "ipykernel_launcher" in Path(f"/proc/{pid}/cmdline").read_text()]

    def spawned(self) -> list[tuple[str, dict[str, str]]]:
        return [tuple(json.loads(line)) for line in (self.directory / "spawned").read_text().splitlines()]

    def close(self) -> None:
        for user in self.users:
            for pid in self.processes(user):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in (self.hub, self.proxy):
            process.kill()
            process.wait(10)
        self.database.cleanup()


class Canary:
    """The process, and what it tells."""

    def __init__(self, directory: Path, url: str, **more: object) -> None:
        self.port = free_port()
        self.log = directory / f"canary-{time.monotonic_ns()}.log"
        token = directory / "token"
        token.write_text(TOKEN + "\n")
        config = directory / f"{self.port}.json"
        plain: dict[str, object] = {"entries": {"front": url}, "token_file": str(token), "listen": self.port}
        config.write_text(json.dumps(plain | more))
        self.began = time.monotonic()
        argv = [sys.executable, "-m", "chaosjc.canary", "hub", "--config", str(config)]
        self.process = command.spawn(argv, log=self.log)
        self.wait(lambda _: True)

    def scrape(self) -> dict[str, float]:
        """`name` or `name{rung or worker, reason}` → value, without `chaosjc_hub_`."""
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for name, labels, value in SAMPLE.findall(text):
            said = dict(LABEL.findall(labels))
            values = ",".join(said[each] for each in ("rung", "worker", "reason", "le") if each in said)
            found[name.removeprefix("chaosjc_hub_") + (f"{{{values}}}" if values else "")] = float(value)
        return found

    def wait(self, condition: Callable[[dict[str, float]], bool], seconds: float = 20) -> dict[str, float]:
        """The first scrape of which it is true."""
        seen: dict[str, float] = {}

        def fits() -> bool:
            nonlocal seen
            with contextlib.suppress(OSError):
                seen = self.scrape()
                return condition(seen)
            return False

        try:
            wait_for(fits, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}\n{seen}") from None
        return seen

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(10)


@contextlib.contextmanager
def canary(directory: Path, url: str, **more: object) -> Generator[Canary]:
    running = Canary(directory, url, **more)
    try:
        yield running
    finally:
        running.stop()


class Throttling:
    """Something that speaks as a hub does, and lets nobody have a server."""

    def __init__(self, retry_after: int) -> None:
        throttling = self
        self.asked: list[float] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                users = self.path.startswith("/hub/api/users?")
                self.reply(200, [] if users else {"name": "canary", "servers": {}})

            def do_POST(self) -> None:
                throttling.asked.append(time.monotonic())
                self.reply(429, {"message": "Too many users"})

            def do_DELETE(self) -> None:
                self.reply(204, None)

            def reply(self, status: int, said: object) -> None:
                body = b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", str(retry_after))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *failed: object) -> None:
        self.server.shutdown()
        self.server.server_close()
