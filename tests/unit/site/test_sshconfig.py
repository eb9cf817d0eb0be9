"""OpenSSH's own reading of the generated file (`ssh -G`) is what counts."""

from __future__ import annotations

import pytest

from chaosjc.drivers.command import run
from chaosjc.site import sshconfig
from chaosjc.site.keys import PublicKeys
from chaosjc.site.sshconfig import Host
from chaosjc.site.state import SiteState

HOSTS = [Host("bastion", "b" * 36, "192.0.2.1"), Host("worker-001", "0123456789abcdef", "10.66.0.7")]


def read(state: SiteState, host: str, *, reader: bool = False) -> dict[str, str]:
    path = state.reader_config if reader else state.ssh_config
    said = run(["ssh", "-G", "-F", str(path), host]).stdout
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


@pytest.fixture(autouse=True)
def written(state: SiteState) -> None:
    sshconfig.write(state, PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), HOSTS)


def test_everything_goes_through_the_bastion(state: SiteState) -> None:
    worker = read(state, "worker-001")
    assert (worker["hostname"], worker["user"], worker["proxyjump"]) == ("10.66.0.7", "chaosjc", "jump")
    jump = read(state, "jump")
    assert (jump["hostname"], jump["user"], jump["hostkeyalias"]) == ("192.0.2.1", "jump", "bastion")
    assert "proxyjump" not in read(state, "bastion")


def test_hosts_are_known_by_certificate_only(state: SiteState) -> None:
    worker = read(state, "worker-001")
    assert worker["stricthostkeychecking"] == "true"
    assert worker["hostkeyalias"] == "worker-001"
    assert (state.ssh / "known_hosts").read_text() == "@cert-authority * ssh-ed25519 H\n"


def test_readers_have_their_own_account_and_connections(state: SiteState) -> None:
    reader, operator = read(state, "worker-001", reader=True), read(state, "worker-001")
    assert reader["user"] == "reader"
    assert reader["identityfile"].endswith("/reader")
    assert reader["controlpath"] != operator["controlpath"]


def test_a_new_vm_is_not_reached_over_the_old_ones_connection(state: SiteState) -> None:
    before = read(state, "worker-001")["controlpath"]
    sshconfig.write(
        state, PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), [HOSTS[0], Host("worker-001", "new", "10.66.0.7")]
    )
    assert read(state, "worker-001")["controlpath"] != before
