"""The token with which the site's Prometheus reads the kubelets' metrics: the cluster makes it, the monitor gets it."""

from __future__ import annotations

import base64

from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site.context import Context
from chaosjc.site.manifests import PROMETHEUS, SYSTEM
from chaosjc.site.roles.scrapes import KUBELET_TOKEN
from chaosjc.site.stages import tokens
from chaosjc.site.stages.base import KUBECTL, run_on

STEP = 60.0  # seconds for one
MADE = 30.0  # seconds in which the cluster must have made it
_GET = ("get", "secret", PROMETHEUS, "--ignore-not-found", "-o", "jsonpath={.data.token}")


class Metrics:
    """Of one site's cluster. Raises Unreachable, or StageError with what a VM said."""

    def __init__(self, context: Context, stage: str) -> None:
        self._context, self._stage = context, stage
        self._master = context.site.control_plane

    def token_is_given(self) -> bool:
        """Whether the monitor has the one that this cluster takes."""
        token = self._token()
        try:
            return bool(token) and tokens.is_given(self._context, self._stage, KUBELET_TOKEN, token)
        except Unreachable:
            return True  # stage infra has said so

    def give_token(self) -> None:
        """Once the cluster has made it."""
        began = self._context.clock.monotonic()
        while not (token := self._token()):
            if self._context.clock.monotonic() > began + MADE:
                raise StageError(f"{self._stage}: {self._master}: no token for Prometheus after {MADE:.0f} s")
            self._context.clock.sleep(0.5)
        tokens.give(self._context, self._stage, KUBELET_TOKEN, token, "prometheus")

    def _token(self) -> str:
        argv = (*KUBECTL, "--namespace", SYSTEM, *_GET)
        return base64.b64decode(run_on(self._context, self._stage, self._master, argv, timeout=STEP)).decode()
