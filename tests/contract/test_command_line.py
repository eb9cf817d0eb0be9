"""The command as a person meets it: help, exit codes, and errors without tracebacks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from chaosjc import __version__
from chaosjc.cli.files import experiment_files, parse_settings
from chaosjc.cli.main import VERBS
from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.errors import UsageError
from chaosjc.journal.store import Store
from tests.unit.report import journals

ROOT = Path(__file__).parents[2]
GOOD = """\
apiVersion: chaosjc/v1
kind: Experiment
name: good
hypotheses:
  - {command: ["true"], every: 200ms}
faults:
  - {fault: command, inject: ["true"], undo: ["true"], verify: ["true"], duration: 100ms}
baseline: 2s
settle: 2s
"""


def chaosjc(state: Path, *arguments: str) -> Completed:
    done = command.run(
        [sys.executable, "-m", "chaosjc.cli.main", *arguments],
        check=False,
        env={"CHAOSJC_STATE": str(state), "COLUMNS": "120"},
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_help_names_every_verb(tmp_path: Path) -> None:
    done = chaosjc(tmp_path, "--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(tmp_path: Path, verb: str) -> None:
    done = chaosjc(tmp_path, verb, "--help")
    assert done.returncode == 0
    assert f"chaosjc.cli.main {verb}" in done.stdout


def test_help_imports_no_heavy_client(tmp_path: Path) -> None:
    probe = (
        "import sys; sys.argv = ['chaosjc', '--help']\n"
        "from chaosjc.cli import main\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('openstack', 'httpx', 'pydantic', 'yaml', 'promql_parser') if m in sys.modules])"
    )
    done = command.run([sys.executable, "-c", probe], env={"CHAOSJC_STATE": str(tmp_path)}, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_without_a_site_imports_no_openstack() -> None:
    probe = (
        "import sys\n"
        "import chaosjc.engine.session, chaosjc.cli.run\n"
        "print([m for m in ('openstack', 'httpx', 'promql_parser', 'matplotlib') if m in sys.modules])"
    )
    assert command.run([sys.executable, "-c", probe], cwd=ROOT).stdout.strip() == "[]"


class TestExitCodes:
    def test_an_unknown_verb_is_usage(self, tmp_path: Path) -> None:
        assert chaosjc(tmp_path, "brake").returncode == 2

    def test_a_bad_file_is_2_with_every_error(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.yaml"
        bad.write_text(GOOD.replace("duration: 100ms", "duration: 5").replace("hypotheses", "hypothesis"))
        done = chaosjc(tmp_path, "run", str(bad))
        assert done.returncode == 2
        assert f"{bad}:4:1" in done.stderr and 'did you mean "hypotheses"?' in done.stderr
        assert f"{bad}:7:" in done.stderr and "write 5s" in done.stderr

    def test_a_missing_file_is_2(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "run", str(tmp_path / "nowhere.yaml"))
        assert done.returncode == 2
        assert "nowhere.yaml" in done.stderr

    def test_a_pass_is_0_and_prints_one_object(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        done = chaosjc(tmp_path, "run", str(tmp_path / "good.yaml"), "--json", "--seed", "5")
        assert done.returncode == 0, done.stderr
        run = json.loads(done.stdout)
        assert (run["schema"], run["verdict"], run["seed"], run["state"]) == (1, "PASS", 5, "closed")
        shown = json.loads(chaosjc(tmp_path, "runs", "show", run["run"], "--json").stdout)
        assert shown == run, "the verdict follows from the journal"
        listed = json.loads(chaosjc(tmp_path, "runs", "list", "--json").stdout)
        assert [each["run"] for each in listed] == [run["run"]]

    def test_halted_is_4_until_resumed(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        assert chaosjc(tmp_path, "halt", "--reason", "exam").returncode == 0
        refused = chaosjc(tmp_path, "run", str(tmp_path / "good.yaml"), "--dry-run")
        assert refused.returncode == 4 and "exam" in refused.stdout
        assert chaosjc(tmp_path, "resume", "--reason", "over").returncode == 0
        assert chaosjc(tmp_path, "run", str(tmp_path / "good.yaml"), "--dry-run").returncode == 0

    def test_a_dry_run_leaves_nothing_behind(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        state = tmp_path / "state"
        done = chaosjc(state, "run", str(tmp_path / "good.yaml"), "--dry-run", "--json", "--state", str(tmp_path / "s"))
        told = json.loads(done.stdout)
        assert (done.returncode, told["would_start"], told["guards"]["halted"]) == (0, True, None)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["good.yaml"]

    def test_a_dry_run_beside_a_journal_leaves_that_as_it_is(self, tmp_path: Path) -> None:
        """With a run in it whose process died, of which it looks whether it lives."""
        (tmp_path / "good.yaml").write_text(GOOD)
        with Store(tmp_path / "local" / "journal.db") as store:
            store.append(journals.planned(), "dead")
        before = sorted(tmp_path.rglob("*"))
        assert chaosjc(tmp_path, "run", str(tmp_path / "good.yaml"), "--dry-run").returncode == 4
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_dry_run_shows_what_the_run_does(self, tmp_path: Path) -> None:
        """Each time of each file with a seed of its own."""
        (tmp_path / "good.yaml").write_text(GOOD)
        (tmp_path / "again.yaml").write_text(GOOD.replace("name: good", "name: again"))
        words = [str(tmp_path / "good.yaml"), str(tmp_path / "again.yaml"), "--repeat", "2", "--seed", "5", "--json"]
        told = [
            json.loads(line)["planned"] for line in chaosjc(tmp_path, "run", *words, "--dry-run").stdout.splitlines()
        ]
        done = [json.loads(line) for line in chaosjc(tmp_path, "run", *words).stdout.splitlines()]
        assert [each["seed"] for each in told] == [5, 6, 7, 8]
        assert [(each["experiment"], each["seed"]) for each in told] == [(e["experiment"], e["seed"]) for e in done]

    def test_a_dry_run_says_that_no_undo_was_tried(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        words = ["run", str(tmp_path / "good.yaml"), "--dry-run"]
        assert "each undo can be done is tried by the run" in " ".join(chaosjc(tmp_path, *words).stdout.split())
        assert json.loads(chaosjc(tmp_path, *words, "--json").stdout)["undo_tried"] is False

    def test_a_halt_holds_for_a_site_that_no_run_has_touched_yet(self, tmp_path: Path) -> None:
        (tmp_path / "site" / "new").mkdir(parents=True)
        assert "site/new" in chaosjc(tmp_path, "halt", "--reason", "exam").stdout
        with Store(tmp_path / "site" / "new" / "journal.db") as store:
            assert store.halted()

    def test_halt_and_resume_are_objects_too(self, tmp_path: Path) -> None:
        halted = json.loads(chaosjc(tmp_path, "halt", "--reason", "exam", "--json").stdout)
        assert halted == {"halted": [f"{tmp_path}/local"]}
        resume = ("resume", "--reason", "over", "--json")
        told = json.loads(chaosjc(tmp_path, *resume).stdout)
        (resumed,) = told["resumed"]
        assert (resumed["state"], resumed["why"]) == (f"{tmp_path}/local", "exam")
        assert told["everything"] == {"who": resumed["who"], "why": "exam"}
        assert json.loads(chaosjc(tmp_path, *resume).stdout) == {"resumed": []}

    def test_a_halt_reaches_a_state_directory_that_only_a_run_has_named(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        elsewhere = tmp_path / "srv"
        for _ in range(2):
            chaosjc(tmp_path / "state", "run", str(tmp_path / "good.yaml"), "--state", str(elsewhere))
        done = chaosjc(tmp_path / "state", "halt", "--reason", "exam")
        assert done.stdout.splitlines().count(f"halted: {elsewhere}") == 1

    def test_one_journal_that_fails_does_not_keep_the_others_from_being_halted(self, tmp_path: Path) -> None:
        (tmp_path / "local").mkdir()
        (tmp_path / "local" / "journal.db").write_bytes(b"garbage" * 1000)
        (tmp_path / "site" / "new").mkdir(parents=True)
        done = chaosjc(tmp_path, "halt", "--reason", "exam")
        assert done.returncode == 70, "1 would say FAIL"
        assert "NOT halted" in done.stderr and "halted: " in done.stdout

    def test_with_json_an_error_is_an_object_too(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "run", str(tmp_path / "nowhere.yaml"), "--json")
        assert done.returncode == 2
        assert "nowhere.yaml" in json.loads(done.stdout)["errors"][0]

    def test_nothing_owed_is_0(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "recover")
        assert (done.returncode, done.stdout) == (0, "nothing is owed\n")

    def test_an_unknown_run_is_2(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "runs", "show", "x")
        assert done.returncode == 2 and "no run x" in done.stderr

    def test_abandoning_needs_a_reason(self, tmp_path: Path) -> None:
        assert chaosjc(tmp_path, "recover", "--abandon", "f1.local").returncode == 2

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_state_that_cannot_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        assert chaosjc(tmp_path, "halt", "--reason", "x").returncode == 70

    def test_a_damaged_journal_injects_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(GOOD)
        (tmp_path / "local").mkdir()
        (tmp_path / "local" / "journal.db").write_bytes(b"garbage" * 1000)
        done = chaosjc(tmp_path, "run", str(tmp_path / "good.yaml"))
        assert done.returncode == 70, "1 would say FAIL, and nothing was measured"
        assert "journal" in done.stderr and "Nothing was injected" in done.stderr


class TestFirstSteps:
    """What somebody meets who has just installed it."""

    def test_which_version(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "--version")
        assert (done.returncode, done.stdout) == (0, f"chaosjc {__version__}\n")

    def test_a_mistyped_command(self, tmp_path: Path) -> None:
        done = chaosjc(tmp_path, "chek")
        assert done.returncode == 2 and 'did you mean "check"?' in done.stderr

    def test_a_verb_offers_no_completion_of_its_own(self, tmp_path: Path) -> None:
        assert "completion" not in chaosjc(tmp_path, "check", "--help").stdout

    @pytest.mark.parametrize("words", [("run",), ("chek",), ("schedule", "preview"), ("run", "x", "--seed", "y")])
    def test_a_mistake_in_the_arguments_is_an_object_too(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        done = chaosjc(tmp_path, *words, "--json")
        assert done.returncode == 2 and len(json.loads(done.stdout)["errors"]) == 1

    def test_resuming_what_was_not_halted_is_said(self, tmp_path: Path) -> None:
        assert chaosjc(tmp_path, "resume", "--reason", "over").stdout == "nothing was halted\n"

    def test_a_run_whose_process_died_is_not_under_way(self, tmp_path: Path) -> None:
        journal = tmp_path / "local" / "journal.db"
        with Store(journal) as store:
            for run in ("dead", "living"):
                store.append(journals.planned(), run)
        with Locks(journal).held(run_lock("living")):
            listed = chaosjc(tmp_path, "runs", "list").stdout
        dead, _, living = listed.partition("living")
        assert "its process died" in dead and "under way" not in dead
        assert "under way" in living and "its process died" not in living


class TestFiles:
    def test_a_directory_stands_for_its_files(self, tmp_path: Path) -> None:
        for name in ("b.yaml", "a.yml", "notes.txt"):
            (tmp_path / name).touch()
        assert experiment_files([tmp_path]) == [tmp_path / "a.yml", tmp_path / "b.yaml"]

    def test_an_empty_directory_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no YAML file"):
            experiment_files([tmp_path])

    def test_settings_are_read_as_in_a_file(self) -> None:
        assert parse_settings(["a=3", "b=true", "c=15s", "d=x=y"]) == {"a": 3, "b": True, "c": "15s", "d": "x=y"}

    def test_a_setting_without_a_value(self) -> None:
        with pytest.raises(UsageError, match="expected K=V"):
            parse_settings(["a"])


def test_every_file_of_ours_is_right(tmp_path: Path) -> None:
    done = chaosjc(tmp_path, "check", "experiments", "experiments/local", "schedules", "sites")
    assert done.returncode == 0, done.stderr
