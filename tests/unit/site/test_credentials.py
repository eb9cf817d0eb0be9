"""Until when the ways to a site are open: real certificates of SSH and TLS, made here."""

from __future__ import annotations

import base64
import datetime
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.site import credentials, sshconfig
from chaosjc.site.keys import Keyring
from chaosjc.site.state import SiteState
from tests.unit.site.adopted_site import adopted_site
from tests.unit.site.fakes import lab_site

END = datetime.datetime(2030, 5, 1, 12, tzinfo=datetime.UTC)


def pem() -> bytes:
    """A client certificate that ends then."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ada")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(END - datetime.timedelta(days=365)).not_valid_after(END)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def jwt(**claims: Any) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({}, claims)]
    return ".".join([*parts, "signature"])


def kubeconfig(directory: Path, **user: Any) -> Path:
    path = directory / "kubeconfig"
    context = {"name": "c", "context": {"cluster": "k", "user": "ada"}}
    users: list[dict[str, Any]] = [{"name": "bob", "user": {}}, {"name": "ada", "user": user}]
    path.write_text(yaml.safe_dump({"current-context": "c", "contexts": [context], "users": users}))
    return path


def test_the_operator_s_certificate(state: SiteState) -> None:
    assert list(credentials.ssh(lab_site(), state, ["worker-001"])) == []
    keyring = Keyring(state)
    keyring.create_authorities()
    keyring.certify_user("operator", 3600)
    (found,) = credentials.ssh(lab_site(), state, ["worker-001"])
    assert found.until == pytest.approx(time.time() + 3600, abs=60)
    assert "site deploy" in found.renewed_by


def test_of_an_adopted_site_what_its_own_configuration_has(state: SiteState, tmp_path: Path) -> None:
    """One certificate is named, the other lies beside its key, as OpenSSH finds it; without one nothing is told."""
    keyring = Keyring(state)
    keyring.create_authorities()
    for user, hours in (("operator", 1), ("reader", 2)):
        keyring.certify_user(user, hours * 3600)
    theirs = tmp_path / "config"
    lines = (
        "Host gluster*",
        f"  IdentityFile {state.ssh}/operator",
        "Host k8s-node-a",
        f"  CertificateFile {state.ssh}/reader-cert.pub",
        "Host *",
        f"  IdentityFile {tmp_path}/none",
    )
    theirs.write_text("\n".join(lines))
    sshconfig.adopt(state, str(theirs))
    found = list(credentials.ssh(adopted_site(), state, ["k8s-node-a", "gluster01", "metrics"]))
    assert [each.name for each in found] == ["the SSH certificate for gluster01", "the SSH certificate for k8s-node-a"]
    ends = [round((each.until - time.time()) / 3600) for each in found]
    assert ends == [1, 2]


def test_a_kubeconfig_s_client_certificate_inside_or_beside(tmp_path: Path) -> None:
    (tmp_path / "ada.pem").write_bytes(pem())
    inside = {"client-certificate-data": base64.b64encode(pem()).decode()}
    for user in (inside, {"client-certificate": "ada.pem"}):
        (found,) = credentials.kubernetes(kubeconfig(tmp_path, **user))
        assert found.until == END.timestamp()
        assert "kubeconfig" in found.renewed_by


def test_its_token_where_that_tells(tmp_path: Path) -> None:
    (found,) = credentials.kubernetes(kubeconfig(tmp_path, token=jwt(exp=1900000000)))
    assert found.until == 1900000000.0


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"token": "abcdef.0123456789abcdef"},
        {"token": jwt(sub="ada")},
        {"token": "a.b.c"},
        {"exec": {"command": "kubelogin"}},
        {"client-certificate-data": "bm9uZQ=="},
        {"client-certificate": "none.pem"},
    ],
)
def test_who_does_not_say_when_he_ends_is_not_taken_for_ending(tmp_path: Path, user: dict[str, Any]) -> None:
    assert list(credentials.kubernetes(kubeconfig(tmp_path, **user))) == []


def test_a_kubeconfig_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert list(credentials.kubernetes(tmp_path / "none")) == []
    (tmp_path / "x").write_text("[]")
    assert list(credentials.kubernetes(tmp_path / "x")) == []


def test_the_cloud_s_own() -> None:
    (found,) = credentials.cloud(CloudAccess("the token", 5.0))
    assert (found.name, found.until) == ("the token of clouds.yaml", 5.0)
    assert list(credentials.cloud(CloudAccess("the password"))) == []
