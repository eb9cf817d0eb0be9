"""A site on the lab, used as a person does: by the command line, and by hand where something is to be broken."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.lab.layout import Lab
from chaosjc.site import context, model
from chaosjc.site.context import Context
from chaosjc.site.model import SiteFile
from tests.sites import cloud_file, lab_file

ROOT = Path(__file__).parents[2]


@contextmanager
def standing(name: str, of: Callable[[Path], DeployedSite]) -> Generator[DeployedSite]:
    """A site with a directory of its own, yet to be deployed; neither is left at the end."""
    directory = Path(tempfile.mkdtemp(prefix=f"chaosjc-{name}-", dir="/var/tmp"))
    site = of(directory)
    try:
        yield site
    finally:
        site.run("destroy")
        shutil.rmtree(directory)


def range_of(lab: Lab) -> str:
    """A network of this lab alone: a host can route a range to one network only, and several labs may be up."""
    return f"10.{100 + zlib.crc32(lab.tag.encode()) % 100}.0.0/24"


@dataclass(frozen=True)
class DeployedSite:
    """sites/lab.yaml on this lab's cloud, with keys and logs in `state`."""

    lab: Lab
    file: Path
    state: Path

    @classmethod
    def on(cls, lab: Lab, directory: Path, *, storage: bool = False) -> DeployedSite:
        """The file is written; nothing is deployed. By default it is the smaller site, without bricks and volumes."""
        return cls._of(lab_file(storage=storage), lab, directory)

    @classmethod
    def whole(cls, lab: Lab, directory: Path) -> DeployedSite:
        """The same of sites/jupytercloud.yaml."""
        return cls._of(cloud_file(), lab, directory)

    @classmethod
    def _of(cls, raw: dict[str, Any], lab: Lab, directory: Path) -> DeployedSite:
        raw["cloud"] = lab.cloud
        text = yaml.safe_dump(raw, sort_keys=False).replace(raw["network"]["cidr"], range_of(lab))
        file = directory / "site.yaml"
        file.write_text(text)
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.clouds)
        return cls(lab, file, directory / "state")

    @property
    def model(self) -> SiteFile:
        """The file, read."""
        return model.load(self.file)

    def context(self) -> Context:
        """For what the command line does not offer."""
        return context.open_site(self.model, state=str(self.state))

    def argv(self, verb: str) -> list[str]:
        """The command as a person gives it."""
        words = ["site", verb, str(self.file), "--state", str(self.state), "--json"]
        return [sys.executable, "-m", "chaosjc.cli.main", *words]

    def try_run(self, verb: str) -> Completed:
        """Run it, however it ends."""
        return command.run(self.argv(verb), timeout=400, check=False, cwd=ROOT)

    def run(self, verb: str, expect: int = 0) -> list[dict[str, Any]]:
        """Run it and read what it prints. Fails the test if it ends otherwise."""
        done = self.try_run(verb)
        assert done.returncode == expect, done.stdout + done.stderr
        return json.loads(done.stdout)

    def planned(self) -> set[str]:
        """`update file worker-001:/etc/hosts`: what a deploy would do."""
        return {f"{each['action']} {each['kind']} {each['name']}" for each in self.run("plan")}

    def broken(self) -> set[tuple[str, str]]:
        """(VM, thing): what the table of `site verify` complains about."""
        return {(each["vm"], each["what"]) for each in self.run("verify", expect=1) if not each["held"]}

    def ssh(self, host: str, words: str, *, config: str = "config") -> Completed:
        """As the operator; with config.reader as a reader."""
        return command.run(["ssh", "-F", str(self.state / "ssh" / config), host, words], check=False)

    def by_hand(self, host: str, words: str) -> None:
        """What somebody does on a VM; must succeed."""
        done = self.ssh(host, words)
        assert done.returncode == 0, f"{host}: {words}: {done.stdout}{done.stderr}"

    def told(self) -> str:
        """What a person would look at first when something takes too long: the log's end, and what differs."""
        log = (self.state / "log" / "deploy.log").read_text()[-3000:]
        return f"{log}\nplan: {self.try_run('plan').stdout}"
