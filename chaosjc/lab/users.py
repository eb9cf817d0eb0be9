"""What a new cloud needs before anybody can use it: users, flavors, image, clouds.yaml. Steps may be repeated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosjc.drivers.command import run
from chaosjc.lab import config
from chaosjc.lab.api import Session
from chaosjc.lab.environment import BOUND, Environment, clean
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine.disks import write_atomically

PROJECT = "chaosjc"  # the project and its one user, an ordinary member


@dataclass(frozen=True)
class Flavor:
    """Sizes in MiB and GiB."""

    name: str
    ram: int
    vcpus: int
    disk: int
    ephemeral: int = 0


FLAVORS = (
    Flavor("m1.tiny", 256, 1, 2),
    Flavor("m1.small", 512, 1, 5),
    Flavor("m1.medium", 1024, 1, 10),
    Flavor("m1.large", 2048, 2, 20),
    Flavor("s1.small", 512, 1, 5, ephemeral=2),  # with a data disk, as storage needs
    Flavor("s1.medium", 1024, 1, 10, ephemeral=10),
)


def ensure_identity(lab: Lab, environment: Environment, ports: config.Ports, secrets: config.Secrets) -> None:
    """Users, roles and the catalogue; works on keystone's database, so it comes before the control plane's start."""
    wishes = {
        "admin_password": secrets.admin,
        "service_password": secrets.service,
        "user_password": secrets.user,
        "project": PROJECT,
        "region": config.REGION,
        "endpoints": config.urls(ports),
    }
    argv = [*BOUND, str(environment.python), "-m", "chaosjc.lab.openstack.identity", str(lab.etc / "keystone.conf")]
    run(argv, stdin=json.dumps(wishes), timeout=120, env=clean(lab.plugins), cwd=lab.private)


def admin_session(ports: config.Ports, secrets: config.Secrets) -> Session:
    """The administrator, for the lab's own use."""
    urls = {kind: url for kind, (_, url) in config.urls(ports).items()}
    return Session.login(urls, "admin", "admin", secrets.admin)


def write_clouds(lab: Lab, ports: config.Ports, secrets: config.Secrets) -> None:
    """The project user's clouds.yaml for everyone on the host, the administrator's for root."""
    user = config.clouds(lab.cloud, ports, (PROJECT, PROJECT, secrets.user))
    write_atomically(lab.clouds, user, 0o644)
    admin = config.clouds(f"{lab.cloud}-admin", ports, ("admin", "admin", secrets.admin))
    write_atomically(lab.etc / "admin-clouds.yaml", admin)


def ensure_flavors(session: Session) -> None:
    """Add the flavors that are missing."""
    present = {flavor["name"] for flavor in session.call("compute", "/flavors")["flavors"]}
    for flavor in FLAVORS:
        if flavor.name not in present:
            body = {
                "name": flavor.name,
                "ram": flavor.ram,
                "vcpus": flavor.vcpus,
                "disk": flavor.disk,
                "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
            }
            session.call("compute", "/flavors", {"flavor": body})


def ensure_image(session: Session, name: str, file: Path, digest: str) -> None:
    """Offer the image to all projects under its name; an older one of that name stays usable by its id, but hidden."""
    present = _images(session, name)
    current = [i for i in present if i.get("chaosjc_digest") == digest and i["status"] == "active"]
    if not current:
        body = {
            "name": name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
            "chaosjc_digest": digest,
        }
        image = session.call("image", "/v2/images", body)
        session.upload(image["id"], file)
    for old in present:
        if old["status"] != "active":  # an upload that was interrupted
            session.call("image", f"/v2/images/{old['id']}", method="DELETE")
        elif old not in current:
            session.hide(old["id"])


def _images(session: Session, name: str) -> list[dict[str, Any]]:
    return session.call("image", f"/v2/images?name={name}&limit=100")["images"]
