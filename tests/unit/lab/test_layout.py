from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.errors import UsageError
from chaosjc.lab.layout import Lab, default_state, tag_of
from chaosjc.lab.machine.network import Names

UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
IFNAMSIZ = 15


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.uuids())
def test_names_fit_into_the_kernels_fields(path: str, uuid: object) -> None:
    names = Names(tag_of(Path("/", path)))
    assert len(names.port(str(uuid))) == IFNAMSIZ
    assert len(names.bridge(str(uuid))) <= IFNAMSIZ
    assert names.is_link(names.port(str(uuid)))
    assert names.is_link(names.bridge(str(uuid)))


def test_a_bridge_is_never_called_like_a_port() -> None:
    names = Names("jcabc")
    assert names.bridge(UUID) == "jcabc-0f1e2d3c"
    assert names.port(UUID) == "jcabc0f1e2d3c4b"


def test_two_labs_share_no_name(tmp_path: Path) -> None:
    one, two = (Names(Lab.of(name, tmp_path).tag) for name in ("one", "two"))
    assert not {one.cgroup, one.table, one.lock, one.bridge(UUID), one.port(UUID), one.namespace(UUID)} & {
        two.cgroup, two.table, two.lock, two.bridge(UUID), two.port(UUID), two.namespace(UUID)
    }  # fmt: skip
    assert not one.is_link(two.port(UUID))


def test_the_tag_depends_on_name_and_state_alone(tmp_path: Path) -> None:
    assert Lab.of("x", tmp_path).tag == Lab.of("x", tmp_path).tag
    assert Lab.of("x", tmp_path).tag != Lab.of("x", tmp_path / "other").tag


def test_a_link_to_the_state_is_the_same_lab(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Lab.of("x", tmp_path / "link") == Lab.of("x", tmp_path / "real")


@pytest.mark.parametrize("name", ["", "Lab", "1st", "a b", "../x", "a" * 32, "ümlaut"])
def test_a_name_that_cannot_be_a_clouds_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lab name"):
        Lab.of(name, tmp_path)


def test_the_default_lab_and_where_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSJC_STATE", "/srv/chaos")
    assert Lab.of().directory == Path("/srv/chaos/lab/lab")
    assert Lab.of().cloud == "chaosjc-lab"
    monkeypatch.delenv("CHAOSJC_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")
    assert default_state() == Path("/home/x/state/chaosjc")
