"""Cuts or slows the way from this machine to others. Standard library only; see the package for how it is called.

    {"verb": "hold", "what": "partition", "names": {…}, "peers": {name: address}, "everyone": false, "after": 0}
    {"verb": "hold", "what": "delay", "names": {…}, "peers": {name: address}, "delay": 0.1, "jitter": 0.0}
    {"verb": "look", "unit": name, "names": {…}, "peers": {name: address}}  →  {"left": [what is wrong…], "said": …}

`names` are the step's own: `table` of nftables, device `tun`, `pref` of its routing rules and number of their table,
`handle` of a qdisc, `mark` of packets. Seconds everywhere.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess  # noqa: TID251 - this file runs on the target, where chaosjc is not
import sys
import time
from typing import Any

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
HELD = 100_000  # packets that are held at most; more are lost, as on a link that is too slow
BURST = 256  # packets that are taken before it is looked whether others are due


def hold(request: dict[str, Any]) -> None:
    """Bring it about, and last until somebody ends this process; what it leaves is taken away by its unit."""
    if request["what"] == "partition":
        partition(request)
    elif netem_works():
        netem(request)
        say("netem holds the packets")
    else:
        delay(request)


def partition(request: dict[str, Any]) -> None:
    """Drop what comes from the peers and goes to them. `after`: the way is cut only once the caller has its answer."""
    script = table_of(request)
    run("nft", "--check", script)
    if request["after"]:
        ready()
        time.sleep(request["after"])
        run("nft", script)
    else:
        run("nft", script)
        ready()
    say("nftables drops the packets")
    signal.pause()


def table_of(request: dict[str, Any]) -> str:
    """The script that makes the table: one transaction, so that there is all of it or nothing."""
    if request["everyone"]:
        away, here = 'oifname != "lo" drop', 'iifname != "lo" drop'
    else:
        peers = ", ".join(request["peers"].values())
        away, here = f"ip daddr {{ {peers} }} drop", f"ip saddr {{ {peers} }} drop"
    chains = (("input", here), ("output", away), ("forward", f"{here}; {away}"))
    rules = " ".join(f"chain {hook} {{ type filter hook {hook} priority -300; {rule}; }};" for hook, rule in chains)
    return f"table inet {request['names']['table']} {{ {rules} }}"


# ------------------------------------------------------------------ delay by the kernel


def netem_works() -> bool:
    """Whether the kernel has it: tried in a network of its own, where it can do no harm."""
    words = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def netem(request: dict[str, Any]) -> None:
    """A class of its own for the peers on each device that leads to one; all others go as before."""
    handle = request["names"]["handle"]
    made = set[str]()
    for address in request["peers"].values():
        device, _ = way_to(address)
        if device not in made:
            made.add(device)
            run("tc", "qdisc", "add", "dev", device, "root", "handle", f"{handle}:", "prio", "bands", "4")
            times = (f"{request['delay'] * 1000:g}ms", f"{request['jitter'] * 1000:g}ms")
            run(
                *("tc", "qdisc", "add", "dev", device, "parent", f"{handle}:4"),
                *("netem", "limit", str(HELD), "delay", *times),
            )
        match = ("u32", "match", "ip", "dst", f"{address}/32", "flowid", f"{handle}:4")
        run("tc", "filter", "add", "dev", device, "parent", f"{handle}:", "protocol", "ip", "prio", "1", *match)
    ready()
    signal.pause()


# ------------------------------------------------------------------ delay by this process


def delay(request: dict[str, Any]) -> None:
    """Lead the packets for the peers into a TUN device, hold each, and send it on with a mark that goes past it.

    When this process ends, however it does, the device vanishes with the routes through it, and all goes as before.
    """
    names = request["names"]
    ways = {address: way_to(address) for address in request["peers"].values()}
    for device, _ in ways.values():
        require_loose(device)
    tun = open_tun(names["tun"])
    lowest = min(int(read(f"/sys/class/net/{device}/mtu")) for device, _ in ways.values())
    run("ip", "link", "set", names["tun"], "mtu", str(lowest), "txqueuelen", "10000", "up")
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, names["mark"])
    pref, table = str(names["pref"]), str(names["pref"])
    for address, (_, source) in ways.items():
        run("ip", "route", "add", address, "dev", names["tun"], "src", source, "table", table)
        run("ip", "rule", "add", "pref", pref, "to", address, "fwmark", str(names["mark"]), "lookup", "main")
        run("ip", "rule", "add", "pref", pref, "to", address, "lookup", table)
    ready()
    say("a process holds the packets, for the kernel has no netem")
    forward(tun, out, request["delay"], request["jitter"])


def open_tun(name: str) -> int:
    """A device that this process is the other end of."""
    if not os.path.exists("/dev/net/tun"):
        os.makedirs("/dev/net", exist_ok=True)
        os.mknod("/dev/net/tun", 0o20600, os.makedev(10, 200))
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def way_to(address: str) -> tuple[str, str]:
    """The device that leads there, and the address from which this machine would send."""
    words = run("ip", "-o", "route", "get", address).split()
    if "dev" not in words or "src" not in words:
        sys.exit(f"no way to {address}")
    return words[words.index("dev") + 1], words[words.index("src") + 1]


def require_loose(device: str) -> None:
    """A strict filter would drop all answers: they do not come from where the packets went."""
    where = "/proc/sys/net/ipv4/conf"
    if max(int(read(f"{where}/{each}/rp_filter")) for each in ("all", device)) == 1:
        sys.exit(f"{device} filters by reverse path strictly: set {where}/{device}/rp_filter to 2, or load sch_netem")


def forward(tun: int, out: socket.socket, seconds: float, jitter: float) -> None:
    """Hold each packet for its time and send it on, in the order in which they came."""
    held = collections.deque[tuple[float, bytes]]()
    while True:
        left = max(0.0, held[0][0] - time.monotonic()) if held else None
        if select.select([tun], [], [], left)[0]:
            take(tun, held, seconds, jitter)
        while held and held[0][0] <= time.monotonic():
            packet = held.popleft()[1]
            with contextlib.suppress(OSError):  # the way itself is cut, or full: the packet is lost there
                out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))


def take(tun: int, held: collections.deque[tuple[float, bytes]], seconds: float, jitter: float) -> None:
    """Note a burst of packets with the times when they are due."""
    for _ in range(BURST):
        try:
            packet = os.read(tun, 65536)
        except BlockingIOError:
            return
        if packet[0] >> 4 == 4 and len(held) < HELD:
            due = time.monotonic() + max(0.0, seconds + random.uniform(-jitter, jitter))  # noqa: S311
            held.append((max(due, held[-1][0]) if held else due, packet))


# ------------------------------------------------------------------ the look afterwards


def look(request: dict[str, Any]) -> dict[str, Any]:
    """What is still wrong, in words, and what the unit last said."""
    names = request["names"]
    found = {
        f"unit {request['unit']} still runs": unit_runs(request["unit"]),
        f"table {names['table']} is still there": names["table"] in run("nft", "list", "tables").split(),
        f"device {names['tun']} is still there": os.path.exists(f"/sys/class/net/{names['tun']}"),
        f"rules {names['pref']} are still there": bool(run("ip", "rule", "show", "pref", str(names["pref"])).strip()),
        f"qdisc {names['handle']}: is still there": f" {names['handle']}: " in run("tc", "qdisc", "show"),
    }
    left = [what for what, holds in found.items() if holds]
    return {"left": left or silent(request["peers"]), "said": last_words(request["unit"])}


def silent(peers: dict[str, str]) -> list[str]:
    """The peers that do not answer, all asked at once."""
    words = ("ping", "-n", "-q", "-c", "1", "-W", "2")
    asked = {name: subprocess.Popen([*words, peer], stdout=subprocess.DEVNULL) for name, peer in peers.items()}
    return [f"{name} does not answer it" for name, ping in asked.items() if ping.wait() != 0]


def unit_runs(unit: str) -> bool:
    """Whether systemd still has it, be it ending."""
    state = run("systemctl", "show", "--property=ActiveState", "--value", unit).strip()
    return state not in ("inactive", "failed")


def last_words(unit: str) -> str:
    """What its main process said last."""
    done = subprocess.run(
        ["journalctl", "--quiet", "--output=cat", "--lines=1", "--identifier=chaosjc", f"--unit={unit}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


# ------------------------------------------------------------------ small things


def run(*words: str) -> str:
    """The output of a command; ends this program with its last words where it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words[:4])}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def say(words: str) -> None:
    """Into the unit's log, at once."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def read(path: str) -> str:
    """The text of a file."""
    with open(path) as file:
        return file.read()


def ready() -> None:
    """Tell systemd that the fault is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def main() -> None:
    """Do what the request says."""
    request = json.loads(sys.argv[1])
    if request["verb"] == "hold":
        hold(request)
    else:
        json.dump(look(request), sys.stdout)


if __name__ == "__main__":
    main()
