"""With the real ssh-keygen: what it writes and reads is the point."""

from __future__ import annotations

import stat
import time

import pytest

from chaosjc.drivers.command import run
from chaosjc.site.keys import Keyring, Validity, parse_validity
from chaosjc.site.stages.keys import KeyFacts, Keys
from chaosjc.site.state import SiteState
from tests.unit.site.fakes import lab_site


@pytest.fixture
def keyring(state: SiteState) -> Keyring:
    keyring = Keyring(state)
    keyring.create_authorities()
    return keyring


def test_private_keys_are_private_and_kept(keyring: Keyring, state: SiteState) -> None:
    before = keyring.public_keys()
    assert before
    for name in ("user_ca", "host_ca"):
        assert stat.S_IMODE((state.ssh / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(state.ssh.stat().st_mode) == 0o700
    keyring.create_authorities()
    assert keyring.public_keys() == before


def test_half_a_pair_is_made_whole(keyring: Keyring, state: SiteState) -> None:
    (state.ssh / "host_ca.pub").unlink()
    assert keyring.public_keys() is None
    keyring.create_authorities()
    assert keyring.public_keys()


def test_a_user_certificate_names_its_principals_and_its_end(keyring: Keyring, state: SiteState) -> None:
    assert keyring.certificate("reader") is None
    keyring.certify_user("reader", 3600)
    said = run(["ssh-keygen", "-L", "-f", str(state.ssh / "reader-cert.pub")]).stdout.split()
    assert said[said.index("Principals:") + 1 :][:2] == ["reader", "jump"]
    validity = keyring.certificate("reader")
    assert validity
    assert abs(validity.end - time.time() - 3600) < 120


def test_a_certificate_of_another_authority_counts_as_none(keyring: Keyring, state: SiteState) -> None:
    keyring.certify_user("operator", 3600)
    for name in ("user_ca", "user_ca.pub"):
        (state.ssh / name).unlink()
    keyring.create_authorities()
    assert keyring.certificate("operator") is None


def test_a_host_is_certified_under_its_name_alone(keyring: Keyring) -> None:
    identity = keyring.new_host("worker-001", 86400)
    again = keyring.certify_host("worker-001", identity.public, 86400)
    for certificate in (identity.certificate, again):
        said = run(["ssh-keygen", "-L", "-f", "-"], stdin=certificate).stdout
        assert "host certificate" in said
        assert said.split()[said.split().index("Principals:") + 1] == "worker-001"
        assert keyring.host_certificate(certificate)
    assert keyring.host_certificate("nonsense") is None


def test_validity_of_other_words_is_none() -> None:
    assert parse_validity("Valid: forever") is None


@pytest.mark.parametrize(
    ("now", "action"), [(0, []), (21_600, []), (21_700, ["renew"]), (43_300, ["renew"]), (-10, ["renew"])]
)
def test_a_certificate_is_renewed_at_half_its_life(now: float, action: list[str]) -> None:
    facts = KeyFacts(authorities=True, certificates={"operator": Validity(0, 43_200)}, now=now)
    assert [each.action for each in Keys().plan(lab_site(), facts)] == action


def test_another_lifetime_in_the_file_is_another_certificate() -> None:
    facts = KeyFacts(authorities=True, certificates={"operator": Validity(0, 86_400)}, now=1)
    assert [each.action for each in Keys().plan(lab_site(), facts)] == ["renew"]


def test_a_new_authority_signs_everything_again() -> None:
    facts = KeyFacts(authorities=False, certificates={"operator": Validity(0, 43_200)}, now=1)
    assert [each.kind for each in Keys().plan(lab_site(), facts)] == ["authority", "certificate"]
