"""One process of the control plane: `python -m chaosjc.lab.openstack.serve SETTINGS ROLE`.

ROLE `cloud` is keystone, placement, glance and all of nova behind one port, each below its path; ROLE `network` is
neutron, which cannot share their process: it reads cfg.CONF at run time and listens on SQLAlchemy's Session class.
Octavia can share neutron's, if it is loaded first. RPC
goes through memory, hence no message broker: whoever calls and whoever answers live in the same process.

SETTINGS is a JSON file: etc, run, cgroup, ports {cloud, network}. The process holds a lock for its life, so that there
is one of each role; what it writes to RUN/ROLE.json (pid, start time, phase) is how others find it.
"""

import faulthandler
import fcntl
import gc
import json
import os
import shlex
import signal
import sys
import threading
import time
import traceback
import types
from pathlib import Path

from chaosjc.lab.machine.cgroup import Hierarchies
from chaosjc.lab.machine.disks import write_atomically
from chaosjc.lab.machine.process import start_time

PREFIX = {
    "keystone": "/identity",
    "placement": "/placement",
    "glance": "/image",
    "nova": "/compute",
    "neutron": "/network",
    "octavia": "/load-balancer",
}
ROLES = {"cloud": ("keystone", "placement", "glance", "nova"), "network": ("octavia", "neutron")}
THREADS = 48  # services call each other while they answer: with few threads they would wait for each other for ever
# Libraries that keep, or register options on, the global cfg.CONF when imported: each service gets its own copy
_WITH_GLOBAL_CONF = (
    "keystonemiddleware", "oslo_middleware", "oslo_messaging", "oslo_concurrency", "oslo_privsep",
    "oslo_versionedobjects", "oslo_limit", "oslo_service", "oslo_reports", "oslo_metrics",
)  # fmt: skip
_BEGAN = time.monotonic()


def say(*words):
    print(f"{time.monotonic() - _BEGAN:6.2f}", *words, flush=True)


class Role:
    """This process's place among its kind: a lock, a control group, and a file that tells how far it is."""

    def __init__(self, settings, name):
        self.run, self.name = Path(settings["run"]), name
        self.lock = (self.run / f"{name}.lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{name} already runs") from None
        self.phase("loading")
        group = Hierarchies.of_host().unified / settings["cgroup"] / "control"
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text("0")  # so that whoever ends the lab finds us without any file

    def phase(self, phase):
        facts = {"pid": os.getpid(), "started": start_time(os.getpid()), "phase": phase}
        write_atomically(self.run / f"{self.name}.json", json.dumps(facts))
        say(phase)


class Server:
    """All services of this process behind one port. A path whose service is not ready yet answers 503, never 404."""

    def __init__(self, port, services):
        from cheroot import wsgi

        self._dispatch = wsgi.PathInfoDispatcher
        self._apps = {PREFIX[service]: _not_ready for service in services}
        self._server = wsgi.Server(("127.0.0.1", port), self._dispatcher(), numthreads=THREADS, request_queue_size=128)
        self._server.max_request_body_size = 0
        self._server.timeout = 60
        self._server.prepare()
        threading.Thread(target=self._server.serve, daemon=True, name="http").start()

    def _dispatcher(self):
        return self._dispatch(list(self._apps.items()))

    def add(self, service, app):
        self._apps[PREFIX[service]] = app
        self._server.wsgi_app = self._dispatcher()
        say("serving", service)


def _not_ready(environ, start_response):
    start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Type", "text/plain")])
    return [b"the lab's control plane is starting\n"]


def fresh_conf():
    from oslo_config import cfg

    cfg.CONF = cfg.ConfigOpts()
    for module in list(sys.modules):
        if module.split(".")[0] in _WITH_GLOBAL_CONF:
            del sys.modules[module]


# ------------------------------------------------------------------ the services, each loaded as its WSGI module does
def keystone(etc):
    from keystone.common import sql
    from keystone.wsgi import api

    with sql.session_for_read():  # starts the lazy engine while cfg.CONF is still ours
        pass
    return api.application


def placement(etc):
    from placement.wsgi import api

    return api.application


def glance(etc):
    sys.argv = ["glance-api"]
    from glance.db.sqlalchemy import api as database
    from glance.wsgi import api

    database.get_engine()  # as above
    return api.application


def octavia(etc):
    """Neutron comes after it, and cfg.CONF is Neutron's then: whatever is loaded by need and binds it is loaded now."""
    from octavia.api import app
    from octavia.certificates.manager import noop  # noqa: F401
    from octavia.compute.drivers.noop_driver import driver  # noqa: F401
    from octavia.db import api as database
    from octavia.network.drivers.neutron import allowed_address_pairs  # noqa: F401
    from oslo_config import cfg

    from chaosjc.lab.openstack import sqlite

    cfg.CONF.clear_default("pool_timeout", group="database")  # which only a database server's pool takes
    application = app.setup_app(argv=["octavia-api", "--config-file", f"{etc}/octavia.conf"])
    _pin(cfg, "octavia")
    sqlite.always_immediate.add(database.get_engine().url.database)
    return application


def _pin(cfg, package):
    """Let what a package has loaded find the present cfg.CONF when it looks it up later."""
    own = types.ModuleType(cfg.__name__)
    vars(own).update(vars(cfg))
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == package and vars(module).get("cfg") is cfg:
            module.cfg = own


def neutron(etc):
    sys.argv = ["neutron-api"]
    import sqlalchemy.orm
    from neutron.db.models import conntrack_helper, port_forwarding  # noqa: F401 - relationships that ml2 needs
    from neutron.wsgi import api

    sqlalchemy.orm.configure_mappers()  # else the first parallel requests miss backrefs
    return api.application


def nova(etc):
    sys.argv = ["nova"]
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    import nova.virt

    nova.virt.__path__.append(str(Path(__file__).parent))  # nova looks for drivers in its own package only
    import os_vif
    from nova import objects, utils
    from nova.api.openstack import wsgi_app
    from oslo_privsep import priv_context

    objects.register_all()
    wsgi_app.init_global_data([f"{etc}/api-paste.ini", f"{etc}/nova.conf"], "osapi_compute", "nova")
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    from nova.wsgi import osapi_compute

    return osapi_compute.application


# ------------------------------------------------------------------ nova's other parts
def start_nova_services():
    """Conductor, scheduler, compute; returns when servers can be scheduled and what a crash left hanging is mended.

    Nova's API is served only after that, so that no new request is among those that are mended.
    """
    from nova import service
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler

    from chaosjc.lab.openstack import mend, schedulable

    started = []
    for part in (
        {"binary": "nova-conductor", "topic": conductor.RPC_TOPIC},
        {"binary": "nova-scheduler", "topic": scheduler.RPC_TOPIC},
        {"binary": "nova-compute", "topic": compute.RPC_TOPIC, "topic_alt": compute.RPC_TOPIC_ALT},
    ):
        started.append(service.Service.create(**part))
        started[-1].start()
        say("started", part["binary"])
    schedulable.map_hosts()
    for each in started:  # else each counts as down until its first report
        each.servicegroup_api._driver._report_state(each)
    while not schedulable.ready_hosts():
        time.sleep(0.05)
    mend.mend(started[-1].manager, say)


def _environment(etc):
    names = ("KEYSTONE", "PLACEMENT", "GLANCE", "NEUTRON", "NOVA")
    os.environ.update({f"OS_{name}_CONFIG_DIR": etc for name in names})
    os.environ.update(OS_NEUTRON_CONFIG_FILES="neutron.conf", OS_NOVA_DISABLE_EVENTLET_PATCHING="true")


def _load(settings, role):
    """Each service answers as soon as it is loaded: compute talks to the others while it starts."""
    server = Server(settings["ports"][role.name], ROLES[role.name])
    for number, service in enumerate(ROLES[role.name]):
        if number:
            fresh_conf()
        app = globals()[service](settings["etc"])
        if service == "nova":
            _wait_for(settings["ports"]["network"])
            start_nova_services()
        server.add(service, app)
    if "octavia" in ROLES[role.name]:
        from chaosjc.lab.openstack import balancing

        balancing.start()


def _wait_for(port):
    """Until neutron answers: nova-compute would find it missing and only try again much later."""
    import socket

    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(b"GET /network/ HTTP/1.0\r\n\r\n")
                if b" 503 " not in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError("neutron does not answer")


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    role = Role(settings, sys.argv[2])
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    _environment(settings["etc"])
    sys.argv = ["lab"]
    import chaosjc.lab.openstack.sqlite  # noqa: F401 - patches; must come first

    gc.disable()  # hundreds of thousands of objects are made, and stay: looking for garbage among them costs a tenth
    try:
        _load(settings, role)
    except BaseException:
        traceback.print_exc()
        role.phase("failed")
        os._exit(1)  # the services' threads would keep the process
    gc.freeze()
    gc.enable()
    role.phase("ready")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
