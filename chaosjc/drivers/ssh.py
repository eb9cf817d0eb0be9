"""Commands on other hosts, through the OpenSSH client and one generated configuration file.

The file says everything about the way there (jump host, keys, certificates, shared connections), so that a person
reaches the same hosts with `ssh -F FILE HOST`.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed, Runner
from chaosjc.errors import CommandError, CommandTimeout, RemoteError

LOGIN = 10.0  # seconds for one: where the processor is wanted by all, it takes more than five
CONNECTION_FAILED = 255  # ssh's own failures; programs that end with 255 themselves are rare enough to share it
SUDO_REFUSES = "sudo: a password is required"  # in whatever way root's rights were lost


class Unreachable(RemoteError):
    """No session: the host, the way there or the login failed. `refused`: it answered, and did not let us in.

    Nor is a host within reach that lets us in `without_sudo`, where root was asked for.
    """

    def __init__(self, host: str, said: str, config: Path) -> None:
        self.refused = "Permission denied" in said or "Host key verification failed" in said
        self.without_sudo = SUDO_REFUSES in said
        what = "no root by sudo" if self.without_sudo else "no SSH session"
        super().__init__(f"{host}: {what}: {said or 'no reason given'}", hint=f"ssh -v -F {config} {host}")


class Ssh:
    """Runs argument lists on the hosts that the configuration file names."""

    def __init__(self, config: Path, runner: Runner = command.run) -> None:
        self.config = config
        self._runner = runner

    def run(
        self, host: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60.0, check: bool = True
    ) -> Completed:
        """Run to the end and return its output.

        Raises Unreachable if there was no session, CommandTimeout after `timeout` seconds, and CommandError if the
        program, with `check`, ends with a code other than 0.
        """
        done = self._runner(self.argv(host, argv), stdin=stdin, timeout=timeout, check=False)
        if done.returncode == CONNECTION_FAILED:
            raise Unreachable(host, _reason(done.stderr), self.config)
        if check and done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-command.TAIL :]
            raise CommandError(
                f"{host}: {shlex.join(argv)[:200]}: exit code {done.returncode}: {said}",
                stdout=done.stdout,
                stderr=done.stderr,
                returncode=done.returncode,
            )
        return done

    def argv(self, host: str, argv: Sequence[str], *options: str) -> list[str]:
        """The local command; the remote side's shell gets each argument quoted."""
        return ["ssh", "-F", str(self.config), *options, "--", host, *([shlex.join(argv)] if argv else [])]

    def login(self, host: str, timeout: float = LOGIN, *, root: bool = False) -> None:
        """Log in over a connection of its own, as a newcomer would, and become `root` by sudo; raises Unreachable."""
        seconds = max(1, round(timeout))
        argv = ["sudo", "-n", "true"] if root else ["true"]
        fresh = ("-o", "ControlPath=none", "-o", f"ConnectTimeout={seconds}")
        try:
            done = self._runner(self.argv(host, argv, *fresh), timeout=timeout, check=False)
        except CommandTimeout as error:
            raise Unreachable(host, f"no answer within {timeout:g} s", self.config) from error
        if done.returncode:
            said = _reason(done.stderr) or f"`{shlex.join(argv)}` ended with {done.returncode}"
            raise Unreachable(host, said, self.config)

    def answers(self, host: str, timeout: float = LOGIN) -> bool:
        """Whether a newcomer can log in within `timeout` seconds."""
        try:
            self.login(host, timeout)
        except Unreachable:
            return False
        return True

    def close(self, host: str) -> None:
        """End the shared connection to a host, if there is one."""
        self._runner(self.argv(host, [], "-O", "exit"), timeout=5.0, check=False)


def end_shared(directory: Path, runner: Runner = command.run) -> None:
    """End every shared connection whose socket lies below a directory."""
    for socket in sorted(path for path in directory.rglob("*") if path.is_socket()):
        with contextlib.suppress(CommandError):
            runner(["ssh", "-F", "none", "-S", str(socket), "-O", "exit", "--", "shared"], timeout=5.0, check=False)


def _reason(text: str) -> str:
    """The last line; before it, what a jump host said: behind one, the last says no more than that it hung up."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line.partition("open failed: ")[2] for line in lines[:-1] if "open failed: " in line]
    return "; ".join([*said[-1:], *lines[-1:]])
