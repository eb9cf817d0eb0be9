"""storage.json: is the storage well now, what do users feel, what does Gluster say, is every byte there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaosjc import names
from dashboards.draw import board, figure, heat_map, limit, lines, missing, of, quantile, rate, states, volumes

FILE = Path(__file__).with_name("storage.json")


def drawn() -> dict[str, Any]:
    """The dashboard as data."""
    rows = {
        "Is it well now?": _now(),
        "What users feel": _users(),
        "What Gluster says": _gluster(),
        "Is every acknowledged write there?": _durability(),
    }
    return board(
        "storage", "What a user of the shared volumes feels, and what GlusterFS says about it.", rows, volumes()
    )


def _now() -> list[Any]:
    return [
        figure(
            "Bricks missing",
            "Bricks that were seen in the time shown and are not up now, their VM's silence included. One: the volume "
            "writes on, without a spare; start the VM, or `gluster volume start VOLUME force` if its process died. "
            "As many as the quorum: nobody writes.",
            missing(names.BRICK_UP, "volume"), "none", (None, 1),
        ),
        figure(
            "Mounts not writable",
            "Mounts whose last write failed, or whose canary is silent. All at once: quorum is lost, or the disks are "
            "full; one: log in to that worker and look at the mount unit.",
            missing(names.STORAGE_UP, "volume"), "none", (None, 1),
        ),
        figure(
            "Oldest write in flight",
            "How long the most unlucky user has been waiting. Up to the ping-timeout after a brick vanished is by "
            "design; beyond it a brick hangs without dying: look for it in `Bricks` and `Clients per brick`.",
            f"max by (volume) ({of(names.STORAGE_OLDEST)})", "s", (1, 5),
        ),
        figure(
            "To heal",
            "Entries that some brick misses. Must shrink once all bricks are up. While it is not 0, do not take down "
            "another brick.",
            f"sum by (volume) ({of(names.BRICK_PENDING)})", "none", (1, 10_000),
        ),
        figure(
            "Split-brain",
            "Files of which the bricks hold different truths; reading them fails. A person must choose: "
            "`gluster volume heal VOLUME info split-brain`.",
            f"sum by (volume) ({of(names.BRICK_SPLIT_BRAIN)})", "none", (None, 1),
        ),
        figure(
            "Lost writes",
            "Acknowledged writes that a replica with nothing to heal does not have. Not 0: stop work on the bricks, "
            "keep their disks, read the canary's log for the names.",
            f"sum by (volume) ({of(names.STORAGE_LOST)})", "none", (None, 1),
        ),
        figure(
            "Corrupt writes",
            "Acknowledged writes of which a replica with nothing to heal holds other bytes. Not 0: as for lost ones, "
            "and check the disk and memory of that brick's machine.",
            f"sum by (volume) ({of(names.STORAGE_CORRUPT)})", "none", (None, 1),
        ),
        figure(
            "Last full audit",
            "Age of the oldest canary's last audit to which every brick answered. Old: `Lost writes` and `Corrupt "
            "writes` are of the past, too. Normal while a brick is down.",
            f"time() - min by (volume) ({of(names.STORAGE_AUDITED)})", "s", (60, 300),
        ),
    ]  # fmt: skip


def _users() -> list[Any]:
    ping = f"max by (volume) ({of(names.PING_TIMEOUT)})"
    waits = {
        "{{volume}} {{vm}} oldest": f"max by (volume, vm) ({of(names.STORAGE_OLDEST)})",
        "{{volume}} {{vm}} longest of late": f"max by (volume, vm) ({of(names.STORAGE_LONGEST)})",
        "ping-timeout {{volume}}": ping,
    }
    return [
        heat_map(
            "Write latency",
            "Every acknowledged write, from when it was due (create, write, fsync, rename, fsync of the directory). A "
            "second band high above the usual one is a stall as users felt it.",
            names.STORAGE_WRITE,
        ),
        lines(
            "Write latency, median and p99",
            "Slowly rising: disks or healing (see `To heal, by brick`). A hole means that nothing was acknowledged at "
            "all: see `Oldest waiting write`.",
            "s",
            {
                "{{volume}} p50": quantile(0.5, names.STORAGE_WRITE, "volume"),
                "{{volume}} p99": quantile(0.99, names.STORAGE_WRITE, "volume"),
            },
            log=True,
        ),
        limit(
            lines(
                "Oldest waiting write, by worker",
                "Age of the oldest write without an answer. A ramp is a stall. One that ends at the dashed "
                "line: a brick vanished and GlusterFS gave it up, as configured. Beyond: it hangs.",
                "s", waits,
            ),
            "ping-timeout",
        ),
        lines(
            "Time lost in stalls",
            "Share of the time that users of a worker stood still (stalls of more than 1 s, counted when they end).",
            "percentunit",
            {"{{volume}} {{vm}}": f"sum by (volume, vm) ({rate(names.STORAGE_STALLED)})"},
            width=6,
        ),
        lines(
            "Stalls",
            "Stalls that ended. Many short ones are a slow disk or network, a single long one is a vanished brick.",
            "none",
            {"{{volume}} {{vm}}": f"sum by (volume, vm) (increase({of(names.STORAGE_STALLS)}[$__rate_interval]))"},
            width=6,
        ),
        lines(
            "Writes",
            "Acknowledged writes a second, by worker; even, unless it stalls. Waiting ones: beside it.",
            "wps",
            {"{{volume}} {{vm}}": f"sum by (volume, vm) ({rate(names.STORAGE_WRITES)})"},
            width=6,
        ),
        lines(
            "Writes waiting",
            "Writes that are due and not answered.",
            "none",
            {"{{volume}} {{vm}}": f"sum by (volume, vm) ({of(names.STORAGE_INFLIGHT)})"},
            width=6,
        ),
        lines(
            "Failed writes, by error",
            "ENOTCONN: quorum is lost, or the mount died. ENOSPC: a brick reached its reserve. EROFS: no quorum, or a "
            "file system that the kernel gave up. EIO: split-brain or a broken disk. `killed`: it hung, until the "
            "canary gave it up. Empty is good.",
            "wps",
            {"{{volume}} {{errno}}": f"sum by (volume, errno) ({rate(names.STORAGE_ERRORS)})"},
        ),
        lines(
            "Read back through another worker, p99",
            "Reading a fresh write through another mount. Slow through one: that worker; through all: a brick.",
            "s",
            {"{{volume}} through {{through}}": quantile(0.99, names.STORAGE_READ, "volume", "through")},
            log=True,
        ),
        lines(
            "Failed reads, by error",
            "Acknowledged writes that another worker could not read. `checksum`: it read other bytes, which must never "
            "be; ENOENT: it does not see the file (yet). Empty is good.",
            "rps",
            {
                "{{volume}} through {{through}} {{errno}}":
                    f"sum by (volume, through, errno) ({rate(names.STORAGE_READ_ERRORS)})"
            },
        ),
    ]  # fmt: skip


def _gluster() -> list[Any]:
    brick = "{{volume}} {{brick}}"
    free = f"{of(names.BRICK_FREE)} / {of(names.BRICK_SIZE)}"
    inodes = f"{of(names.BRICK_FREE_INODES)} / {of(names.BRICK_INODES)}"
    return [
        states(
            "Bricks",
            "Whether each brick's process accepts connections. A gap is a machine that says nothing at all.",
            brick, f"min by (volume, brick) ({of(names.BRICK_UP)})", ("down", "up"),
        ),
        states(
            "Peers, each as the others see it",
            "Whether glusterd on one machine is connected to another. Red in all rows of a peer: that machine; of a "
            "pair: the network between them.",
            "{{vm}} sees {{peer}}", f"min by (vm, peer) ({of(names.PEER_CONNECTED)})", ("disconnected", "connected"),
        ),
        lines(
            "Clients per brick",
            "Should be equal on all bricks of a volume. Fewer on one: some mount writes without it, and what it writes "
            "must be healed later, whatever the backlog says now.",
            "none", {brick: f"max by (volume, brick) ({of(names.BRICK_CLIENTS)})"},
        ),
        lines(
            "To heal, by brick",
            "Entries in the index of the bricks that stayed: what others miss. Falls once the lost one is back; if it "
            "does not for 10 min, `gluster volume heal VOLUME` and look at glustershd.log.",
            "none",
            {
                brick: f"sum by (volume, brick) ({of(names.BRICK_PENDING)})",
                f"{brick} split-brain": f"sum by (volume, brick) ({of(names.BRICK_SPLIT_BRAIN)})",
            },
        ),
        lines(
            "Latency of file operations, slowest brick",
            "Average since the brick started, from `volume profile`: bends, never jumps. fsync is the disk, lookup "
            "mostly the network.",
            "s", {"{{volume}} {{fop}}": f"topk(8, max by (volume, fop) ({of(names.BRICK_FOP)}))"}, log=True,
        ),
        lines(
            "File operations",
            "Of each brick, a second. Far more on one of them: it heals, or the others do not take part.",
            "ops", {brick: f"sum by (volume, brick) ({rate(names.BRICK_FOPS)})"},
        ),
        limit(
            lines(
                "Free space of bricks",
                "At the dashed line (storage.reserve, 5 % unless the site file says otherwise) writes fail with ENOSPC "
                "for all; without inodes, too. Below 15 %: find the largest homes, or add bricks; healing needs room.",
                "percentunit",
                {
                    brick: f"min by (volume, brick) ({free})",
                    f"{brick} inodes": f"min by (volume, brick) ({inodes})",
                    "reserve": "vector(0.05)",
                },
            ),
            "reserve",
        ),
        lines(
            "ping-timeout in force",
            "How long writes stall when a brick vanishes. Changed by hand if it is not what the site file says: "
            "`chaosjc site plan`.",
            "s", {"{{volume}} {{vm}}": f"max by (volume, vm) ({of(names.PING_TIMEOUT)})"},
        ),
    ]  # fmt: skip


def _durability() -> list[Any]:
    worker = "{{volume}} {{vm}}"
    return [
        lines(
            "Lost and corrupt writes",
            "Flat at 0, always. The step tells when an audit found it; the write is at most as much older as the "
            "canary keeps its files.",
            "none",
            {
                f"{worker} lost": f"sum by (volume, vm) ({of(names.STORAGE_LOST)})",
                f"{worker} corrupt": f"sum by (volume, vm) ({of(names.STORAGE_CORRUPT)})",
            },
        ),
        lines(
            "Not yet on every replica",
            "Acknowledged writes that the last audit did not find everywhere. Grows while a brick is down; must be 0 "
            "once it has healed.",
            "none", {worker: f"sum by (volume, vm) ({of(names.STORAGE_BEHIND)})"},
        ),
        lines(
            "Age of the last full audit",
            "A ramp: some brick does not answer audits, so nobody knows. Normal while one is down.",
            "s", {worker: f"time() - max by (volume, vm) ({of(names.STORAGE_AUDITED)})"},
        ),
        lines(
            "Writes kept for the next audit",
            "What the audits compare. Level, unless the canary cannot unlink or write. What goes unaudited was there "
            "when no brick told for long: nothing is known of it.",
            "none",
            {
                worker: f"sum by (volume, vm) ({of(names.STORAGE_KEPT)})",
                f"{worker} gone unaudited": f"sum by (volume, vm) ({of(names.STORAGE_UNAUDITED)})",
            },
        ),
    ]  # fmt: skip
