"""The one register of the metrics that chaosjc exports: exporters, dashboards, rules and checks take them from here.

An absent series is absent, never 0: an exporter that does not know says nothing. Seconds and bytes everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """One family as Prometheus sees it; a counter's name ends in `_total`, a histogram has buckets in seconds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 42.0, 60.0, 120.0)
"""1 ms … 120 s; 42 s is GlusterFS's own ping-timeout, so that a stall of that length can be told from longer ones."""

# ------------------------------------------------------------------ canary storage: what a user of a mount feels
STORAGE_UP = Metric(
    "chaosjc_storage_up", "gauge", "1 while the volume is mounted and the last write ended well.", ("volume",)
)
STORAGE_WRITE = Metric(
    "chaosjc_storage_write_seconds",
    "histogram",
    "Acknowledged writes (create, write, fsync, rename, fsync of the directory), from the time they were due.",
    ("volume",),
    LATENCY,
)
STORAGE_READ = Metric(
    "chaosjc_storage_read_seconds",
    "histogram",
    "Reading acknowledged writes back through another worker, a few at once, their checksums compared.",
    ("volume", "through"),
    LATENCY,
)
STORAGE_WRITES = Metric("chaosjc_storage_writes_total", "counter", "Writes that were acknowledged.", ("volume",))
STORAGE_ERRORS = Metric(
    "chaosjc_storage_errors_total",
    "counter",
    "Writes that failed, by errno's name; `other` is in the log.",
    ("volume", "errno"),
)
STORAGE_READ_ERRORS = Metric(
    "chaosjc_storage_read_errors_total",
    "counter",
    "Acknowledged writes that another worker could not read, by errno's name; `checksum` where it read other bytes.",
    ("volume", "through", "errno"),
)
STORAGE_OLDEST = Metric(
    "chaosjc_storage_oldest_inflight_seconds",
    "gauge",
    "Age of the oldest write that is due and not answered; 0 if none.",
    ("volume",),
)
STORAGE_INFLIGHT = Metric("chaosjc_storage_inflight", "gauge", "Writes that are due and not answered.", ("volume",))
STORAGE_STALLS = Metric(
    "chaosjc_storage_stalls_total", "counter", "Times that writes were late by more than 1 s, ended.", ("volume",)
)
STORAGE_STALLED = Metric(
    "chaosjc_storage_stall_seconds_total",
    "counter",
    "Length of all ended stalls: from when the first late write was due.",
    ("volume",),
)
STORAGE_LONGEST = Metric(
    "chaosjc_storage_longest_wait_seconds",
    "gauge",
    "The longest wait of a write that was answered since the last scrape or a little before, or waits still.",
    ("volume",),
)
STORAGE_UNAUDITED = Metric(
    "chaosjc_storage_unaudited_total",
    "counter",
    "Acknowledged writes that were unlinked although no audit had found them whole: of them nothing is known.",
    ("volume",),
)
STORAGE_LOST = Metric(
    "chaosjc_storage_lost_total",
    "counter",
    "Acknowledged writes that an audit found missing from a replica that has nothing to heal.",
    ("volume",),
)
STORAGE_CORRUPT = Metric(
    "chaosjc_storage_corrupt_total",
    "counter",
    "Acknowledged writes of which a replica that has nothing to heal holds other bytes.",
    ("volume",),
)
STORAGE_BEHIND = Metric(
    "chaosjc_storage_behind",
    "gauge",
    "Acknowledged writes that the last audit did not find on every replica.",
    ("volume",),
)
STORAGE_AUDITED = Metric(
    "chaosjc_storage_audited_timestamp_seconds",
    "gauge",
    "When the last audit began to which every brick answered.",
    ("volume",),
)
STORAGE_KEPT = Metric(
    "chaosjc_storage_kept", "gauge", "Acknowledged writes that are kept for the next audit.", ("volume",)
)

# ------------------------------------------------------------------ canary gluster: what a brick's own machine sees
BRICK_UP = Metric(
    "chaosjc_gluster_brick_up", "gauge", "1 if the brick's process runs and accepts connections.", ("volume", "brick")
)
BRICK_PENDING = Metric(
    "chaosjc_gluster_heal_pending", "gauge", "Entries in the brick's index of what others miss.", ("volume", "brick")
)
BRICK_SPLIT_BRAIN = Metric(
    "chaosjc_gluster_split_brain", "gauge", "Entries in split-brain that the brick knows of.", ("volume", "brick")
)
BRICK_CLIENTS = Metric(
    "chaosjc_gluster_clients",
    "gauge",
    "Clients connected to the brick, other bricks' services included.",
    ("volume", "brick"),
)
BRICK_FREE = Metric(
    "chaosjc_gluster_brick_free_bytes", "gauge", "Free space of the brick's file system.", ("volume", "brick")
)
BRICK_SIZE = Metric(
    "chaosjc_gluster_brick_size_bytes", "gauge", "Size of the brick's file system.", ("volume", "brick")
)
BRICK_FREE_INODES = Metric(
    "chaosjc_gluster_brick_free_inodes", "gauge", "Free inodes of the brick's file system.", ("volume", "brick")
)
BRICK_INODES = Metric(
    "chaosjc_gluster_brick_inodes", "gauge", "Inodes of the brick's file system.", ("volume", "brick")
)
BRICK_FOP = Metric(
    "chaosjc_gluster_fop_seconds",
    "gauge",
    "Average latency of a file operation since the brick started.",
    ("volume", "brick", "fop"),
)
BRICK_FOPS = Metric(
    "chaosjc_gluster_fops_total", "counter", "File operations since the brick started.", ("volume", "brick", "fop")
)
PEER_CONNECTED = Metric(
    "chaosjc_gluster_peer_connected", "gauge", "1 if this machine's glusterd is connected to the peer.", ("peer",)
)
PING_TIMEOUT = Metric("chaosjc_gluster_ping_timeout_seconds", "gauge", "network.ping-timeout in force.", ("volume",))

# ------------------------------------------------------------------ canary hub: what a user of JupyterHub feels
# A rung is one of proxy, hub, api, login, spawn, kernel, cell, home, stop; an entry is a way into the hub.
HUB_UP = Metric("chaosjc_hub_up", "gauge", "1 while no outage of the rung is under way.", ("rung", "entry"))
HUB_LATENCY = Metric(
    "chaosjc_hub_seconds",
    "histogram",
    "Attempts that went well, from the time they were due, or from the end of the rung below.",
    ("rung", "entry"),
    LATENCY,
)
HUB_SUCCESSES = Metric("chaosjc_hub_successes_total", "counter", "Attempts that went well.", ("rung", "entry"))
HUB_FAILURES = Metric(
    "chaosjc_hub_failures_total",
    "counter",
    "Attempts that failed; `unreached` where the rung below did, `wrong` for an answer that makes no sense.",
    ("rung", "entry", "reason"),
)
HUB_THROTTLED = Metric(
    "chaosjc_hub_throttled_total",
    "counter",
    "Attempts answered with 429, which count neither as well nor as failed.",
    ("rung", "entry"),
)
HUB_OUTAGES = Metric("chaosjc_hub_outages_total", "counter", "Outages that began.", ("rung", "entry"))
HUB_OUTAGE_SECONDS = Metric(
    "chaosjc_hub_outage_seconds_total",
    "counter",
    "Length of all outages, the present one included: from when the first failed attempt was due to a good answer.",
    ("rung", "entry"),
)
HUB_OUTAGE_AGE = Metric(
    "chaosjc_hub_outage_age_seconds",
    "gauge",
    "How long the present outage lasts; 0 if there is none.",
    ("rung", "entry"),
)
HUB_OLDEST = Metric(
    "chaosjc_hub_oldest_inflight_seconds",
    "gauge",
    "Age of the oldest attempt that is due and not answered; 0 if none.",
    ("rung", "entry"),
)
HUB_ROUTES_EVERY = Metric(
    "chaosjc_hub_last_activity_interval_seconds",
    "gauge",
    "The hub's last_activity_interval as the site sets it: after so long a proxy that began anew has its routes again.",
)
HUB_STOOD_STILL = Metric(
    "chaosjc_hub_stood_still_seconds_total",
    "counter",
    "Time in which the canary itself did not run: attempts of then are not counted.",
)
LIVE_OK = Metric(
    "chaosjc_hub_live_ok",
    "gauge",
    "1 while the last good answer of the live server's kernel is no older than two periods of its cells; absent while "
    "the server runs on another node, or on nobody knows which.",
    ("worker",),
)
LIVE_AGE = Metric(
    "chaosjc_hub_live_age_seconds",
    "gauge",
    "Time since the last good answer of the live server's kernel, or since the canary began.",
    ("worker",),
)
LIVE_LATENCY = Metric(
    "chaosjc_hub_live_seconds",
    "histogram",
    "Cells that were answered, from the time they were due.",
    ("worker",),
    LATENCY,
)
LIVE_CELLS = Metric("chaosjc_hub_live_cells_total", "counter", "Cells that were answered in time.", ("worker",))
LIVE_FAILURES = Metric(
    "chaosjc_hub_live_failures_total",
    "counter",
    "Cells that were not; `unreached` without a connection, `wrong` where the kernel had lost its state.",
    ("worker", "reason"),
)
LIVE_OUTAGES = Metric("chaosjc_hub_live_outages_total", "counter", "Outages of cells that began.", ("worker",))
LIVE_OUTAGE_SECONDS = Metric(
    "chaosjc_hub_live_outage_seconds_total",
    "counter",
    "Length of all outages of cells, the present one included.",
    ("worker",),
)
LIVE_OUTAGE_AGE = Metric(
    "chaosjc_hub_live_outage_age_seconds",
    "gauge",
    "How long the present outage of cells lasts; 0 if there is none.",
    ("worker",),
)
LIVE_LOST_CONNECTIONS = Metric(
    "chaosjc_hub_live_lost_connections_total",
    "counter",
    "Connections to the live kernel that were closed, or silent for long.",
    ("worker",),
)
LIVE_LOST_KERNELS = Metric(
    "chaosjc_hub_live_lost_kernels_total",
    "counter",
    "Live kernels that ended, or forgot a variable; those of lost servers included.",
    ("worker",),
)
LIVE_LOST_SERVERS = Metric(
    "chaosjc_hub_live_lost_servers_total", "counter", "Live servers that the hub does not list any more.", ("worker",)
)
LIVE_ELSEWHERE = Metric(
    "chaosjc_hub_live_elsewhere_total",
    "counter",
    "Times that the user of a live server that was lost with its worker had a cell executed on whichever there was.",
    ("worker",),
)
LIVE_ELSEWHERE_SECONDS = Metric(
    "chaosjc_hub_live_elsewhere_seconds",
    "gauge",
    "How long that took the last time, from the first cell that was missed, or lasts already; 0 before the first.",
    ("worker",),
)

# ------------------------------------------------------------------ controller: what runs by itself, and what is owed
SCHEDULE_NEXT = Metric(
    "chaosjc_schedule_next_timestamp_seconds", "gauge", "When an entry falls due next.", ("schedule", "entry")
)
SCHEDULE_DUE = Metric(
    "chaosjc_schedule_due_total",
    "counter",
    "Times that an entry fell due, by what became of it: begun, ended, prepare-failed, busy (another was under way), "
    "refused (halted, in debt, forbidden by the calendar, or files that cannot be read).",
    ("schedule", "entry", "outcome"),
)
SCHEDULE_IN_VAIN = Metric(
    "chaosjc_schedule_in_vain",
    "gauge",
    "Times in a row, up to now, that an entry fell due and came to neither PASS nor FAIL.",
    ("schedule", "entry"),
)
RUNS = Metric("chaosjc_runs_total", "counter", "Runs that were closed, by verdict.", ("verdict",))
EXPERIMENT_RUNS = Metric(
    "chaosjc_experiment_runs_total", "counter", "Runs of an experiment that were closed.", ("experiment", "verdict")
)
LAST_VERDICT = Metric(
    "chaosjc_last_run_verdict",
    "gauge",
    "Verdict of an experiment's last closed run, as `chaosjc run` exits: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, "
    "4 NOT-STARTED, 5 ABORTED, 6 UNDO-FAILED.",
    ("experiment",),
)
LAST_ENDED = Metric(
    "chaosjc_last_run_ended_timestamp_seconds",
    "gauge",
    "When an experiment's last closed run was closed.",
    ("experiment",),
)
LAST_DETECT = Metric(
    "chaosjc_last_run_detect_seconds",
    "gauge",
    "From the first fault to the first violation, in the last run that injected one; absent if nothing was violated.",
    ("experiment",),
)
LAST_RECOVERY = Metric(
    "chaosjc_last_run_recovery_seconds",
    "gauge",
    "From the first undo to recovery, in the last run that injected a fault; absent if nobody saw it.",
    ("experiment",),
)
LAST_PROMISED = Metric(
    "chaosjc_last_run_recovery_promised_seconds",
    "gauge",
    "In what time the last run that injected a fault had to recover.",
    ("experiment",),
)
LAST_VIOLATION = Metric(
    "chaosjc_last_run_longest_violation_seconds",
    "gauge",
    "The longest time for which a hypothesis was violated in the last run that injected a fault; 0 for none, absent "
    "if nobody can say that.",
    ("experiment",),
)
FAULTS_ACTIVE = Metric(
    "chaosjc_fault_deadline_timestamp_seconds",
    "gauge",
    "When a fault that was injected, or may have been, ends by its plan; absent once it is undone and seen whole.",
    ("run", "fault", "target"),
)
UNDO_DEBTS = Metric("chaosjc_undo_debts", "gauge", "Steps of closed runs that nobody has seen whole again.")
HALTED = Metric("chaosjc_halted", "gauge", "1 while the kill switch is pressed.")

# ------------------------------------------------------------------ what takes backups
BACKUP_TIME = Metric("chaosjc_backup_timestamp_seconds", "gauge", "When the newest backup was taken.", ("of",))

METRICS: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of them, in the order above."""

SITE_METRICS = tuple(each for each in METRICS if each.name.startswith(("chaosjc_storage_", "chaosjc_gluster_")))
"""Those that the VMs of a site export."""

HUB_METRICS = tuple(each for each in METRICS if each.name.startswith("chaosjc_hub_"))
"""Those of the hub's canary."""

CONTROLLER_METRICS = tuple(each for each in METRICS if each not in (*SITE_METRICS, *HUB_METRICS, BACKUP_TIME))
"""Those of a controller."""
