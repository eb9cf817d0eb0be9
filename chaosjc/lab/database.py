"""The databases of a new lab.

Making the schemas takes half a minute, so it is done once for a lock file and kept in the cache: schemas only, without
users, passwords, keys or addresses. A lab gets a copy, into which the places of its own files are written.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from chaosjc.drivers.command import run
from chaosjc.lab import config
from chaosjc.lab.environment import BOUND, Environment, clean
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine.disks import locked

_OURS = Path(__file__).parent / "openstack"
_NEUTRON, _OCTAVIA = _OURS / "neutron_database.py", _OURS / "octavia_database.py"  # whose migrations need MySQL
_TIMEOUT = 300.0


def ensure(lab: Lab, environment: Environment, progress: Callable[[str], None]) -> None:
    """Give the lab its databases if it has none yet; whole or not at all, also when killed meanwhile.

    A lab that was made before there was a service gets that service's.
    """
    lacking = [name for name in config.DATABASES if not (lab.databases / f"{name}.db").exists()]
    if not lacking:
        return
    template = _template(lab.cache, environment, progress)
    if lab.databases.exists():
        for name in lacking:
            part = lab.databases / f"{name}.part"
            shutil.copyfile(template / f"{name}.db", part)
            part.rename(lab.databases / f"{name}.db")
        return
    part = lab.databases.with_name("db.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(template, part)
    _point_cells(part, lab.databases)
    part.rename(lab.databases)


def _point_cells(files: Path, home: Path) -> None:
    """Nova keeps the URLs of its cells' databases, hence absolute paths, in its API database."""
    with contextlib.closing(sqlite3.connect(files / "nova_api.db")) as database, database:
        for name in ("cell0", "cell1"):
            url = config.connection(home, f"nova_{name}")
            database.execute("update cell_mappings set database_connection = ? where name = ?", (url, name))


def _template(cache: Path, environment: Environment, progress: Callable[[str], None]) -> Path:
    maker = Path(__file__).read_bytes() + _NEUTRON.read_bytes() + _OCTAVIA.read_bytes()
    digest = hashlib.sha256(environment.digest.encode() + maker).hexdigest()[:12]
    template = cache / f"databases-{digest}"
    with locked(cache / f".databases-{digest}.lock"):
        if not template.exists():
            progress("making the databases' schemas")
            part = template.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _make(part, environment)
            (part / "private" / "db").rename(template)
            shutil.rmtree(part)
    return template


def _make(directory: Path, environment: Environment) -> None:
    """The two chains take about as long as each other."""
    home = Lab("template", directory, directory)
    for needed in (home.etc, home.databases, home.logs):
        needed.mkdir(parents=True)
    secrets = config.Secrets(admin="", service="", user="")
    for name, text in config.render(home, config.Ports(0, 0), secrets).items():
        (home.etc / name).write_text(text)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for chain in [pool.submit(_run_all, argvs) for argvs in _chains(home, environment)]:
            chain.result()


def _chains(home: Lab, environment: Environment) -> tuple[list[list[str]], list[list[str]]]:
    def manage(program: str, conf: str, *words: str) -> list[str]:
        return [str(environment.python.parent / program), "--config-file", str(home.etc / conf), *words]

    cell0 = config.connection(home.databases, "nova_cell0")
    nova = [
        manage("nova-manage", "nova.conf", "api_db", "sync"),
        manage("nova-manage", "nova.conf", "cell_v2", "map_cell0", "--database_connection", cell0),
        manage("nova-manage", "nova.conf", "cell_v2", "create_cell", "--name", "cell1"),
        manage("nova-manage", "nova.conf", "db", "sync"),
    ]
    others = [
        manage("keystone-manage", "keystone.conf", "db_sync"),
        manage("placement-manage", "placement.conf", "db", "sync"),
        manage("glance-manage", "glance-api.conf", "db_sync"),
        [str(environment.python), str(_NEUTRON), str(home.databases / "neutron.db")],
        [str(environment.python), str(_OCTAVIA), str(home.databases / "octavia.db")],
    ]
    return nova, others


def _run_all(argvs: list[list[str]]) -> None:
    for argv in argvs:
        run([*BOUND, *argv], timeout=_TIMEOUT, env=clean())
