"""Secrets of the environment, of headers and of URLs are used, and found nowhere afterwards: journal, logs, reports."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaosjc.drivers import command

ROOT = Path(__file__).parents[2]
PASSWORD, TOKEN, LOGIN, FILED = (
    "correct-horse-battery",
    'tok"en-of-the-hub',
    "p4ss-of-prometheus",
    "cookie-of-the-proxy",
)
pytestmark = pytest.mark.timeout(180)
EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: everybody-talks
vars: {{unused: {var}}}
hypotheses:
  - name: hub repeats what it is sent
    http: '{url}/echo'
    secret_headers:
      Authorization: {{env: HUB_TOKEN, prefix: 'Bearer '}}
      Cookie: {{file: '{there}/cookie'}}
    expect: matches .*Bearer.*
    min_coverage: 0.01
  - {{name: program tells, command: [sh, -c, 'echo "$$OS_PASSWORD"'], expect: matches .*, min_coverage: 0.01}}
  - {{name: metric, promql: up, expect: '== 1', min_coverage: 0.01, phases: [during]}}
faults:
  - fault: command
    inject: [sh, -c, 'rm -f "{there}/file"; echo "$$OS_PASSWORD" >&2']
    undo: [sh, -c, 'test -e "{there}/once" && touch "{there}/file" || {{ touch "{there}/once"; echo "$$OS_PASSWORD $$HUB_TOKEN" >&2; exit 1; }}']
    verify: [sh, -c, 'echo "$$OS_PASSWORD"; test -e "{there}/file"']
    duration: 200ms
    timeout: 10s
recovery:
  within: 20s
  until: [{{command: [test, -e, '{there}/file'], every: 200ms}}]
baseline: 2s
settle: 1s
deadline: 40s
"""  # noqa: E501 - one line of YAML


class Echo:
    """Says back what it was sent; `sent` is that."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = " ".join(str(self.headers.get(name, "")) for name in ("Authorization", "Cookie"))
                echo.sent.append(said)
                self.send_response(200 if self.path == "/echo" else 401)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            do_POST = do_GET  # noqa: N815 - the name that the server calls

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.place = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    opened = Echo()
    yield opened
    opened.close()


def chaosjc(there: Path, *arguments: str) -> command.Completed:
    env = {"OS_PASSWORD": PASSWORD, "HUB_TOKEN": TOKEN, "CHAOSJC_STATE": str(there / "state")}
    argv = [sys.executable, "-m", "chaosjc.cli.main", *arguments]
    return command.run(argv, check=False, cwd=ROOT, env=env, timeout=120)


def written(there: Path, echo: Echo, var: str = "nothing") -> Path:
    (there / "file").touch()
    (there / "cookie").write_text(f"{FILED}\n")
    path = there / "experiment.yaml"
    path.write_text(EXPERIMENT.format(there=there, url=f"http://{echo.place}", var=json.dumps(var)))
    return path


def test_they_are_used_and_found_nowhere(tmp_path: Path, echo: Echo) -> None:
    path = written(tmp_path, echo)
    at = ["--prometheus", f"http://ada:{LOGIN}@{echo.place}/prometheus"]
    done = chaosjc(tmp_path, "run", str(path), *at, "--html", str(tmp_path / "state/html"))
    said = [done, chaosjc(tmp_path, "runs", "list", "--json")]
    assert done.returncode in (0, 3), done.stdout + done.stderr
    run = json.loads(said[1].stdout)[0]["run"]
    said += [chaosjc(tmp_path, "runs", "show", run, "--json"), chaosjc(tmp_path, "runs", "show", run)]
    report = ["--html", str(tmp_path / "state/again.html"), "--junit", str(tmp_path / "state/junit.xml")]
    said.append(chaosjc(tmp_path, "report", run, *report))
    assert [each.returncode for each in said[1:]] == [0] * 4, [each.stderr for each in said]

    assert f"Bearer {TOKEN} {FILED}" in echo.sent, "it was sent all the same"
    login = base64.b64encode(f"ada:{LOGIN}".encode()).decode()
    assert f"Basic {login} " in echo.sent
    texts = {str(index): each.stdout + each.stderr for index, each in enumerate(said)}
    files = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    texts |= {str(file): file.read_bytes().decode(errors="replace") for file in files}
    assert {"journal.db", "watchdog.log", "again.html", "junit.xml"} <= {file.name for file in files}
    for secret in (PASSWORD, TOKEN, json.dumps(TOKEN)[1:-1], LOGIN, login, FILED):
        assert [name for name, text in texts.items() if secret in text] == [], secret
    assert any("•••" in text for text in texts.values()), "where one was told, that can be seen"


def test_a_dry_run_refuses_it_as_the_run_does(tmp_path: Path, echo: Echo) -> None:
    path = written(tmp_path, echo, var=PASSWORD)
    for more in ([], ["--json"]):
        done = chaosjc(tmp_path, "run", str(path), "--prometheus", f"http://{echo.place}", "--dry-run", *more)
        assert done.returncode == 2
        assert "$OS_PASSWORD" in done.stderr and PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["file", "fault", "command line"])
def test_variables_and_faults_have_none_either(tmp_path: Path, place: str) -> None:
    path = tmp_path / "experiment.yaml"
    token = "x1" if place == "file" else ""
    inject = "[curl, --cookie, c, --password, x1]" if place == "fault" else "['true']"
    fault = f"{{fault: command, inject: {inject}, undo: ['true'], verify: ['true']}}"
    head = f"apiVersion: chaosjc/v1\nkind: Experiment\nname: e\nvars: {{hub_token: '{token}'}}\n"
    path.write_text(f"{head}hypotheses: [{{command: ['true']}}]\nfaults: [{fault}]\n")
    words = ["run", "--dry-run", "--set", "hub_token=x1"] if place == "command line" else ["check"]
    done = chaosjc(tmp_path, *words, str(path))
    assert done.returncode == 2
    assert "would be kept in the journal" in done.stderr
    assert ("password" if place == "fault" else "$hub_token") in done.stderr
    assert "x1" not in done.stdout + done.stderr


def test_a_plan_that_has_one_in_it_is_refused_by_its_name(tmp_path: Path, echo: Echo) -> None:
    """Undo works from the plan: nothing in it is hidden, since a command without its password undoes nothing."""
    done = chaosjc(tmp_path, "run", str(written(tmp_path, echo, var=PASSWORD)), "--prometheus", f"http://{echo.place}")
    assert done.returncode == 2
    assert "$OS_PASSWORD" in done.stderr and PASSWORD not in done.stderr
    assert PASSWORD.encode() not in (tmp_path / "state/local/journal.db").read_bytes()
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("http: 'http://hub/', headers: {Authorization: token x1}", "Authorization would be kept in the journal"),
        ("http: 'http://hub/', headers: {X-Api-Key: x1}", "X-Api-Key would be kept in the journal"),
        ("http: 'http://ada:x1@hub/'", "a login in a URL would be kept in the journal"),
        ("http: 'http://hub/', secret_headers: {Cookie: {}}", "expected `file: PATH` or `env: NAME`"),
        ("http: 'http://hub/api?token=x1'", "token would be kept in the journal: send it by `secret_headers`"),
        ("http: 'http://hub/', headers: {X-Auth: x1}", "X-Auth would be kept in the journal"),
        ("command: [curl, -H, 'Authorization: Bearer x1', 'http://hub/']", "Authorization would be kept"),
        ("command: [curl, 'http://ada:x1@hub/']", "a login in a URL would be kept in the journal: let the program"),
    ],
)
def test_a_file_that_would_have_one_kept_is_wrong(tmp_path: Path, check: str, says: str) -> None:
    path = tmp_path / "experiment.yaml"
    fault = "{fault: command, inject: ['true'], undo: ['true'], verify: ['true']}"
    hypotheses = f"hypotheses: [{{name: hub, {check}}}]"
    path.write_text(f"apiVersion: chaosjc/v1\nkind: Experiment\nname: e\n{hypotheses}\nfaults: [{fault}]\n")
    done = chaosjc(tmp_path, "check", str(path))
    assert done.returncode == 2
    assert says in done.stderr + done.stdout
    assert "x1" not in done.stderr + done.stdout
