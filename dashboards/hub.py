"""hub.json: can users work now, what do they feel, what do the hub and its nodes say, can the canary be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaosjc import names
from dashboards.draw import PERIOD, board, figure, gained, heat_map, lines, missing, of, quantile, rate, states

FILE = Path(__file__).with_name("hub.json")
CHEAP, PROXY, SPAWN = 'rung=~"proxy|hub|api"', 'rung="proxy"', 'rung="spawn"'
RUNNING = "jupyterhub_running_servers"
SPAWNS = "jupyterhub_server_spawn_duration_seconds"
REQUESTS = "jupyterhub_request_duration_seconds"
STREAMS = 'handler!~".*SpawnProgress.*"'  # an answer that lasts as long as a spawn is no slow answer
ROUTES = "jupyterhub_check_routes_duration_seconds"


def drawn() -> dict[str, Any]:
    """The dashboard as data."""
    rows = {
        "Can users work now?": _now(),
        "What users feel": _users(),
        "Notebooks that run": _live(),
        "What the hub says": _hub(),
        "What the nodes say": _nodes(),
        "Can the canary be believed?": _canary(),
    }
    return board(
        "hub", "What a user of JupyterHub feels, rung by rung, and what the hub and its nodes say of it.", rows
    )


def _now() -> list[Any]:
    up, told = of(names.HUB_UP), f"count by (rung) (last_over_time({of(names.HUB_UP)}[$__range]))"
    live = missing(names.LIVE_OK)
    return [
        figure(
            "Rungs down",
            "Of proxy, hub, API, login, spawn, kernel, cell, home and stop: those that work through no way in. The "
            "lowest one that is down in `Rungs` is the one to mend; those above it follow.",
            f"count({told}) - (sum(max by (rung) ({up})) or 0 * count({told}))", "none", (None, 1), "rungs",
        ),
        figure(
            "Ways in that are closed",
            "Workers through which the proxy cannot be reached. One: take it out of the balancer, look at its node and "
            "kube-proxy. All: the proxy's pod.",
            missing(names.HUB_UP, only=PROXY), "none", (None, 1), "ways in",
        ),
        figure(
            "Notebooks cut off",
            "Live servers, one a worker, whose kernel does not answer. One: that worker. All: the proxy, or the routes "
            "that it lost.",
            live, "none", (None, 1), "servers",
        ),
        figure(
            "Present outage",
            "How long the longest of the present outages lasts. Not 0: `Rungs` says of what, the hub's alerts what to "
            "do about it.",
            f"max({of(names.HUB_OUTAGE_AGE)})", "s", (1, 60), "longest",
        ),
        figure(
            "Waiting for an answer",
            "Age of the oldest unanswered attempt at proxy, hub or API. Seconds: something hangs that is not dead; it "
            "becomes an outage at the canary's limit.",
            f"max({of(names.HUB_OLDEST, CHEAP)})", "s", (0.5, 2), "oldest",
        ),
        figure(
            "Rungs that nobody tells",
            "Known in the time shown and not told now: the canary is throttled, cannot clean up, or is dead. Its "
            "journal on the monitor VM says which.",
            f"count(last_over_time({up}[$__range])) - (count({up}) or 0 * count(last_over_time({up}[$__range])))",
            "none", (None, 1), "rungs",
        ),
        figure(
            "Servers that run",
            "By the hub's own count. A drop without people going home: the hub stopped servers that it could not reach "
            "when it started; look for a restart.",
            f"sum({RUNNING})", "none", (None, 1_000_000), "servers",
        ),
        figure(
            "Failed spawns",
            "Of all users, in the time shown, by the hub's own count; `Spawns, by what became of them` says when. The "
            "hub's log names the users.",
            f'sum(increase({SPAWNS}_count{{status=~"failure|error"}}[$__range])) or 0 * sum({RUNNING})',
            "none", (1, 5), "spawns",
        ),
    ]  # fmt: skip


def _users() -> list[Any]:
    return [
        states(
            "Rungs",
            "Whether each works through at least one way in. A gap: not tried, or not told. Several red from one on "
            "upwards are one fault, in the lowest of them.",
            "{{rung}}", f"max by (rung) ({of(names.HUB_UP)})", ("down", "up"),
        ),
        states(
            "Ways in",
            "Whether the proxy answers through each worker's port. Red in one row: that worker; in all: the proxy's "
            "pod, or its Service.",
            "{{entry}}", f"max by (entry) ({of(names.HUB_UP, PROXY)})", ("closed", "open"),
        ),
        lines(
            "Latency of each rung, p99",
            "Of attempts that went well. Proxy, hub and API take milliseconds: more is a hub short of processor, or a "
            "slow database. Spawn: see the nodes.",
            "s", {"{{rung}}": quantile(0.99, names.HUB_LATENCY, "rung")}, log=True,
        ),
        heat_map(
            "From the click to a server that is ready",
            "Every spawn of the canary. A second band, far above: images that must be pulled, a node without room, or "
            "a hub that has not seen its pod.",
            names.HUB_LATENCY, SPAWN,
        ),
        lines(
            "Time lost in outages",
            "Share of the time in which a rung did not work through the worst way in; 1 is all of it. Planned work "
            "belongs under an annotation, everything else under an alert.",
            "percentunit", {"{{rung}}": f"max by (rung) ({rate(names.HUB_OUTAGE_SECONDS)})"}, width=6,
        ),
        lines(
            "Outages",
            "Outages that began. Many short ones: a pod that restarts, a way in that flaps. One long one: a node or "
            "the database. Without an annotation it was no experiment.",
            "none", {"{{rung}} {{entry}}": f"sum by (rung, entry) ({gained(names.HUB_OUTAGES)})"}, width=6,
        ),
        lines(
            "Oldest attempt without an answer",
            "A ramp is something that hangs: of spawn up to its usual time is normal, of proxy, hub and API nothing "
            "above a moment is. See the lowest rung that ramps.",
            "s", {"{{rung}}": f"max by (rung) ({of(names.HUB_OLDEST)})"}, width=6,
        ),
        lines(
            "Present outage of each rung",
            "How long it lasts by now; 0 while there is none. What is promised for a hub that restarts is in the "
            "experiment hub-pod-killed.",
            "s", {"{{rung}}": f"max by (rung) ({of(names.HUB_OUTAGE_AGE)})"}, width=6,
        ),
        lines(
            "Failures, by reason",
            "`unreached`: the rung below failed, look there. `timeout`: it hangs. A number: that HTTP status. `wrong`: "
            "an answer that makes no sense. Empty or 0 is good.",
            "ops", {"{{rung}} {{reason}}": f"sum by (rung, reason) ({rate(names.HUB_FAILURES)})"},
        ),
        lines(
            "Attempts that went well",
            "Open loop: even, unless attempts fail or are throttled. A line that ends: the canary does not try any "
            "more, so nothing is known.",
            "ops", {"{{rung}}": f"sum by (rung) ({rate(names.HUB_SUCCESSES)})"}, width=6,
        ),
        lines(
            "Sent away with 429",
            "The hub's own limits. When a class begins it is normal; lasting, spawns hang, or `concurrentSpawnLimit` "
            "is too low.",
            "ops", {"{{rung}}": f"sum by (rung) ({rate(names.HUB_THROTTLED)})"}, width=6,
        ),
    ]  # fmt: skip


def _live() -> list[Any]:
    worker = "{{worker}}"
    return [
        states(
            "Notebooks, by worker",
            "Whether a kernel that was running before answers its cell each second over the same WebSocket: what "
            "people feel who are at work.",
            worker, f"min by (worker) ({of(names.LIVE_OK)})", ("cut off", "answers"),
        ),
        lines(
            "Time since the last answer",
            "A ramp: cut off. It ends with the connection made anew (the proxy restarted), or with a new kernel (the "
            "pod was lost): see `What was lost`.",
            "s", {worker: f"max by (worker) ({of(names.LIVE_AGE)})"}, width=6,
        ),
        lines(
            "Present outage of cells",
            "As the canary counts it: from when the first failed cell was due. Ends with the first that is answered in "
            "time.",
            "s", {worker: f"max by (worker) ({of(names.LIVE_OUTAGE_AGE)})"}, width=6,
        ),
        lines(
            "Latency of a cell",
            "From when it was due. Both lines high on one worker: its processor. p99 alone: pauses, of the node or of "
            "the home volume.",
            "s",
            {
                f"{worker} p50": quantile(0.5, names.LIVE_LATENCY, "worker"),
                f"{worker} p99": quantile(0.99, names.LIVE_LATENCY, "worker"),
            },
            log=True,
        ),
        lines(
            "What was lost",
            "A connection: the proxy or the network, nothing is gone. A kernel: all that was in its memory. A server: "
            "its pod; the user must start again.",
            "none",
            {
                f"{worker} connections": f"sum by (worker) ({gained(names.LIVE_LOST_CONNECTIONS)})",
                f"{worker} kernels": f"sum by (worker) ({gained(names.LIVE_LOST_KERNELS)})",
                f"{worker} servers": f"sum by (worker) ({gained(names.LIVE_LOST_SERVERS)})",
            },
            width=6,
        ),
        lines(
            "Start anew without its worker",
            "How long the user of a server that was lost with its worker was without any, or is; steps where one could "
            "start on another worker. Grows for minutes: the hub still believes in the lost server, or has no room.",
            "s",
            {
                worker: f"max by (worker) ({of(names.LIVE_ELSEWHERE_SECONDS)})",
                f"{worker} (starts)": f"sum by (worker) ({gained(names.LIVE_ELSEWHERE)})",
            },
            width=6,
        ),
        lines(
            "Cells that failed, by reason",
            "`unreached`: without a connection. `timeout`: it was sent, and no answer came. `wrong`: the kernel had "
            "forgotten its variable. Empty or 0 is good.",
            "ops", {f"{worker} {{{{reason}}}}": f"sum by (worker, reason) ({rate(names.LIVE_FAILURES)})"},
        ),
        lines(
            "Cells answered in time",
            "One a second by default, on each worker. Less: cut off, or the canary stands still (last row).",
            "ops", {worker: f"sum by (worker) ({rate(names.LIVE_CELLS)})"}, width=6,
        ),
        lines(
            "Time lost by running notebooks",
            "Share of the time without answers, and how many outages began. Under an annotation it is the price of "
            "that fault.",
            "percentunit",
            {
                worker: f"sum by (worker) ({rate(names.LIVE_OUTAGE_SECONDS)})",
                f"{worker} (outages)": f"sum by (worker) ({gained(names.LIVE_OUTAGES)})",
            },
            width=6,
        ),
    ]  # fmt: skip


def _hub() -> list[Any]:
    spawned = f'sum by (le) (rate({SPAWNS}_bucket{{status="success"}}[{PERIOD}]))'
    each, total = (f"rate({REQUESTS}_{part}{{{STREAMS}}}[{PERIOD}])" for part in ("count", "sum"))
    checks, checking = (f"sum(rate({ROUTES}_{part}[{PERIOD}]))" for part in ("count", "sum"))
    loop = f"sum by (le) (rate(jupyterhub_event_loop_interval_seconds_bucket[{PERIOD}]))"
    return [
        lines(
            "Servers and users",
            "Servers that run, and users seen in the last day, as the hub counts. Servers that only ever grow: the "
            "culler does not work.",
            "none",
            {
                "running servers": f"sum({RUNNING})",
                "users active in {{period}}": "max by (period) (jupyterhub_active_users)",
            },
        ),
        lines(
            "Spawns, by what became of them",
            "Of all users. `failure`: the hub's log says whose, and why. `throttled`: too many at once. "
            "`too-many-users`: the site's limit.",
            "none", {"{{status}}": f"sum by (status) (increase({SPAWNS}_count[{PERIOD}]))"},
        ),
        lines(
            "How long a spawn takes",
            "Of all users, those that went well; nothing while nobody starts a server. The canary's own are above, "
            "with what a user waits for beside it.",
            "s", {"p50": f"histogram_quantile(0.5, {spawned})", "p95": f"histogram_quantile(0.95, {spawned})"},
        ),
        lines(
            "Event loop of the hub",
            "p99 of an interval that should be 0.05 s. Over 0.1 s the hub is short of processor, or blocked: give it "
            "more, look at its database. All else waits for it.",
            "s", {"p99": f"histogram_quantile(0.99, {loop})"}, width=6,
        ),
        lines(
            "Age of the hub's process",
            "Falls to 0 where the hub was restarted: by its probes, a deploy, or a fault. One that falls again and "
            "again does not get up: read its log.",
            "s", {"age": "time() - max(process_start_time_seconds{job=\"jupyterhub\"})"}, width=6,
        ),
        lines(
            "Time of requests, slowest handlers",
            "Average, without the streams of spawn progress. One that is slow alone: what it asks (login: the identity "
            "provider). All: the event loop.",
            "s", {"{{handler}}": f"topk(6, sum by (handler) ({total}) / (sum by (handler) ({each}) > 0))"}, log=True,
        ),
        lines(
            "Answers, by status",
            "5xx is the hub's fault: read its log. 403 in numbers: tokens that expired, or a database that lost them. "
            "Many 404: users of a proxy that lost its routes.",
            "reqps", {"{{code}}": f"sum by (code) ({each})"}, width=6,
        ),
        lines(
            "Check of the proxy's routes",
            "How long the hub takes for it, on average, and after how long it does so again: routes that a new proxy "
            "lacks come back with the next one.",
            "s",
            {
                "average": f"{checking} / ({checks} > 0)",
                "last_activity_interval": f"max({of(names.HUB_ROUTES_EVERY)})",
            },
            log=True, width=6,
        ),
    ]  # fmt: skip


def _nodes() -> list[Any]:
    pod = "{{namespace}}/{{pod}}"
    restarts = f'changes(container_start_time_seconds{{container!="notebook"}}[{PERIOD}])'
    memory = "sum by (namespace, pod) (container_memory_working_set_bytes)"
    processor = f"sum by (namespace, pod) (rate(container_cpu_usage_seconds_total[{PERIOD}]))"
    return [
        lines(
            "Containers, by node",
            "As its kubelet tells. A line that ends: the kubelet or its VM is gone, not the containers. All on one "
            "node: the other is cordoned, or not Ready.",
            "none", {"{{vm}}": "count by (vm) (container_start_time_seconds)"},
        ),
        lines(
            "Restarts of containers",
            "Without users' own, whose new pods have the old names. `kubectl describe pod` says why the last one "
            "ended. Empty is good.",
            "none",
            {
                f"{pod} {{{{container}}}}":
                    f"sum by (namespace, pod, container) ({restarts}) > 0"
            },
        ),
        lines(
            "Processor, by pod",
            "Cores, the eight that take most. The hub near 1: one process, it cannot take more. A user's near its "
            "limit: that user's own affair.",
            "none", {pod: f"topk(8, {processor})"},
        ),
        lines(
            "Memory, by pod",
            "Working set, the eight largest. A user's pod that grows to its limit loses the kernel, or is killed as "
            "a whole.",
            "bytes", {pod: f"topk(8, {memory})"},
        ),
    ]  # fmt: skip


def _canary() -> list[Any]:
    return [
        lines(
            "Time in which the canary stood still",
            "Share of the time; what fell due then is not counted, so short outages are missed. Above 0.05: the "
            "monitor VM lacks processor.",
            "percentunit", {"stood still": f"sum({rate(names.HUB_STOOD_STILL)})"},
        ),
        states(
            "Who is scraped",
            "The canary, the hub itself, and the kubelets. Red: nothing of it is known, whatever the plots above still "
            "show of before.",
            "{{job}} {{instance}}", 'min by (job, instance) (up{job=~"hub|jupyterhub|kubelet"})', ("silent", "scraped"),
        ),
    ]  # fmt: skip
