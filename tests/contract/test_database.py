"""The hub's database by a real PostgreSQL: made, dumped as a worker does, lost, and made again from the dump."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.errors import CommandError
from chaosjc.site.secrets import Secrets
from chaosjc.site.stages import database, hub

BIN = Path("/usr/lib/postgresql/15/bin")
SECRETS = Secrets("SESAME", "00", "", "", "")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not BIN.exists(), reason="it needs PostgreSQL 15, and root to become its user"
)


@dataclass(frozen=True)
class Server:
    """One below a directory, on a socket of its own; the hub enters over that too, by its password."""

    root: Path

    def shell(self, script: str, stdin: str = "") -> str:
        """A script of the stage, with the socket's place for the site's."""
        here = script.replace("/run/postgresql", str(self.root))
        return command.run(["sh", "-ec", here], stdin=stdin).stdout

    def admin(self, statements: str) -> str:
        return self.shell(" ".join(database._PSQL), statements).strip()

    def as_hub(self, *argv: str) -> str:
        password = self.root / "password"
        password.write_text("*:*:hub:hub:SESAME\n")
        password.chmod(0o600)
        words = [argv[0], f"--host={self.root}", "--username=hub", "--no-password", *argv[1:], "hub"]
        return command.run(words, env={"PGPASSFILE": str(password)}).stdout

    def make_account(self) -> None:
        self.admin(f"\\set verifier '{SECRETS.verifier()}'\n{hub._CREATE}")


@pytest.fixture
def server() -> Generator[Server]:
    root = Path(command.run(["mktemp", "-d", "/tmp/chaosjc-pg.XXXXXX"]).stdout.strip())
    (root / "hba").write_text("local all postgres peer\nlocal hub hub scram-sha-256\n")
    shutil.chown(root, "postgres")
    root.chmod(0o711)
    become = ["runuser", "-u", "postgres", "--"]
    options = f"-c hba_file={root}/hba -c listen_addresses= -c unix_socket_directories={root} -c fsync=off"
    pg_ctl = [*become, str(BIN / "pg_ctl"), "-D", f"{root}/data", "-w"]
    command.run([*become, str(BIN / "initdb"), "--auth=reject", "--no-sync", f"{root}/data"])
    command.run([*pg_ctl, "-o", options, "-l", f"{root}/log", "start"])
    try:
        yield Server(root)
    finally:
        command.run([*pg_ctl, "-m", "immediate", "stop"])
        shutil.rmtree(root)


def test_a_lost_database_comes_back_whole_or_not_at_all(server: Server) -> None:
    assert server.admin(database._IS_THERE) == "0"
    server.admin(database._NEW)
    server.admin(database._WHOLE)
    server.make_account()
    create = "create table users(id serial primary key, name text); insert into users(name) values ('ada'), ('bob')"
    server.as_hub("psql", "-qc", create)
    dump = server.root / "dump.sql.gz"
    server.as_hub(str(BIN / "pg_dump"), "--no-owner", "--no-acl", "--compress=6", f"--file={dump}")
    packed = dump.read_bytes()

    server.admin("drop database hub;")
    server.admin(database._NEW)
    with pytest.raises(CommandError, match="unexpected end of file"):
        server.shell(database._RESTORE, base64.b64encode(packed[:-20]).decode())
    assert server.admin(database._IS_THERE) == "0"
    server.admin(database._NEW)
    server.shell(database._RESTORE, base64.b64encode(packed).decode())
    server.admin(database._WHOLE)

    assert server.admin(database._IS_THERE) == "1"
    assert server.admin(hub._VERIFIER) == "", "stage hub has to make the account, and begins the hub anew"
    with pytest.raises(CommandError, match="password authentication failed"):
        server.as_hub("psql", "-c", "select 1")
    server.make_account()
    server.as_hub("psql", "-qc", "insert into users(name) values ('eve')")
    assert server.as_hub("psql", "-qAtc", "select id, name from users").split() == ["1|ada", "2|bob", "3|eve"]
