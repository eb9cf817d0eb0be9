"""What the site's Prometheus scrapes beside the exporters on VMs: the hub itself, kubelets, and what the file names.

Of the hub and the kubelets only those series are kept that dashboards and rules ask for. Their tokens are given to the
monitor VM by the stages hub and cluster: they are in no user data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles.kubernetes import is_node
from chaosjc.site.sections import Hub

HUB_TOKEN = "/etc/prometheus/hub.token"  # noqa: S105 - where it lies
KUBELET_TOKEN = "/etc/prometheus/kubelet.token"  # noqa: S105 - where it lies
HUB, KUBELET = "jupyterhub", "kubelet"
ELSEWHERE = "elsewhere"
"""The role of a target that is none of the site's VMs."""
KUBELET_PORT = 10250
SELDOM = 5.0  # seconds at least between two scrapes of what is costly to tell

HUB_SERIES: Mapping[str, frozenset[str]] = {
    "process_start_time_seconds": frozenset(),
    "jupyterhub_running_servers": frozenset(),
    "jupyterhub_active_users": frozenset({"period"}),
    "jupyterhub_server_spawn_duration_seconds_bucket": frozenset({"status", "le"}),
    "jupyterhub_server_spawn_duration_seconds_count": frozenset({"status"}),
    "jupyterhub_request_duration_seconds_sum": frozenset({"method", "handler", "code"}),
    "jupyterhub_request_duration_seconds_count": frozenset({"method", "handler", "code"}),
    "jupyterhub_event_loop_interval_seconds_bucket": frozenset({"le"}),
    "jupyterhub_check_routes_duration_seconds_sum": frozenset(),
    "jupyterhub_check_routes_duration_seconds_count": frozenset(),
}
"""What is kept of JupyterHub's own metrics, with their labels."""

KUBELET_SERIES: Mapping[str, frozenset[str]] = {
    name: frozenset({"namespace", "pod", "container"})
    for name in (
        "container_start_time_seconds",
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
    )
}
"""What is kept of a kubelet's /metrics/resource, with its labels."""

Job = dict[str, Any]


def jobs(site: SiteFile) -> Iterator[Job]:
    """Scrape configurations."""
    interval = site.monitoring.scrape_interval
    if site.hub:
        yield _hub(site, site.hub) | _kept(HUB_SERIES) | _pace(max(interval, SELDOM))
    if site.kubernetes:
        yield _kubelets(site) | _kept(KUBELET_SERIES) | _pace(max(interval, SELDOM))
    for name, targets in site.monitoring.also.items():
        labels = {"role": ELSEWHERE}
        yield {"job_name": name, "static_configs": [{"targets": list(targets), "labels": labels}]}


def _hub(site: SiteFile, hub: Hub) -> Job:
    """Once, through a worker, that by which the canary enters if it is one: all lead to the one hub."""
    entry = hub.canary.front if hub.canary.front in site.workers else site.workers[0]
    return {
        "job_name": HUB,
        "metrics_path": f"{hub.base_path}hub/metrics",
        "authorization": {"credentials_file": HUB_TOKEN},
        "static_configs": [{"targets": [f"{entry}:{hub.port}"], "labels": {"entry": entry}}],
    }


def _kubelets(site: SiteFile) -> Job:
    """A kubelet's certificate is signed by nobody that a cluster by kubeadm knows, so it is not verified: the token
    may read these metrics and nothing else.
    """
    return {
        "job_name": KUBELET,
        "scheme": "https",
        "metrics_path": "/metrics/resource",
        "authorization": {"credentials_file": KUBELET_TOKEN},
        "tls_config": {"insecure_skip_verify": True},
        "static_configs": [target(each, KUBELET_PORT) for each in site.machines if is_node(site, each)],
    }


def target(machine: Machine, port: int) -> Job:
    """A port of a VM, whose series say which VM they are about."""
    return {"targets": [f"{machine.name}:{port}"], "labels": {"vm": machine.name, "role": machine.role}}


def _kept(series: Mapping[str, frozenset[str]]) -> Job:
    regex = "|".join(series)
    return {"metric_relabel_configs": [{"source_labels": ["__name__"], "regex": regex, "action": "keep"}]}


def _pace(interval: float) -> Job:
    text = f"{interval:g}s" if interval % 1 == 0 else f"{interval * 1000:.0f}ms"
    return {"scrape_interval": text, "scrape_timeout": text}
