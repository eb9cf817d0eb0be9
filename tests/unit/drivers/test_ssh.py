from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.ssh import Ssh, Unreachable
from chaosjc.errors import CommandError, CommandTimeout


class FakeRunner:
    """Answers one expected command, and notes how it was asked."""

    def __init__(self, returncode: int = 0, stdout: str = "", stderr: str = "", *, hangs: bool = False) -> None:
        self.answer = (returncode, stdout, stderr)
        self.hangs = hangs
        self.argv: list[str] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        assert (check, env, cwd) == (False, None, None)
        self.argv = list(argv)
        if self.hangs:
            raise CommandTimeout(f"no end after {timeout:g} s")
        returncode, stdout, stderr = self.answer
        return Completed(tuple(argv), returncode, stdout, stderr, 0.1)


def ssh(runner: FakeRunner) -> Ssh:
    return Ssh(Path("/state/config"), runner)


def test_the_remote_shell_gets_each_argument_quoted() -> None:
    runner = FakeRunner(stdout="x\n")
    assert ssh(runner).run("worker-001", ["echo", "a b", "$HOME", ""]).stdout == "x\n"
    assert runner.argv == ["ssh", "-F", "/state/config", "--", "worker-001", "echo 'a b' '$HOME' ''"]


def test_a_failed_program_is_no_failed_connection() -> None:
    runner = FakeRunner(3, "", "df: no such file\n")
    with pytest.raises(CommandError, match="worker-001: df /x: exit code 3: df: no such file") as caught:
        ssh(runner).run("worker-001", ["df", "/x"])
    assert caught.value.returncode == 3
    assert ssh(runner).run("worker-001", ["df", "/x"], check=False).returncode == 3


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("ssh: connect to host 10.66.0.7 port 22: No route to host", False),
        ("chaosjc@10.66.0.7: Permission denied (publickey).", True),
        ("Host key verification failed.", True),
    ],
)
def test_no_session_says_whose_fault_it_is_and_what_to_try(said: str, refused: bool) -> None:
    with pytest.raises(Unreachable) as caught:
        ssh(FakeRunner(255, "", f"a warning\n{said}\n")).run("worker-001", ["true"])
    assert caught.value.refused is refused
    assert str(caught.value) == f"worker-001: no SSH session: {said}\n  ssh -v -F /state/config worker-001"


def test_a_jump_host_says_why_the_last_line_cannot() -> None:
    said = "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\nkex_exchange: closed\n"
    with pytest.raises(Unreachable, match="session: connect failed: Connection refused; kex_exchange: closed"):
        ssh(FakeRunner(255, "", said)).run("worker-001", ["true"])


def test_answers_is_about_newcomers_not_about_a_shared_connection() -> None:
    runner = FakeRunner()
    assert ssh(runner).answers("worker-001", timeout=2)
    assert runner.argv[3:7] == ["-o", "ControlPath=none", "-o", "ConnectTimeout=2"]


def test_a_login_as_root_is_one_with_sudo() -> None:
    runner = FakeRunner(1, "", "/etc/sudoers.d/90-chaosjc: syntax error\nsudo: a password is required\n")
    with pytest.raises(Unreachable, match="worker-001: no root by sudo: sudo: a password is required") as caught:
        ssh(runner).login("worker-001", root=True)
    assert runner.argv[-3:] == ["--", "worker-001", "sudo -n true"]
    assert (caught.value.refused, caught.value.without_sudo) == (False, True)


@pytest.mark.parametrize("runner", [FakeRunner(255, "", "Connection refused"), FakeRunner(hangs=True), FakeRunner(1)])
def test_whoever_does_not_let_us_in_does_not_answer(runner: FakeRunner) -> None:
    assert not ssh(runner).answers("worker-001")


def test_close_ends_the_shared_connection() -> None:
    runner = FakeRunner()
    ssh(runner).close("bastion")
    assert runner.argv == ["ssh", "-F", "/state/config", "-O", "exit", "--", "bastion"]
