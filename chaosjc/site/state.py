"""Where a site's own files are: keys, generated SSH configuration, logs, and the lock of its one writer."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from chaosjc.errors import StageError, UsageError

LONGEST_SOCKET_DIRECTORY = 60  # sun_path holds 108 bytes; ssh adds a name of its own while it binds


@dataclass(frozen=True)
class SiteState:
    """One directory a site."""

    root: Path

    @classmethod
    def of(cls, name: str, override: str = "") -> SiteState:
        """`override` if given, else `site/NAME` below $CHAOSJC_STATE or $XDG_STATE_HOME/chaosjc; made if missing."""
        if override:
            root = Path(override).expanduser()
        else:
            home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
            root = Path(os.environ.get("CHAOSJC_STATE") or f"{home}/chaosjc").expanduser() / "site" / name
        state = cls(root.absolute())
        try:
            for each in (state.root, state.ssh, state.logs):
                each.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"{state.root}: cannot keep the site's state: {error.strerror}", hint="name another with --state"
            ) from error
        return state

    @property
    def ssh(self) -> Path:
        """Keys, certificates, known_hosts."""
        return self.root / "ssh"

    @property
    def logs(self) -> Path:
        """What deploying did, and console logs of VMs that failed."""
        return self.root / "log"

    @property
    def log(self) -> Path:
        """Every step and every command of every deploy."""
        return self.logs / "deploy.log"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: the site's VMs by name."""
        return self.ssh / "config"

    @property
    def reader_config(self) -> Path:
        """The same for the principal that may only look."""
        return self.ssh / "config.reader"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, of the site's Kubernetes."""
        return self.root / "kubeconfig"

    @property
    def authorities(self) -> Path:
        """Those of the site's cluster, from which a lost control plane is made anew."""
        return self.root / "kubernetes-authorities"

    @property
    def lost_authorities(self) -> Path:
        """Where they are set aside."""
        return self.root / f"{self.authorities.name}.lost"

    def set_authorities_aside(self) -> Path | None:
        """Of a cluster that is gone together with its snapshots: a new one has its own.

        They stay beside, for whoever has a snapshot elsewhere; returns where, or None where there were none.
        """
        if not self.authorities.exists():
            return None
        return self.authorities.rename(self.lost_authorities)

    @property
    def secrets(self) -> Path:
        """What the site's parts share, and nobody else knows."""
        return self.root / "secrets.json"

    @property
    def hub_secrets(self) -> Path:
        """Those of the hub's values that lie in variables, as they were when it was last deployed."""
        return self.root / "hub-secrets.json"

    @property
    def sockets(self) -> Path:
        """A private directory for ssh's shared connections, whose path is short enough for a socket."""
        return self._sockets(LONGEST_SOCKET_DIRECTORY)

    @property
    def hashed_sockets(self) -> Path:
        """The same for sockets that ssh names itself (`%C`), with 40 characters."""
        return self._sockets(LONGEST_SOCKET_DIRECTORY - 15)

    def _sockets(self, longest: int) -> Path:
        inside = self.root / "ctl"
        if len(str(inside)) <= longest:
            return _private(inside)
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:8]
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime and len(runtime) < longest - 20:
            return _private(Path(runtime) / f"chaosjc-{digest}")
        return _private(Path(tempfile.gettempdir()) / f"chaosjc-{os.getuid()}-{digest}")

    def remove_sockets(self) -> None:
        """The directory, once no connection is left in it."""
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """Hold the site's lock; raises StageError at once while another deploy or destroy holds it."""
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StageError(
                    f"{self.root}: another deploy or destroy of this site is under way", hint="wait for it to end"
                ) from None
            yield


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file so that readers see the old or the new one; nothing is written where it says this already."""
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.replace(temporary, path)


def _private(path: Path) -> Path:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not path.is_dir() or path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError(f"{path} is not a directory of this user alone", hint="remove it")
    return path
