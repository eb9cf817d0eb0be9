"""Waits until the proxy's API and the database accept connections, then is JupyterHub, with the arguments that it got.

A hub that cannot reach either at its start exits, and the kubelet's back-off then costs more than the wait. Meanwhile
it loads what the hub will need: after all nodes have booted at once, that is as long as the wait.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import runpy
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

PAUSE = 0.5  # seconds between two tries
REMIND = 60  # tries between two lines of the log
RESOLV_CONF = Path("/etc/resolv.conf")
PORTS = {"postgresql": 5432, "mysql": 3306}
MODULES = ("jupyterhub.app", "kubespawner")


def needed(db_url: str, resolv_conf: str) -> list[tuple[str, int]]:
    """Host and port of all that must answer first; a database without a host is none of them."""
    url = urlsplit(db_url)
    port = url.port or PORTS.get(url.scheme.partition("+")[0], 0)
    return [(absolute("proxy-api", resolv_conf), 8001), *([(url.hostname, port)] if url.hostname and port else [])]


def absolute(service: str, resolv_conf: str) -> str:
    """A service of this namespace by its whole name, which the cluster alone is asked for.

    While it does not know a short name yet, as when all nodes have just booted, the resolver goes on to the name
    servers outside, and waits for them: 16 s were seen.
    """
    search = next((line.split() for line in resolv_conf.splitlines() if line.startswith("search ")), [])
    return f"{service}.{search[1]}." if search[1:] else service


def wait_for(host: str, port: int) -> None:
    """Return once something accepts a connection there; names are asked for anew each time."""
    tries = 0
    while True:
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError as error:
            if tries % REMIND == 0:
                print(f"waiting for {host}:{port}: {error}", flush=True)  # noqa: T201 - the container's log
        else:
            return
        tries += 1
        time.sleep(PAUSE)


def load(modules: tuple[str, ...]) -> None:
    """What cannot be loaded is the hub's to tell, when it needs it."""
    for each in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(each)


def main(arguments: list[str]) -> None:
    """Returns when the hub ends."""
    threading.Thread(target=load, args=(MODULES,), daemon=True).start()
    values = json.loads(Path(__file__).with_name("values.json").read_text())
    for host, port in needed(values["hub"]["db"]["url"], RESOLV_CONF.read_text()):
        wait_for(host, port)
    sys.argv = ["jupyterhub", *arguments]
    runpy.run_module("jupyterhub", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
