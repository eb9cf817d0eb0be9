"""The program that VMs run, on this machine's own files and a systemctl that we made up."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
from pathlib import Path
from typing import Any

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


def mended(**wanted: list[Any]) -> list[list[str]]:
    """What failed."""
    nothing: dict[str, list[Any]] = {"accounts": [], "files": [], "units": []}
    return remote.mend(nothing | wanted)["failed"]


@pytest.mark.parametrize(
    ("password", "locked"), [("!", True), ("!$y$j9T$x", True), ("*", True), ("$y$j9T$x", False), ("", False)]
)
def test_an_account_is_told_by_shell_groups_and_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, locked: bool
) -> None:
    me = pwd.getpwuid(os.getuid())
    shadow = tmp_path / "shadow"
    shadow.write_text(f"somebody:$y$j9T$y:20000::::::\n{me.pw_name}:{password}:20000::::::\n")
    monkeypatch.setattr(remote, "SHADOW", str(shadow))
    groups = sorted(remote.group_of(each) for each in os.getgrouplist(me.pw_name, me.pw_gid))
    assert remote.look_at_account(me.pw_name) == {"shell": me.pw_shell, "groups": groups, "locked": locked}
    assert remote.look_at_account("nobody-is-called-so") is None


@pytest.mark.parametrize(
    ("there", "last"),
    [
        (None, ["useradd --create-home WANTED", "chown --recursive reader:reader ~reader"]),
        ({"shell": "/bin/bash"}, ["usermod --lock WANTED"]),
    ],
)
def test_an_account_is_made_or_changed(
    calls: Path, monkeypatch: pytest.MonkeyPatch, there: dict[str, str] | None, last: list[str]
) -> None:
    def look_at_account(name: str) -> dict[str, str] | None:
        return there

    monkeypatch.setattr(remote, "look_at_account", look_at_account)
    monkeypatch.setattr(os.path, "expanduser", str)
    for program in ("groupadd", "useradd", "usermod", "chown"):
        script = calls.parent / "bin" / program
        script.write_text('#!/bin/sh\necho "${0##*/} $@" >> "$CALLS"\n')
        script.chmod(0o755)
    account = {"name": "reader", "shell": "/bin/sh", "groups": ["systemd-journal"]}
    assert mended(accounts=[account]) == []
    wanted = "--gid reader --groups systemd-journal --shell /bin/sh reader"
    assert calls.read_text().splitlines() == [
        "groupadd --force reader",
        "groupadd --force systemd-journal",
        *(each.replace("WANTED", wanted) for each in last),
    ]


def test_an_account_that_cannot_be_made_is_named_with_the_command(calls: Path) -> None:
    script = calls.parent / "bin" / "groupadd"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    failed = mended(accounts=[{"name": "a b", "shell": "/bin/sh", "groups": []}])
    assert failed == [["account a b", "groupadd --force 'a b': exit code 3"]]


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
    assert mended(files=[file(path, "text", reloads="a.service")]) == []
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
    assert mended(units=["a.service"]) == []
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
    failed = mended(files=[file(tmp_path / "directory", "x"), file(tmp_path / "y", "y")], units=["broken.service"])
    assert [what for what, _ in failed] == [str(tmp_path / "directory"), "broken.service"]
    enable = "systemctl add-wants multi-user.target broken.service"
    assert failed[1][1] == f"{enable}: Unit broken.service does not exist"
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
    answer = remote.look({"accounts": [], "files": [], "units": []})
    assert (answer["starting"], answer["errors"]) == (starting, errors)
