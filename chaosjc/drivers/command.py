"""The only place that starts processes.

Every process gets a process group of its own, so that a time limit, an error or Ctrl-C in chaosjc ends it with all its
children, and never an argument goes through a shell.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chaosjc.errors import CommandError, CommandTimeout

TAIL = 4000  # characters of output that an error message carries
GOODBYE = 5.0  # seconds in which an asked process ends
HELD = 0.2  # seconds for the last output where another process (the shared connection of SSH) holds the pipe


Process = subprocess.Popen[str]


@dataclass(frozen=True)
class Completed:
    """What a finished process left; times in seconds."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Runner(Protocol):
    """The shape of `run`, for those who take it as an argument so that tests can hand in a strict fake."""

    def __call__(  # noqa: D102
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed: ...


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60.0,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run to the end and return its output.

    `env` is added to this process's environment. Raises CommandTimeout after `timeout` seconds, and CommandError if the
    program cannot be started or, with `check`, ends with a code other than 0.
    """
    began = time.monotonic()
    process = _popen(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, env=env, cwd=cwd)
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        stdout, stderr = _kill_group(process)
        raise CommandTimeout(
            f"{shlex.join(argv)}: no end after {timeout:g} s, killed", stdout=stdout, stderr=stderr
        ) from None
    except BaseException:
        _kill_group(process)
        raise
    done = Completed(tuple(argv), process.returncode, stdout, stderr, time.monotonic() - began)
    if check and done.returncode:
        said = (stderr.strip() or stdout.strip())[-TAIL:]
        raise CommandError(
            f"{shlex.join(argv)}: exit code {done.returncode}: {said}",
            stdout=stdout,
            stderr=stderr,
            returncode=done.returncode,
        )
    return done


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
) -> Process:
    """Start a process in a session of its own that outlives this one; what it prints is appended to `log`.

    `stdin` may be a pipe's reading end: what reads it to its end then ends with this process after all.
    """
    with log.open("a", encoding="utf-8") as out:
        return _popen(argv, stdin=stdin, stdout=out, env=env, cwd=cwd, pass_fds=pass_fds, session=True)


def end(process: Process, patience: float = GOODBYE) -> None:
    """Ask it to end, and kill it if after `patience` seconds it has not; it is reaped."""
    process.terminate()
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def attached(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run on this process's own terminal, in its own group, and return the exit code: Ctrl-C reaches both."""
    try:
        process = subprocess.Popen(list(argv), env={**os.environ, **(env or {})})
    except OSError as error:
        raise CommandError(f"{shlex.join(argv)}: cannot start: {error.strerror}") from error
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it has had the signal too, and ends once it has put everything back


def replace(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
    """Become another program (for `lab shell`); returns only by raising CommandError."""
    try:
        os.execvpe(argv[0], list(argv), {**os.environ, **(env or {})})  # noqa: S606
    except OSError as error:
        raise CommandError(f"{argv[0]}: {error.strerror}") from error


def end_marked(variable: str, value: str) -> int:
    """Kill every process that was started with `variable=value` in its environment; returns how many there were.

    Works whoever started them and whether that process still lives; only processes of this user are seen.
    """
    wanted = f"{variable}={value}".encode()
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if wanted in _environment(pid)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _environment(pid: int) -> list[bytes]:
    if pid == os.getpid():
        return []
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _popen(  # noqa: PLR0913 - the one place that knows all of Popen
    argv: Sequence[str],
    *,
    stdin: int,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdout: object = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    session: bool = False,
) -> Process:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,  # type: ignore[arg-type]
            stderr=subprocess.PIPE if stdout is subprocess.PIPE else subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(pass_fds),
            start_new_session=session,
            process_group=None if session else 0,
        )
    except OSError as error:
        raise CommandError(f"{shlex.join(argv)}: cannot start: {error.strerror}") from error


def _kill_group(process: Process) -> tuple[str, str]:
    """Kill the whole group and return what was said until then."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(timeout=5)
        return process.communicate(timeout=HELD)
    except subprocess.TimeoutExpired as held:
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()
        return _decoded(held.stdout), _decoded(held.stderr)


def _decoded(said: bytes | None) -> str:
    return (said or b"").decode(errors="replace")
