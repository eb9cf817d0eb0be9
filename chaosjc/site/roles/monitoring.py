"""Prometheus on the monitor VM, and a node exporter on every VM."""

from __future__ import annotations

import json
from dataclasses import replace

from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit, backup, canary, scrapes
from chaosjc.site.rules import rule_files
from chaosjc.spec.scalars import format_duration

PROMETHEUS_PORT, NODE_PORT = 9090, 9100
PROMETHEUS, NODE_EXPORTER = "prometheus.service", "prometheus-node-exporter.service"

_CONFIG = "/etc/prometheus/prometheus.yml"
_RULES = "/etc/prometheus/rules"
_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "time", "uname", "vmstat")
_HARDENED = """\
User=prometheus
NoNewPrivileges=true
Restart=always
RestartSec=1"""

_TEXTFILES = f"StateDirectory={backup.TEXTFILES.rpartition('/')[2]}\n"


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """Units of our own, so that the plan owns their every line."""
    del around
    exporter = Contents((_exporter(site, machine),), (Unit(NODE_EXPORTER),))
    if machine.role != MONITOR:
        return exporter
    config = File(_CONFIG, _scrape_config(site), live=True, reloads=PROMETHEUS)
    rules = (File(f"{_RULES}/{name}", text, live=True, reloads=PROMETHEUS) for name, text in rule_files(site).items())
    return exporter + Contents((_unit_file(PROMETHEUS, _prometheus(site)), config, *rules), (Unit(PROMETHEUS),))


def targets(site: SiteFile) -> dict[str, list[tuple[Machine, int]]]:
    """What Prometheus scrapes on the site's VMs: machine and port, by job."""
    found = {"node": [(each, NODE_PORT) for each in site.machines]}
    if site.storage:
        ports = canary.storage_ports(site.storage).values()
        bricks = [each for each in site.machines if canary.bricks_of(site, each.name)]
        clients = [each for each in site.machines if each.role in site.storage.clients]
        found["gluster"] = [(each, canary.GLUSTER_PORT) for each in bricks]
        found["storage"] = [(each, port) for each in clients for port in ports]
    if site.hub:
        found["hub"] = [(each, canary.HUB_PORT) for each in site.machines if each.role == MONITOR]
    return found


def _unit_file(name: str, text: str) -> File:
    return File(f"/etc/systemd/system/{name}", text, restarts=name)


def _exporter(site: SiteFile, machine: Machine) -> File:
    """Of a VM that may take backups it tells their age; a change of that one is no new VM."""
    if machine.role != MONITOR and machine.name not in site.workers:
        return _unit_file(NODE_EXPORTER, _node_exporter(_COLLECTORS))
    text = _node_exporter((*_COLLECTORS, "textfile", f"textfile.directory={backup.TEXTFILES}"), _TEXTFILES)
    return replace(_unit_file(NODE_EXPORTER, text), live=True)


def _node_exporter(options: tuple[str, ...], more: str = "") -> str:
    collectors = " ".join(f"--collector.{each}" for each in options)
    return f"""\
[Unit]
Description=Metrics of this machine
[Service]
ExecStart=/usr/bin/prometheus-node-exporter --web.listen-address=:{NODE_PORT} --collector.disable-defaults {collectors}
{more}{_HARDENED}
[Install]
WantedBy=multi-user.target
"""


def _prometheus(site: SiteFile) -> str:
    """It listens on loopback only: who may look comes by SSH."""
    retention = max(1, round(site.monitoring.retention))
    return f"""\
[Unit]
Description=Prometheus of the site
[Service]
ExecStart=/usr/bin/prometheus --config.file={_CONFIG} --storage.tsdb.path=/var/lib/prometheus \\
  --storage.tsdb.retention.time={retention}s --web.listen-address=127.0.0.1:{PROMETHEUS_PORT}
ExecReload=/bin/kill -HUP $MAINPID
StateDirectory=prometheus
{_HARDENED}
[Install]
WantedBy=multi-user.target
"""


def _scrape_config(site: SiteFile) -> str:
    """JSON, which is YAML; every series says which VM it is about and that VM's role."""
    interval = format_duration(site.monitoring.scrape_interval)
    itself = {"targets": [f"localhost:{PROMETHEUS_PORT}"], "labels": {"vm": MONITOR, "role": MONITOR}}
    jobs = {job: [scrapes.target(*each) for each in listed] for job, listed in targets(site).items()} | {
        "prometheus": [itself]
    }
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "external_labels": {"site": site.name}},
        "rule_files": [f"{_RULES}/{name}" for name in rule_files(site)],
        "scrape_configs": [
            *({"job_name": job, "static_configs": listed} for job, listed in jobs.items()),
            *scrapes.jobs(site),
        ],
    }
    return json.dumps(config, indent=1) + "\n"
