"""What outlives the control plane's VM, and how a new one is made from it.

Its certificate authorities are kept in the site's state directory, so that workers, kubeconfigs and service accounts
trust the new control plane; etcd's snapshots are on the monitor VM (`roles.backup`).
"""

from __future__ import annotations

from pathlib import Path

from chaosjc.clock import rfc3339
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site.context import Context
from chaosjc.site.model import MONITOR
from chaosjc.site.roles.backup import KEYS, LATEST, SERVICE
from chaosjc.site.stages.base import run_on
from chaosjc.site.state import write_atomically
from chaosjc.spec.scalars import format_duration

STEP = 60.0  # seconds for one
_PKI = "/etc/kubernetes/pki"
_AUTHORITIES = tuple(f"{name}.{end}" for name in ("ca", "front-proxy-ca", "etcd/ca") for end in ("crt", "key"))
_KEPT = (*_AUTHORITIES, "sa.key", "sa.pub")
_GIVEN = {"ca.crt": "ca.crt", "client.crt": "healthcheck-client.crt", "client.key": "healthcheck-client.key"}
_FUTURE = "1000000000"  # revisions: whoever watched the lost etcd must not take the restored one for an older answer


class Backup:
    """Of one site's control plane. Raises Unreachable, or StageError with what a VM said."""

    def __init__(self, context: Context, stage: str) -> None:
        self._context, self._stage = context, stage
        self._master = context.site.control_plane

    @property
    def kept(self) -> Path:
        """The authorities: a tar archive as base64, for the owner of the state directory alone."""
        return self._context.state.authorities

    def keep(self) -> None:
        """Bring the authorities into the state directory."""
        write_atomically(self.kept, self._run(self._master, f"tar -C {_PKI} -c {' '.join(_KEPT)} | base64 -w0"))

    def give_key(self) -> None:
        """Give the monitor what it needs to take snapshots, and have it take the first."""
        names = " ".join(_GIVEN.values())
        packed = self._run(self._master, f"tar -C {_PKI}/etcd -c {names} | base64 -w0")
        moves = "; ".join(f"mv -f {found} {name}" for name, found in _GIVEN.items() if name != found)
        unpack = f"install -d -m 0700 {KEYS}; cd {KEYS}; base64 -d | tar -x; {moves}"
        self._run(MONITOR, unpack, packed)
        self._run(MONITOR, f"systemctl start --no-block {SERVICE} || true")  # stage backup may be yet to bring it

    def key_is_given(self) -> bool:
        """Whether the monitor has the key that this control plane's etcd takes."""
        try:
            given = self._run(MONITOR, f"cat {KEYS}/client.crt 2>/dev/null || true")
        except Unreachable:
            return True  # stage infra has said so
        return bool(given) and given == self._run(self._master, f"cat {_PKI}/etcd/healthcheck-client.crt")

    def check(self, *, remembered: bool) -> None:
        """Raise StageError where a cluster was lost and nothing is left to make it from; before anything is done.

        `remembered`: a node still belongs to it. Where none does, as on a cloud that is another one, nothing is lost by
        a new cluster: it gets authorities of its own.
        """
        if not self.kept.exists() or not self._wanted or self._run(MONITOR, f"test ! -s {LATEST} || echo there"):
            return
        if not remembered:
            aside = self._context.state.set_authorities_aside()
            self._context.report(self._stage, self._master, f"no node knows the cluster before it; its keys: {aside}")
            return
        raise StageError(
            f"{self._stage}: the cluster was lost with {self._master}, and {MONITOR} has no snapshot of its etcd: "
            "a new one would know no node, no hub and nobody's server",
            hint=f"put a snapshot back as {MONITOR}:{LATEST}; or begin with an empty cluster, under new authorities: "
            f"mv {self.kept} {self._context.state.lost_authorities}, and deploy again",
        )

    def restore(self, address: str) -> str:
        """On a new control plane, before `kubeadm init`: authorities, and etcd's last snapshot. What became of it."""
        if not self.kept.exists():
            return "new, and empty"
        self._run(self._master, f"install -d -m 0755 {_PKI}; base64 -d | tar -C {_PKI} -x", self.kept.read_text())
        snapshot = self._run(MONITOR, f"test ! -s {LATEST} || base64 -w0 {LATEST}")
        if not snapshot:
            return "new, and empty: the site file has no backups"
        taken, now = map(float, self._run(MONITOR, f"stat -c %Y {LATEST}; date +%s").split())
        self._run(self._master, _restoring(self._master, address), snapshot)
        return f"restored from its snapshot of {rfc3339(taken)}, {format_duration(max(0, now - taken))} old"

    @property
    def _wanted(self) -> bool:
        return bool(self._context.site.kubernetes and self._context.site.kubernetes.backup)

    def _run(self, vm: str, script: str, stdin: str | None = None) -> str:
        return run_on(self._context, self._stage, vm, ("sh", "-ec", script), stdin=stdin, timeout=STEP)


def _restoring(name: str, address: str) -> str:
    peer = f"https://{address}:2380"
    options = f"--name {name} --initial-cluster {name}={peer} --initial-advertise-peer-urls {peer}"
    options += f" --bump-revision {_FUTURE} --mark-compacted --data-dir /var/lib/etcd.new"
    return f"""\
rm -rf /var/lib/etcd/* /var/lib/etcd.new
base64 -d > /var/lib/etcd.snapshot
etcdutl snapshot restore /var/lib/etcd.snapshot {options}
mv /var/lib/etcd.new/member /var/lib/etcd/
rm -rf /var/lib/etcd.new /var/lib/etcd.snapshot
"""
