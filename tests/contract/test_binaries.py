"""Programs of the node image from a real web server, and from a real Go where there is one."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.drivers.download import Downloader, Unreachable
from chaosjc.errors import CommandError, LabError, RemoteError
from chaosjc.lab import binaries
from chaosjc.lab.kubernetes import releases, toolchain
from chaosjc.lab.kubernetes.components import COMPONENTS, Artefact, Build, Component

TRUE = Path("/usr/bin/true")
PAUSE = next(component for component in COMPONENTS if component.name == "pause")


@dataclass
class Site:
    """A web server: path → body; a path in `silent` never gets an answer, one in `moved` is elsewhere."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    silent: set[str] = field(default_factory=set[str])
    moved: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Generator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(releases, "PATIENCE", 0.5)
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if self.path in served.silent:
                served.over.wait(30)
                return
            body = served.files.get(self.path)
            self.send_response(302 if self.path in served.moved else 404 if body is None else 200)
            if self.path in served.moved:
                self.send_header("Location", served.moved[self.path])
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield served
    served.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def published(site: Site, name: str = "true") -> Component:
    """A component whose only program is the machine's /usr/bin/true, and whose build would be pause."""
    said = command.run([str(TRUE), "--version"]).stdout
    version = re.search(r"\d+\.\d+", said)
    assert version
    artefact = Artefact(f"{site.url}/{name}", f"{site.url}/{name}.sha256", ("true",))
    return Component(
        name, f"v{version[0]}", (Build("lab.local/pause", "v1", {"true": ""}, local="pause"),), (artefact,)
    )


def no_go(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60.0,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """The real runner, on a machine where neither Go nor an installer of it works."""
    if argv[0] != "setpriv" and "env" not in argv:
        return command.run(argv, stdin=stdin, timeout=timeout, check=check, env=env, cwd=cwd)
    raise CommandError("there is no Go here")


def test_a_release_is_downloaded_through_redirects_compared_and_cached(site: Site, tmp_path: Path) -> None:
    content = TRUE.read_bytes()
    site.files = {"/cdn/true": content, "/true.sha256": hashlib.sha256(content).hexdigest().encode()}
    site.moved = {"/true": "/cdn/true"}
    said = list[str]()
    component = published(site)
    found = binaries.ensure(tmp_path, None, no_go, said.append, (component,))
    assert command.run([str(found.directory / "true")]).returncode == 0
    assert site.asked == ["/true.sha256", "/true", "/cdn/true"]
    assert said == [f"true {component.version}: taking the official release"]
    assert binaries.ensure(tmp_path, None, no_go, said.append, (component,)) == found
    assert len(site.asked) == 3


def test_a_wrong_checksum_is_an_error_and_nothing_is_built_instead(site: Site, tmp_path: Path) -> None:
    site.files = {"/true": TRUE.read_bytes(), "/true.sha256": b"0" * 64}
    with pytest.raises(LabError, match=f"{site.url}/true: its SHA-256 is .* but 0{{64}} is published"):
        binaries.ensure(tmp_path, None, no_go, lambda _: None, (published(site),))
    assert [path.name for path in (tmp_path / "binaries").iterdir()] == [".lock"]


@pytest.mark.parametrize("lacks", ["/true", "/true.sha256"])
def test_what_is_not_found_is_built(site: Site, tmp_path: Path, lacks: str) -> None:
    site.files = {"/true": TRUE.read_bytes(), "/true.sha256": b"0" * 64}
    del site.files[lacks]
    said = list[str]()
    with pytest.raises(LabError, match="cannot be built: there is no Go here"):
        binaries.ensure(tmp_path, None, no_go, said.append, (published(site),))
    assert said[1].endswith(f"building, for its release cannot be had: {site.url}{lacks}: status 404")


def test_a_host_that_hangs_costs_one_short_wait(site: Site, tmp_path: Path) -> None:
    site.silent = {"/one.sha256", "/two.sha256"}
    web, began = Downloader.connect(), time.monotonic()
    source = releases.Releases(web, "amd64")
    for name, why in (("one", r"one\.sha256: .*timed out"), ("two", "did not answer before")):
        with pytest.raises(Unreachable, match=why):
            source.fetch(published(site, name), tmp_path)
    web.close()
    assert site.asked == ["/one.sha256"]
    assert time.monotonic() - began < 5


def test_a_port_where_nobody_listens_and_a_text_without_end_are_no_releases(site: Site) -> None:
    site.files = {"/long": b"x" * ((1 << 20) + 1)}
    web = Downloader.connect()
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1/: "):
        web.text("http://127.0.0.1:1/", 1)
    with pytest.raises(RemoteError, match="too long"):
        web.text(f"{site.url}/long", 5)
    web.close()


@pytest.mark.timeout(300)
def test_pause_is_built_reaps_what_it_inherits_and_ends_on_a_signal(tmp_path: Path) -> None:
    own = shutil.which("go")
    if not own or not toolchain.new_enough(command.run([own, "env", "GOVERSION"]).stdout):
        pytest.skip("this machine has no Go that is new enough")
    found = binaries.ensure(tmp_path, None, command.run, lambda _: None, (PAUSE,))
    argv = ["sh", "-c", 'sleep 0.2 & exec "$0"', str(found.directory / "pause")]
    pause = command.spawn(argv, log=tmp_path / "log")
    try:
        end = time.monotonic() + 20
        while command.run(["pgrep", "-P", str(pause.pid)], check=False).returncode == 0:
            assert time.monotonic() < end, "a dead child was not reaped"
            time.sleep(0.05)
        assert pause.poll() is None
        pause.terminate()
        assert pause.wait(timeout=10) == 0
    finally:
        pause.kill()
        pause.wait()
