"""Who acts, for the journal: what cannot be said by whoever calls."""

from __future__ import annotations

import os
import pwd

import pytest

from chaosjc.cli.state import who


@pytest.mark.parametrize(
    ("number", "sudo", "told"),
    [
        (1000, "", "ada"),
        (1000, "bob", "ada"),
        (0, "", "root"),
        (0, "ada", "ada by sudo"),
        (0, "root", "root"),
        (4711, "", "uid 4711"),
    ],
)
def test_who(monkeypatch: pytest.MonkeyPatch, number: int, sudo: str, told: str) -> None:
    accounts = {0: "root", 1000: "ada"}

    def account(uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((accounts[uid], "x", uid, uid, "", "/", "/bin/sh"))

    monkeypatch.setattr(os, "getuid", lambda: number)
    monkeypatch.setattr(pwd, "getpwuid", account)
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "alice")
    monkeypatch.setenv("SUDO_USER", sudo)
    assert who() == told
