from __future__ import annotations

import json

from chaosjc.site.keys import HostIdentity, PublicKeys
from chaosjc.site.model import Machine
from chaosjc.site.roles import Surroundings, access, monitoring, userdata
from tests.unit.site.fakes import lab_site

AROUND = Surroundings(PublicKeys("ssh-ed25519 USERS", "ssh-ed25519 HOSTS"), {"worker-001": "10.66.0.7"})


def machine(name: str) -> Machine:
    return next(each for each in lab_site().machines if each.name == name)


def test_user_data_carries_the_host_key_and_every_file() -> None:
    contents = userdata.everything(lab_site(), machine("worker-001"), AROUND)
    data = userdata.render(contents, HostIdentity("PRIVATE", "PUBLIC", "CERTIFICATE"))
    config = json.loads(data.removeprefix("#cloud-config\n"))
    assert config["ssh_keys"]["ed25519_certificate"] == "CERTIFICATE"
    assert [each["path"] for each in config["write_files"]] == [each.path for each in contents.files]
    assert config["runcmd"][-1] == ["systemctl", "enable", "--now", *(each.name for each in contents.units)]
    assert len(data) < 40_000, "Nova takes 64 KiB of base64"


def test_only_the_bastion_lets_people_through() -> None:
    accounts = {
        name: [each.name for each in access.contents(lab_site(), machine(name), AROUND).accounts]
        for name in ("bastion", "monitor")
    }
    assert accounts == {"bastion": ["chaosjc", "reader", "jump"], "monitor": ["chaosjc", "reader"]}


def test_a_principal_may_be_limited_to_a_role() -> None:
    files = {each.path: each for each in access.contents(lab_site(), machine("worker-002"), AROUND).files}
    assert files["/etc/ssh/auth_principals/chaosjc"].content == "operator\noperator@worker\n"


def test_the_digest_is_of_what_cannot_change_in_place() -> None:
    site, worker = lab_site(), machine("worker-001")
    digest = userdata.digest(userdata.everything(site, worker, AROUND))
    elsewhere = Surroundings(AROUND.keys, {"worker-001": "10.66.0.9"})
    assert userdata.digest(userdata.everything(site, worker, elsewhere)) == digest
    other = Surroundings(PublicKeys("ssh-ed25519 OTHER", "ssh-ed25519 HOSTS"), AROUND.addresses)
    assert userdata.digest(userdata.everything(site, worker, other)) != digest


def test_every_series_says_which_vm_and_role_it_is_about() -> None:
    files = {each.path: each for each in monitoring.contents(lab_site(), machine("monitor"), AROUND).files}
    config = json.loads(files["/etc/prometheus/prometheus.yml"].content)
    assert config["global"]["scrape_interval"] == "1s"
    assert {"targets": ["worker-001:9100"], "labels": {"vm": "worker-001", "role": "worker"}} in (
        config["scrape_configs"][0]["static_configs"]
    )


def test_names_without_an_address_are_left_out_of_hosts() -> None:
    files = {each.path: each for each in access.contents(lab_site(), machine("monitor"), AROUND).files}
    assert files["/etc/hosts"].content.splitlines()[2:] == ["10.66.0.7 worker-001"]
