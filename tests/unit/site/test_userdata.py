from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.site.keys import HostIdentity, Keyring, PublicKeys
from chaosjc.site.model import Machine
from chaosjc.site.roles import Contents, Surroundings, access, monitoring, userdata
from chaosjc.site.state import SiteState
from tests.unit.site.fakes import lab_site, small_site

AROUND = Surroundings(PublicKeys("ssh-ed25519 USERS", "ssh-ed25519 HOSTS"), {"worker-001": "10.66.0.7"})


def machine(name: str) -> Machine:
    return next(each for each in lab_site().machines if each.name == name)


def test_user_data_carries_the_host_key_and_every_file() -> None:
    contents = userdata.everything(lab_site(), machine("worker-001"), AROUND)
    data = userdata.render(contents, HostIdentity("PRIVATE", "PUBLIC", "CERTIFICATE"))
    config = json.loads(data.removeprefix("#cloud-config\n"))
    assert config["ssh_keys"]["ed25519_certificate"] == "CERTIFICATE"
    assert [each["path"] for each in config["write_files"]] == [each.path for each in contents.files]
    waited = [each.name for each in contents.units if not each.patient]
    patient = [each.name for each in contents.units if each.patient]
    assert "gluster-homes.service" in patient, "no volume is there yet when a first site starts"
    assert config["runcmd"] == [
        ["systemctl", "add-wants", "multi-user.target", *waited, *patient],
        ["systemctl", "start", *waited],
        ["systemctl", "start", "--no-block", *patient],
    ]
    assert len(userdata.compressed(data)) < 40_000, "Nova takes 64 KiB of base64"


def test_each_boot_writes_again_what_leads_in(tmp_path: Path) -> None:
    contents = userdata.everything(lab_site(), machine("bastion"), AROUND)
    data = userdata.render(contents, HostIdentity("PRIVATE", "PUBLIC", "CERTIFICATE"))
    boot: list[list[str]] = json.loads(data.removeprefix("#cloud-config\n"))["bootcmd"]
    files = {each.path: each for each in contents.files}
    assert [path.rpartition("/")[2] for *_, path, _, _ in boot] == [
        *("00-chaosjc.conf", "chaosjc_users.pub", "chaosjc", "reader", "jump", "90-chaosjc"),
        "ssh_host_ed25519_key-cert.pub",
    ]
    (tmp_path / "etc" / "sudoers.d").mkdir(parents=True)
    (tmp_path / "etc" / "sudoers.d" / "90-chaosjc").write_text("altered by hand")
    for *words, path, mode, content in boot:
        command.run([*words, f"{tmp_path}{path}", mode, content])
    for *_, path, mode, content in boot[:-1]:
        there = tmp_path / path[1:]
        assert (there.read_text(), f"{there.stat().st_mode & 0o7777:04o}") == (content, mode)
        assert (files[path].content, files[path].mode, files[path].owner) == (content, mode, "root:root")


def test_each_boot_keeps_a_host_certificate_that_is_there(state: SiteState) -> None:
    keyring = Keyring(state)
    keyring.create_authorities()
    first, renewed = (keyring.new_host("worker-001", 3600).certificate for _ in range(2))
    data = userdata.render(Contents(), HostIdentity("PRIVATE", "PUBLIC", first))
    ((*words, path, mode, content),) = json.loads(data.removeprefix("#cloud-config\n"))["bootcmd"]
    place = state.ssh / Path(path).name
    for there, after in ((None, first), ("", first), ("garbage", first), (renewed, renewed)):
        if there is not None:
            place.write_text(there)
        command.run([*words, str(place), mode, content])
        assert place.read_text() == after


def test_compressed_user_data_is_the_same_each_time_and_unpacks() -> None:
    assert gzip.decompress(userdata.compressed("#cloud-config\n")) == b"#cloud-config\n"
    assert userdata.compressed("x") == userdata.compressed("x")


def test_a_first_storage_section_is_no_new_worker() -> None:
    site = lab_site()
    plain = small_site()
    after = userdata.digest(userdata.everything(site, machine("worker-001"), AROUND))
    worker = next(each for each in plain.machines if each.name == "worker-001")
    assert userdata.digest(userdata.everything(plain, worker, AROUND)) == after


def test_another_data_disk_is_a_new_vm() -> None:
    site, brick = lab_site(), machine("brick-001")
    digest = userdata.digest(userdata.everything(site, brick, AROUND))
    role = brick.spec.model_copy(update={"disks": {**brick.spec.disks, "/more": 1}})
    assert userdata.digest(userdata.everything(site, replace(brick, spec=role), AROUND)) != digest


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
