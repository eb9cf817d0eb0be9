"""The site as a fault reaches it, from what the journal says of it alone."""

from __future__ import annotations

import contextlib
import json
import threading
import weakref
from dataclasses import dataclass

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_files import CloudFiles
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import FaultError
from chaosjc.journal.events import Context, Outcome
from chaosjc.site import discover, endpoints, sshconfig
from chaosjc.site.model import SiteFile
from chaosjc.site.state import SiteState


@dataclass(frozen=True)
class Answer:
    """What `verify` found, and why it says so."""

    outcome: Outcome
    why: str = ""


class World:
    """Clients of one site, made at first use and then shared by threads."""

    def __init__(self, context: Context, run: str = "", clock: Clock | None = None) -> None:
        self.context = context
        self.run = run
        self.clock = clock or SystemClock()
        self.deploying = threading.Lock()  # a site has one writer: of several undos, each waits for its turn
        self._lock = threading.RLock()
        self._cloud: Cloud | None = None
        self._cluster: Cluster | None = None
        self._site = SiteFile.restore(json.dumps(context.site)) if context.site else None

    @property
    def site(self) -> SiteFile:
        """The site file as it was when the run was planned; FaultError where the run has none."""
        if self._site is None:
            raise FaultError("this needs a site", hint="name one with --site")
        return self._site

    @property
    def has_site(self) -> bool:
        """Whether the run has a site at all."""
        return self._site is not None

    @property
    def state(self) -> SiteState:
        """The site's own files: keys, certificates, SSH configuration."""
        return SiteState.of(self.site.name, self.context.state)

    @property
    def cloud(self) -> Cloud:
        """The site's project."""
        with self._lock:
            if self._cloud is None:
                self._cloud = Cloud.connect(self.site.cloud, files=self._files)
            return self._cloud

    @property
    def _files(self) -> CloudFiles | None:
        """A recover may run in another shell, and for several sites: the journal says where clouds.yaml was."""
        said = self.context
        return CloudFiles(said.environment, said.directory) if said.environment or said.directory else None

    @property
    def kubernetes(self) -> Cluster:
        """The site's cluster, through a forward that lasts as long as this world. RemoteError while nobody answers."""
        if self.site.kubernetes is None:
            raise FaultError(f"site {self.site.name} has no cluster", hint="its file has no section `kubernetes`")
        with self._lock:
            if self._cluster is None:
                with contextlib.ExitStack() as stack:
                    self._cluster = stack.enter_context(endpoints.kubernetes(self.state, way=self._api_server()))
                    weakref.finalize(self, stack.pop_all().close)
            return self._cluster

    def _api_server(self) -> endpoints.Way | None:
        """The way to that of an adopted site: at home on one of its VMs, or behind its bastion."""
        if self.site.managed:
            return None
        _ = self.ssh  # its configuration is written with it
        return endpoints.way_to(self.site, discover.present(self.site, self.cloud))

    @property
    def ssh(self) -> Ssh:
        """The site's VMs by name, through its bastion."""
        adopted, state = self.site.adopted, self.state
        return Ssh(sshconfig.adopt(state, adopted.ssh_config) if adopted else state.ssh_config)
