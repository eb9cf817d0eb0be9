"""The program that VMs run, on this machine's own files and a systemctl that we made up."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
from pathlib import Path

import pytest

from chaosjc.site import remote

ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> "$CALLS"
case "$1 $2 $3" in
  "add-wants multi-user.target broken.service") echo "Unit broken.service does not exist" >&2; exit 1 ;;
  show*)
    [ "$3" = a.service ] && printf 'Id=a.service\\nActiveState=active\\nUnitFileState=enabled\\nDropInPaths=\\n'
    [ "$3" = broken.service ] && printf 'Id=broken.service\\nActiveState=inactive\\nUnitFileState=\\nDropInPaths=\\n'
    [ -n "$4" ] && printf '\\nId=b.service\\nActiveState=failed\\nUnitFileState=masked\\nDropInPaths=%s %s\\n' \\
      /etc/systemd/system/b.service.d/x.conf /lib/systemd/system/b.service.d/y.conf ;;
esac
exit 0
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "systemctl"
    script.write_text(SYSTEMCTL)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(remote, "LOCK", str(tmp_path / "lock"))
    return tmp_path / "calls"


def file(path: Path, content: str, **more: str) -> dict[str, str]:
    return {"path": str(path), "content": content, "mode": "0640", "owner": ME, "reloads": "", "restarts": ""} | more


def test_a_file_is_told_by_content_mode_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert remote.look_at_file(str(path)) is None
    path.write_text("text")
    path.chmod(0o640)
    digest = hashlib.sha256(b"text").hexdigest()
    assert remote.look_at_file(str(path)) == {"digest": digest, "mode": "0640", "owner": ME}
    (tmp_path / "link").symlink_to(path)
    link = remote.look_at_file(str(tmp_path / "link"))
    assert link
    assert link["digest"] == "no regular file"


def test_mending_a_file_makes_it_what_look_expects(tmp_path: Path, calls: Path) -> None:
    path = tmp_path / "new" / "x"
    assert remote.mend({"files": [file(path, "text", reloads="a.service")], "units": []}) == {"failed": []}
    assert remote.look_at_file(str(path)) == {
        "digest": hashlib.sha256(b"text").hexdigest(),
        "mode": "0640",
        "owner": ME,
    }
    assert os.listdir(path.parent) == ["x"]
    assert calls.read_text().splitlines() == ["daemon-reload", "reload-or-restart a.service"]


def test_units_are_told_with_the_drop_ins_that_somebody_gave_them(calls: Path) -> None:
    assert remote.look_at_units(["a.service", "b.service"]) == {
        "a.service": {"enabled": "enabled", "active": "active", "drop_ins": []},
        "b.service": {
            "enabled": "masked",
            "active": "failed",
            "drop_ins": ["/etc/systemd/system/b.service.d/x.conf"],
        },
    }


def test_a_unit_is_enabled_and_started(calls: Path) -> None:
    assert remote.mend({"files": [], "units": ["a.service"]}) == {"failed": []}
    assert [each for each in calls.read_text().splitlines() if not each.startswith("show")] == [
        "reset-failed a.service",
        "daemon-reload",
        "add-wants multi-user.target a.service",
        "start a.service",
    ]


def test_what_a_unit_left_behind_is_found_but_never_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/proc/300/stat": "300 (python3) S 200 0", "/proc/200/stat": "200 (sshd: (a) b) S 100 0"}
    texts["/proc/100/stat"] = "100 (sshd) S 1 0"
    texts["/sys/fs/cgroup/systemd/system.slice/ssh.service/cgroup.procs"] = "100\n200\n"

    def read(path: str) -> str:
        return texts.get(path, "")

    monkeypatch.setattr(remote, "read", read)
    monkeypatch.setattr(os, "getpid", lambda: 300)
    assert remote.leftovers("ssh.service") == {100}


def test_what_fails_is_named_and_the_rest_goes_on(tmp_path: Path, calls: Path) -> None:
    (tmp_path / "directory").mkdir()
    answer = remote.mend(
        {"files": [file(tmp_path / "directory", "x"), file(tmp_path / "y", "y")], "units": ["broken.service"]}
    )
    assert [what for what, _ in answer["failed"]] == [str(tmp_path / "directory"), "broken.service"]
    assert answer["failed"][1][1] == "Unit broken.service does not exist"
    assert (tmp_path / "y").read_text() == "y"


@pytest.mark.parametrize(
    ("text", "starting", "errors"),
    [("", True, []), ('{"v1": {"errors": []}}', False, []), ('{"v1": {"errors": ["bad"]}}', False, ["bad"])],
)
def test_cloud_init_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, starting: bool, errors: list[str]
) -> None:
    monkeypatch.setattr(remote, "CLOUD_INIT", str(tmp_path / "result.json"))
    if text:
        (tmp_path / "result.json").write_text(text)
    answer = remote.look({"files": [], "units": []})
    assert (answer["starting"], answer["errors"]) == (starting, errors)
