"""Whether every VM is as planned, by pytest-testinfra through the bastion; and the cloud, by the plan itself."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chaosjc import names
from chaosjc.drivers import command
from chaosjc.drivers.kubernetes_values import Pod
from chaosjc.errors import ChaosJCError, StageError
from chaosjc.site import discover, endpoints, hub_values, verification
from chaosjc.site.change import Change
from chaosjc.site.context import Answers, Context, in_parallel
from chaosjc.site.model import MONITOR, Machine
from chaosjc.site.roles import Surroundings, backup, monitoring, userdata
from chaosjc.site.roles.access import HOST_CERTIFICATE
from chaosjc.site.roles.monitoring import PROMETHEUS_PORT
from chaosjc.site.sections import FRONT
from chaosjc.site.stages import balancer_plan, cluster_plan, infra_plan
from chaosjc.site.stages.balancer import Balancer
from chaosjc.site.stages.cluster import Cluster
from chaosjc.site.stages.database import HubDatabase
from chaosjc.site.stages.hub import Hub
from chaosjc.site.stages.infra import gather, write_ssh_config
from chaosjc.site.stages.volumes import Volumes
from chaosjc.spec.scalars import format_duration

LIMIT = 180.0  # seconds for all VMs
LOOK = 10.0  # seconds for the API server
CLUSTER_PODS, HUB_PODS = ("coredns", "cni", "kube-proxy"), ("hub", "proxy")
_HEARTBEAT = 10.0  # seconds: so often an amphora tells Octavia how its members are
FIRST_CELL = 45.0  # seconds from a canary's start of a server, with its image on the node, to an executed cell
FIRST_BACKUP = 15.0  # seconds that the first may take
_HANDED_OVER = 5.0  # seconds: so often Prometheus's discovery hands new targets to its scrapers (discovery/manager.go)


@dataclass(frozen=True)
class Result:
    """One planned thing of one VM, or of the cloud (role and vm `-`); `why` says what is wrong with it."""

    role: str
    vm: str
    what: str
    held: bool
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def verify(context: Context) -> tuple[Result, ...]:
    """Look at everything and change nothing: first the cloud, then VM by VM in the order of the file.

    Raises StageError where the site was never deployed from this state directory, or pytest itself fails.
    """
    facts = gather(context)
    if facts.keys is None:
        raise StageError(f"verify: {context.state.root} has no keys for this site", hint="chaosjc site deploy SITE")
    write_ssh_config(context, facts)
    around = Surroundings(facts.keys, discover.addresses(context.site, facts.ports))
    changes = infra_plan.plan(context.site, facts)
    cloud = [
        Result(_role(context, each.vm), each.vm or "-", f"{each.kind} {each.name}", held=False, why=_why(each))
        for each in changes
    ]
    there = {each.name for each in facts.servers}
    machines = [each for each in context.machines if each.name in there]
    context = replace(context, answers=Answers())
    looks = (lambda: _stages(context), lambda: _machines(context, machines, around))
    parts, on_machines = in_parallel(lambda look: look(), looks)
    cloud += [each for each in parts if context.only is None or each.vm in context.only]
    return (*cloud, *on_machines)


def _stages(context: Context) -> list[Result]:
    """What no single VM tells."""
    looks = (_balancer, _volumes, _cluster, _pods, _database, _hub)
    return [each for found in in_parallel(lambda look: look(context), looks) for each in found]


def _balancer(context: Context) -> list[Result]:
    """The balancer with its parts, and each member that users are handed to: a monitor gets its time to see it."""
    if context.site.lbaas is None or context.only is not None:
        return []
    stage, monitor = Balancer(), context.site.lbaas.monitor
    facts = stage.facts(context, patient=False)
    end = context.clock.monotonic() + monitor.every * (monitor.successes + 1) + monitor.timeout + _HEARTBEAT
    while facts.asked and not all(each.answers for each in facts.members) and context.clock.monotonic() < end:
        context.clock.sleep(0.5)
        facts = stage.facts(context, patient=False)
    whys = balancer_plan.whys(context.site, facts)
    online = [
        Result(_role(context, name), name, f"member {name} ONLINE", held=not why, why=why) for name, why in whys.items()
    ]
    expected = [("-", f"balancer {discover.in_cloud(context.site, FRONT)}"), ("-", f"health monitor {FRONT}")]
    return _of_stage(context, stage.plan(context.site, facts), expected, "" if facts.asked else "not asked") + online


def _volumes(context: Context) -> list[Result]:
    """Each volume, and whatever of the pool is not as planned. Where no brick VM tells, that is said of each volume."""
    if context.site.storage is None:
        return []
    stage = Volumes()
    facts = stage.facts(context, patient=False)
    expected = [("-", f"volume {name}") for name in context.site.storage.volumes]
    why = "" if facts.asked else "no brick VM tells"
    return _of_stage(context, stage.plan(context.site, facts), expected, why)


def _cluster(context: Context) -> list[Result]:
    """The control plane, each node, and what is applied to the cluster."""
    if context.site.kubernetes is None:
        return []
    stage = Cluster()
    facts = stage.facts(context, patient=False)
    names = cluster_plan.node_names(context.site)
    expected = [(context.site.control_plane, f"control plane {context.site.control_plane}"), ("-", "add-ons")]
    expected += [*((each, f"node {each}") for each in names), *(("-", f"manifest {each}") for each in facts.differ)]
    why = "" if facts.control_plane == "ready" else "the control plane does not tell"
    return _of_stage(context, stage.plan(context.site, facts), expected, why)


def _database(context: Context) -> list[Result]:
    """The hub's database, and the key of its dumps."""
    if context.site.hub is None:
        return []
    stage = HubDatabase()
    facts = stage.facts(context, patient=False)
    expected = [("-", "database hub"), (context.site.workers[0], f"key of dumps on {context.site.workers[0]}")]
    why = "" if facts.asked else "monitor or first worker do not tell"
    return _of_stage(context, stage.plan(context.site, facts), expected, why)


def _hub(context: Context) -> list[Result]:
    """The hub's account, the folder of all homes, the release and what it has in the cluster."""
    if context.site.hub is None:
        return []
    stage = Hub()
    facts = stage.facts(context, patient=False)
    folder = hub_values.homes(context.site, context.site.hub)
    expected = [("-", "account hub in the database"), ("-", f"folder {folder}")]
    expected.append(("-", f"release {context.site.hub.release}"))
    why = "" if facts.asked else "database, volume or cluster do not tell"
    return _of_stage(context, stage.plan(context.site, facts), expected, why)


def _pods(context: Context) -> list[Result]:
    """What the cluster itself needs, and the hub: users' servers are their own business."""
    if context.site.kubernetes is None:
        return []
    needed = (*CLUSTER_PODS, *(HUB_PODS if context.site.hub else ()))
    try:
        with endpoints.kubernetes(context.state, context.clock) as cluster:
            found = cluster.asking(timeout=LOOK).pods()
    except ChaosJCError as error:
        return [Result("-", "-", f"pods {each}", held=False, why=error.message) for each in needed]
    return [pods(each, found) for each in needed]


def pods(component: str, found: Iterable[Pod]) -> Result:
    """Whether a component has pods that have neither ended nor are about to, and all of them are Ready. Pure."""
    there = [each for each in found if each.component == component and not (each.over or each.deleting)]
    unready = ", ".join(each.name for each in there if not each.ready)
    why = f"not Ready: {unready}" if unready else "" if there else "none"
    return Result("-", "-", f"pods {component}", held=not why, why=why)


def _of_stage(
    context: Context, changes: Iterable[Change], expected: Iterable[tuple[str, str]], why: str
) -> list[Result]:
    """What the stage would change, and each (VM, thing) that it would not; `why` nobody can tell, if so."""
    found = [
        Result(_role(context, each.vm), each.vm or "-", f"{each.kind} {each.name}", held=False, why=_why(each))
        for each in changes
    ]
    wrong = {each.what for each in found} | {f"volume {word}" for each in found for word in each.what.split()}
    return found + [
        Result(_role(context, vm), vm, what, held=not why, why=why) for vm, what in expected if what not in wrong
    ]


def _role(context: Context, vm: str) -> str:
    return next((each.role for each in context.site.machines if each.name == vm), "-")


def _why(change: Change) -> str:
    return change.before or ("not in the file" if change.action == "delete" else "missing")


def _machines(context: Context, machines: Sequence[Machine], around: Surroundings) -> list[Result]:
    """What is on the VMs, in the order of the file."""
    for each in machines:
        context.report("verify", each.name, "looking")
    expected = [_expected(context, each, around) for each in machines]
    lines = look({"ssh_config": str(context.state.ssh_config), "vms": expected})
    return [
        Result(machine.role, machine.name, each["what"], each["held"], each["why"])
        for machine in machines
        for each in lines
        if each["vm"] == machine.name
    ]


def look(expected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One {"vm", "what", "held", "why"} for each thing that `verification.test_roles` is told to expect.

    Raises StageError where pytest itself fails.
    """
    if not expected["vms"]:
        return []
    with tempfile.TemporaryDirectory() as directory:
        told, results = Path(directory) / "expected.json", Path(directory) / "results"
        told.write_text(json.dumps(expected))
        results.touch()
        done = command.run(
            _pytest(directory),
            env={
                "CHAOSJC_VERIFY": str(told),
                "CHAOSJC_VERIFY_RESULTS": str(results),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_ADDOPTS": "",
            },
            timeout=LIMIT,
            check=False,
        )
        lines = [json.loads(line) for line in results.read_text().splitlines()]
    if done.returncode not in (0, 1) or not lines:
        raise StageError(f"verify: pytest: {(done.stdout + done.stderr).strip()[-command.TAIL :]}")
    return lines


def _pytest(directory: str) -> list[str]:
    tests = Path(verification.__file__).parent / "test_roles.py"
    plugins = ["-p", "no:cacheprovider", "-p", "chaosjc.site.verification.report"]
    here = ["-c", "/dev/null", "--rootdir", directory]
    return [sys.executable, "-m", "pytest", "-q", *plugins, *here, str(tests)]


def _expected(context: Context, machine: Machine, around: Surroundings) -> dict[str, Any]:
    contents = userdata.everything(context.site, machine, around)
    urls = _exporter_urls(context, machine)
    if machine.name == MONITOR:
        urls += _prometheus_urls(context)
    return {
        "vm": machine.name,
        "accounts": [
            {"name": each.name, "shell": each.shell, "groups": each.memberships} for each in contents.accounts
        ],
        "certificates": [HOST_CERTIFICATE],
        "files": [
            {"path": each.path, "digest": each.digest, "mode": each.mode, "owner": each.owner}
            for each in contents.files
        ],
        "units": [each.name for each in contents.units],
        "mounts": _mounts(context, machine),
        "urls": urls,
    }


def _exporter_urls(context: Context, machine: Machine) -> list[dict[str, Any]]:
    """The machine's own exporters, and a series without which each has nothing to say."""
    expected = {
        "node": "node_load1 ",
        "gluster": "chaosjc_gluster_brick_up{",
        "storage": "chaosjc_storage_inflight{",
        "hub": "chaosjc_hub_up{",
    }
    return [
        {
            "name": f"{job} exporter answers{'' if job == 'node' else f' on port {port}'}",
            "url": f"http://localhost:{port}/metrics",
            "expect": expected[job],
            "within": 0,
        }
        for job, found in monitoring.targets(context.site).items()
        for each, port in found
        if each.name == machine.name
    ]


def _mounts(context: Context, machine: Machine) -> list[dict[str, str]]:
    """Data disks and volumes, by the type of file system that must be there."""
    storage = context.site.storage
    volumes = storage.volumes.values() if storage and machine.role in storage.clients else ()
    return [
        *({"path": each, "type": "ext4"} for each in machine.spec.disks),
        *({"path": each.mount, "type": "fuse.glusterfs"} for each in volumes),
    ]


def _prometheus_urls(context: Context) -> list[dict[str, Any]]:
    """Each VM's exporters as Prometheus sees them: the value of `up` is 1.

    Right after a deploy it has not scraped yet: it gets time for two scrapes of what it was told last.
    """
    within = 2 * (_HANDED_OVER + context.site.monitoring.scrape_interval)
    scraped = [
        _query(
            f"Prometheus scrapes {job + ' of ' if job != 'node' else ''}{vm}",
            f'min(up{{job="{job}",vm="{vm}"}})',
            within,
        )
        for job, found in monitoring.targets(context.site).items()
        for vm in dict.fromkeys(each.name for each, _ in found)
    ]
    backups = [_young(what, limit, within) for what, limit in backup.tolerated(context.site).items()]
    return [*scraped, *backups, *([_used(context.site.hub.canary.ladder)] if context.site.hub else [])]


def _young(what: str, limit: float, within: float) -> dict[str, Any]:
    """A deploy has each taken at once, where it is new."""
    promql = f'max({names.BACKUP_TIME.name}{{of="{what}"}}) > bool time() - {limit:.0f}'
    return _query(f"backup of {what} is younger than {format_duration(limit)}", promql, within + FIRST_BACKUP)


def _used(ladder: float) -> dict[str, Any]:
    """The hub lets a user in, all the way to a kernel; right after a deploy nobody has tried yet."""
    rungs = 'rung=~"login|spawn|cell"'
    tried = f"count(sum by (rung) ({names.HUB_SUCCESSES.name}{{{rungs}}}) > 0) == 3"
    what = "a canary logs in, starts a server and executes a cell"
    return _query(what, f"min({names.HUB_UP.name}{{{rungs}}}) and on () ({tried})", ladder + FIRST_CELL)


def _query(what: str, promql: str, within: float) -> dict[str, Any]:
    """Held once the answer of the site's Prometheus is one series with the value 1."""
    url = f"http://localhost:{PROMETHEUS_PORT}/api/v1/query?query={quote(promql)}"
    return {"name": what, "url": url, "expect": ',"1"]', "within": within}
