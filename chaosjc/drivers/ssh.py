"""Commands on other hosts, through the OpenSSH client and one generated configuration file.

The file says everything about the way there (jump host, keys, certificates, shared connections), so that a person
reaches the same hosts with `ssh -F FILE HOST`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed, Runner
from chaosjc.errors import CommandError, CommandTimeout, RemoteError

CONNECTION_FAILED = 255  # ssh's own failures; programs that end with 255 themselves are rare enough to share it


class Unreachable(RemoteError):
    """No session: the host, the way there or the login failed. `refused`: it answered, and did not let us in."""

    def __init__(self, host: str, said: str, config: Path) -> None:
        self.refused = "Permission denied" in said or "Host key verification failed" in said
        super().__init__(f"{host}: no SSH session: {said or 'no reason given'}", hint=f"ssh -v -F {config} {host}")


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

    def login(self, host: str, timeout: float = 5.0) -> None:
        """Log in over a connection of its own, as a newcomer would; raises Unreachable."""
        seconds = max(1, round(timeout))
        fresh = ("-o", "ControlPath=none", "-o", f"ConnectTimeout={seconds}")
        try:
            done = self._runner(self.argv(host, ["true"], *fresh), timeout=timeout, check=False)
        except CommandTimeout as error:
            raise Unreachable(host, f"no answer within {timeout:g} s", self.config) from error
        if done.returncode:
            raise Unreachable(host, _reason(done.stderr) or f"`true` ended with {done.returncode}", self.config)

    def answers(self, host: str, timeout: float = 5.0) -> bool:
        """Whether a newcomer can log in within `timeout` seconds."""
        try:
            self.login(host, timeout)
        except Unreachable:
            return False
        return True

    def close(self, host: str) -> None:
        """End the shared connection to a host, if there is one."""
        self._runner(self.argv(host, [], "-O", "exit"), timeout=5.0, check=False)


def _reason(text: str) -> str:
    """The last line; before it, what a jump host said: behind one, the last says no more than that it hung up."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line.partition("open failed: ")[2] for line in lines[:-1] if "open failed: " in line]
    return "; ".join([*said[-1:], *lines[-1:]])
