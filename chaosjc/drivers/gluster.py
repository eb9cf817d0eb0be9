"""A pool of GlusterFS servers through the `gluster` command of any of them: a thin typed client, no policy.

Hosts are tried in turn, beginning with the one that answered last. A question goes on to the next host when one does
not answer in its share of the time; an act only where the command cannot have begun. glusterd serves one transaction
at a time: what another one holds up is tried again while there is time.
"""

from __future__ import annotations

import contextlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command, gluster_xml
from chaosjc.drivers.command import Completed
from chaosjc.drivers.gluster_values import BrickClients, BrickEntries, BrickStatus, Peer, VolumeInfo
from chaosjc.drivers.ssh import Ssh, Unreachable
from chaosjc.errors import CommandError, CommandTimeout, RemoteError

TIMEOUT = 30.0  # seconds for one question or act, retries included
RETRY = 0.2  # seconds between two tries while another transaction is in progress
GRACE = 1.0  # seconds that a host gets to end a program of its own at the time limit

_TIMED_OUT = (124, 137)  # what timeout(1) ends with
_BUSY = ("transaction is in progress", "transaction could be in progress", "locking failed", "please try again")
_NO_DAEMON = "Connection failed. Please check if gluster daemon is operational."
_NO_HEALER = "Self-heal daemon is not running"
_OWN_BRICKS = """\
me=$1; shift
while [ $# -gt 0 ]; do
  file=/var/run/gluster/vols/$1/$2$(echo "$3" | tr / -).pid
  if [ "$2" = "$me" ] || [ -f "$file" ]; then
    pid=$(cat "$file" 2>/dev/null || echo -) state=- pending=-
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = glusterfsd ]; then
      state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status")
    fi
    index=$3/.glusterfs/indices/xattrop
    [ ! -d "$index" ] || pending=$(ls -U "$index" | grep -vc '^xattrop-')
    echo "$2 $3 ${pid:--} ${state%% *} $pending"
  fi
  shift 3
done
"""


class Refused(RemoteError):
    """glusterd answered, and said no; `reason` is its own."""

    def __init__(self, what: str, host: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{what}: {reason}", hint=f"look at /var/log/glusterfs/glusterd.log on {host}")

    @property
    def busy(self) -> bool:
        """Another transaction holds the lock."""
        return any(each in self.reason.lower() for each in _BUSY)


class _Silent(RemoteError):
    """A host did not answer; `begun` if it may act all the same."""

    def __init__(self, host: str, why: str, *, begun: bool) -> None:
        self.begun = begun
        super().__init__(f"{host}: {why}")


class OnHost(Protocol):
    """Runs a program as root on a host; raises CommandError, CommandTimeout, or Unreachable for want of a session."""

    def __call__(self, host: str, argv: Sequence[str], *, timeout: float) -> Completed: ...  # noqa: D102


@dataclass
class _Last:
    """Which host answered last; shared by all that ask the same pool."""

    host: str = ""


class Gluster:
    """One pool; every method may raise RemoteError: no host answered in time, or Refused."""

    def __init__(
        self, hosts: Sequence[str], run: OnHost, *, timeout: float = TIMEOUT, clock: Clock | None = None
    ) -> None:
        self.hosts = tuple(hosts)
        self._run = run
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._last = _Last()

    @classmethod
    def over(cls, ssh: Ssh, hosts: Sequence[str], *, timeout: float = TIMEOUT, clock: Clock | None = None) -> Self:
        """Through SSH, as a user who may use sudo."""

        def run(host: str, argv: Sequence[str], *, timeout: float) -> Completed:
            return ssh.run(host, ["sudo", "-n", *argv], timeout=timeout, check=False)

        return cls(hosts, run, timeout=timeout, clock=clock)

    def asking(self, *hosts: str, timeout: float | None = None) -> Gluster:
        """The same pool through these hosts only (all, if none is named), with a time limit of its own."""
        limit = self._timeout if timeout is None else timeout
        pool = Gluster(hosts or self.hosts, self._run, timeout=limit, clock=self._clock)
        pool._last = self._last if not hosts else _Last()
        return pool

    # -------------------------------------------------------------- questions

    def peers(self) -> tuple[Peer, ...]:
        """All machines of the pool but the one that was asked, as that one sees them."""
        return gluster_xml.peers(self._ask("peer", "status"))

    def volumes(self) -> tuple[VolumeInfo, ...]:
        """Every volume's layout and options.

        Any glusterd knows them without asking others, but one that has just come in the place of a lost one knows of
        none until the others have told it: that there are none is believed when all who answer say so.
        """
        found = gluster_xml.volumes(self._ask("volume", "info"))
        for host in self.hosts if len(self.hosts) > 1 else ():
            if found:
                break
            with contextlib.suppress(RemoteError):
                found = self.asking(host).volumes()
        return found

    def volume(self, name: str) -> VolumeInfo | None:
        """One volume; None where there is none of that name."""
        return next((each for each in self.volumes() if each.name == name), None)

    def bricks(self, volume: str) -> tuple[BrickStatus, ...]:
        """Which bricks are online; those of machines that are not connected are absent."""
        return gluster_xml.bricks(self._ask("volume", "status", volume))

    def own_bricks(self, host: str, layouts: Sequence[VolumeInfo]) -> tuple[BrickStatus, ...]:
        """The bricks of one machine as it sees them itself, of no other: no lock, no wait, and next to no work."""
        bricks = [word for each in layouts for brick in each.bricks for word in (each.name, brick.host, brick.path)]
        done = self._run_on(host, ["sh", "-c", _OWN_BRICKS, "sh", host, *bricks], self._timeout)
        if done.returncode:
            raise _Silent(host, f"exit code {done.returncode}: {done.stderr.strip()[:200]}", begun=True)
        return gluster_xml.own_bricks(done.stdout)

    def clients(self, volume: str) -> tuple[BrickClients, ...]:
        """Who is connected to each brick; those that are offline are absent."""
        return gluster_xml.clients(self._ask("volume", "status", volume, "clients"))

    def heal(self, volume: str) -> tuple[BrickEntries, ...]:
        """What is to be healed, brick by brick. It walks through all of it under locks: with much, it slows writes."""
        return gluster_xml.entries(self._ask("volume", "heal", volume, "info", "summary"))

    def split_brain(self, volume: str) -> tuple[BrickEntries, ...]:
        """What nobody but a person can heal, brick by brick; as costly as `heal`."""
        return gluster_xml.split_brain(self._ask("volume", "heal", volume, "info", "summary"))

    def holds_daemon(self, volume: str) -> bool:
        """Whether the glusterd that is asked is connected to its own healing daemon, which then looks at its indices.

        The daemon's refusal, as with a brick that is down, is an answer, too.
        """
        try:
            self._act("volume", "heal", volume)
        except Refused as refused:
            return _NO_HEALER not in refused.reason
        return True

    # -------------------------------------------------------------- acts

    def create(self, volume: str, bricks: Sequence[str], *, replica: int = 1, arbiter: int = 0) -> None:
        """Make a volume of bricks (`host:path`), neighbours being replicas."""
        layout = ["replica", str(replica)] if replica > 1 else []
        layout += ["arbiter", str(arbiter)] if arbiter else []
        self._act("volume", "create", volume, *layout, *bricks)

    def set_options(self, volume: str, options: Mapping[str, str]) -> None:
        """Set several at once: clients load their new graph once."""
        self._act("volume", "set", volume, *(word for pair in options.items() for word in pair))

    def reset_option(self, volume: str, name: str) -> None:
        """Back to GlusterFS's own default."""
        self._act("volume", "reset", volume, name)

    def granular_entry_heal(self, volume: str, *, on: bool) -> None:
        """The one option that `volume set` refuses to change."""
        self._act("volume", "heal", volume, "granular-entry-heal", "enable" if on else "disable")

    def start(self, volume: str, *, force: bool = False) -> None:
        """Start its bricks; `force` starts those of a started volume that have died. Never on an empty brick."""
        self._act("volume", "start", volume, *(["force"] if force else []))

    def reset_brick_start(self, volume: str, brick: str) -> None:
        """Take a brick (`host:path`) out of service, so that an empty one can take its place."""
        self._act("volume", "reset-brick", volume, brick, "start")

    def reset_brick_commit(self, volume: str, brick: str) -> None:
        """Put the brick back as one that has everything to learn."""
        self._act("volume", "reset-brick", volume, brick, brick, "commit", "force")

    def heal_full(self, volume: str) -> None:
        """Have the self-heal daemons walk through all files, also such as no index names."""
        self._act("volume", "heal", volume, "full")

    # -------------------------------------------------------------- how

    def _ask(self, *words: str) -> ET.Element:
        return self._do(words, asking=True)

    def _act(self, *words: str) -> None:
        self._do(words, asking=False)

    def _do(self, words: Sequence[str], *, asking: bool) -> ET.Element:
        until = self._clock.monotonic() + self._timeout
        while True:
            try:
                return self._through_hosts(words, until, asking=asking)
            except Refused as refused:
                if not refused.busy or self._clock.monotonic() + RETRY >= until:
                    raise
            self._clock.sleep(RETRY)

    def _through_hosts(self, words: Sequence[str], until: float, *, asking: bool) -> ET.Element:
        silent: list[str] = []
        order = self._in_turn()
        for number, host in enumerate(order):
            left = until - self._clock.monotonic()
            share = left / (len(order) - number) if asking else left
            if left <= 0:
                break
            try:
                answer = self._once(host, words, share)
            except _Silent as error:
                if error.begun and not asking:
                    raise
                silent.append(error.message)
                continue
            self._last.host = host
            return answer
        said = "; ".join(silent) or "no host to ask"
        raise RemoteError(f"gluster {' '.join(words)}: no answer: {said}"[: command.TAIL])

    def _once(self, host: str, words: Sequence[str], timeout: float) -> ET.Element:
        limit = max(1, round(timeout))
        done = self._run_on(host, ["gluster", "--mode=script", "--xml", f"--timeout={limit}", *words], timeout)
        said = " ".join((done.stdout + done.stderr).split())
        answer = gluster_xml.document(done.stdout) if done.stdout.lstrip().startswith("<") else gluster_xml.plain(said)
        if answer is None:
            begun = _NO_DAEMON not in said and not done.stderr.startswith("sudo: ")
            raise _Silent(host, said[:200] or f"exit code {done.returncode}", begun=begun)
        if reason := gluster_xml.refusal(answer):
            raise Refused(f"{host}: gluster {' '.join(words)}", host, reason)
        return answer

    def _run_on(self, host: str, argv: Sequence[str], timeout: float) -> Completed:
        """Nothing is left running on the host: what asks a brick that hangs would pile up there."""
        late = f"no end after {timeout:.1f} s"
        try:
            done = self._run(host, ["timeout", "-k", "1", f"{timeout:.1f}", *argv], timeout=timeout + GRACE)
        except Unreachable as error:
            raise _Silent(host, error.message, begun=False) from error
        except CommandTimeout as error:
            raise _Silent(host, late, begun=True) from error
        except CommandError as error:
            raise _Silent(host, error.message, begun=False) from error
        if done.returncode in _TIMED_OUT:
            raise _Silent(host, late, begun=True)
        return done

    def _in_turn(self) -> tuple[str, ...]:
        """Stable: the host that answered last, then the others in their order."""
        return tuple(sorted(self.hosts, key=lambda host: host != self._last.host))
