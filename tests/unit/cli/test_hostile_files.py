"""`chaosjc check` on whatever bytes: a verdict on the file, 0 or 2, and never an error of ours."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosjc.cli import main
from chaosjc.spec.problems import MAX_TOLD
from chaosjc.spec.reader import MAX_BYTES

ROOT = Path(__file__).parents[3]
REAL = [path.read_bytes() for kind in ("experiments", "schedules", "sites") for path in (ROOT / kind).rglob("*.yaml")]

WAVES = sorted((ROOT / "tests" / "cases" / "spec" / "waves").glob("*.yaml"))

# What YAML, Python, a regular expression or our own grammar may trip over.
HOSTILE = [
    b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", "\u2028".encode(), b"\\ud800", b'"\\ud800"', b"&a ", b"*a",
    b"<<: *a", b"!!python/object:os.system ", b"!", b"|", b">-", b"---\n", b"...\n", b"%YAML 9.9\n", b"? ", b": ",
    b"- ", b"[" * 60, b"{a: " * 60, b"]", b"}", b"'", b'"', b"#", b"yes", b"on", b"1:30", b"0x" + b"f" * 400, b"9" *
    5000, b"1e999", b".nan", b"-.inf", b"null", b"~", b"$", b"${", b"$$", b"$targets", b"$x", b"matches (a+)+",
    b"matches (", b"matches [\\d", b"in [", b"between 9 and 1", b"within 900% of before", b"== 1e999", b"<= 15",
    b"-1s", b"1s1m", b"101%", b"http://[::1", b"{{", b"sum(", b"up{", b"2026-02-30", b"Europe/Nowhere",
    b"../../../etc", b"/dev/zero", b"x" * 5000,
]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What a call of `chaosjc` said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Told]:
    """`chaosjc check WORDS`, in this process."""
    state = str(tmp_path_factory.mktemp("state"))

    def call(*words: str | Path) -> Told:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setenv("CHAOSJC_STATE", state)
            patch.setattr(sys, "argv", ["chaosjc", "check", *map(str, words)])
            with pytest.raises(SystemExit) as ended:
                main.main()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a file of ours would be: what one names beside itself is there."""
    root = tmp_path_factory.mktemp("files")
    for kind in ("experiments", "schedules", "sites"):
        (root / kind).symlink_to(ROOT / kind)
    (root / "tried").mkdir()
    return root / "tried" / "x.yaml"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file in which a few things were cut, doubled, moved, or replaced by something hostile."""
    content = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
        end = min(end, start + draw(st.sampled_from([0, 1, 8, 200])))
        middle = draw(st.sampled_from([b"", content[start:end] * 2, *HOSTILE]) | st.binary(max_size=4))
        content = content[:start] + middle + content[end:]
    return content


@st.composite
def retyped(draw: st.DrawFn) -> bytes:
    """A real file in which the values of some lines are others."""
    lines = draw(st.sampled_from(REAL)).splitlines()
    for at in draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=4)):
        key, colon, _ = lines[at].partition(b": ")
        value = draw(st.sampled_from([b"", b"3", b"-1", b"true", b"[1, a]", b"{a: 1}", b"[[]]", b'"3"', *HOSTILE]))
        lines[at] = key + (colon or b": ") + value
    return b"\n".join(lines)


@given(content=st.one_of(st.binary(max_size=400), mutated(), retyped()))
@settings(max_examples=int(os.environ.get("CHAOSJC_FUZZ", "150")), suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_bytes_it_is_0_or_2(check: Callable[..., Told], file: Path, content: bytes) -> None:
    file.write_bytes(content)
    told = check(file)
    assert told.code in (0, 2), told.err
    assert "Traceback" not in told.err and "internal error" not in told.err
    if told.code == 2:
        lines = told.err.removeprefix("chaosjc: ").splitlines()
        assert lines and all(line.startswith(("/", "\\")) for line in lines), "each error names its file, in one line"


def links_to_itself(path: Path) -> None:
    path.symlink_to(path)


def links_to(other: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(other)


def holds(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def is_a_pipe(path: Path) -> None:
    os.mkfifo(path)


def is_empty(path: Path) -> None:
    path.mkdir()


def listens(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def is_large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[" * MAX_BYTES)
        file.truncate(50 * MAX_BYTES)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (is_a_pipe, "it is a pipe, not a file"),
        (links_to_itself, "Too many levels of symbolic links"),
        (listens, "it is a socket, not a file"),
        (is_large, "larger than 1024 KiB"),
        (is_empty, "holds no YAML file"),
        (links_to("/dev/zero"), "it is a device, not a file"),
        (links_to("nowhere"), "No such file or directory"),
        (holds("kind: Site".encode("utf-16")), "it looks like UTF-16: save it as UTF-8"),
        (holds(b"[" * MAX_BYTES), "exceeded maximum nesting depth (write it less deeply)"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_ours_is_said(
    check: Callable[..., Told], tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "x.yaml"
    make(path)
    told = check(path)
    assert told.code == 2 and f"{path}" in told.err and said in told.err


BOMB = f"vars: {{a: {'x' * 400_000}}}\n"
REST = "hypotheses: [{promql: up, expect: '== 1'}]\nfaults: [{fault: command, inject: [x], irreversible: y}]\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("baseline: '" + "1" * 50_000 + "s'", ":6:11: baseline: expected a duration"),
        ("hypotheses: [{promql: up, expect: 'matches (.*a){9}(b'}]", "bad regular expression: missing )"),
        ("observe: [{promql: '" + "up+" * 500 + "up'}]", ":6:11: observe[0]: PromQL 'up+up+"),
        ("observe: [{promql: '" + "(" * 1000 + "up'}]", "more than 200 operators and brackets"),
        ("observe: [{promql: '" + "-" * 9000 + "up'}]", "more than 200 operators and brackets"),
        ("observe: [{http: 'http://[::1'}]", ":6:18: observe[0].http: no URL: Invalid IPv6 URL"),
        (BOMB + "description: '" + "$a" * 20_000 + "'", ":7:19: description: with its variables filled in"),
        (BOMB + "observe: [" + "$a, " * 20_000 + "]", "with its variables filled in the file would be larger"),
        ("observe: [" + "*a, " * 50_000 + "]", f"and {50_000 - MAX_TOLD} more from here on"),
        ("".join(f"a{number}: 1\n" for number in range(5000)), f"and {5000 - MAX_TOLD} more from here on"),
        ("? " + "x" * 900_000 + "\n: 1", '["xxxxxxxxxx'),
        ("description: &" + "x" * 900_000 + " y", "anchors are refused: &xxxx"),
        ("observe: " + "[" * 2000, "exceeded maximum nesting depth (write it less deeply)"),
    ],
    ids=range(13),
)
def test_what_would_take_all_time_or_memory_is_refused_in_few_words(
    check: Callable[..., Told], tmp_path: Path, more: str, said: str
) -> None:
    path = tmp_path / "x.yaml"
    rest = REST.partition("\n")[2] if more.startswith("hypotheses") else REST
    path.write_text(f"apiVersion: chaosjc/v1\nkind: Experiment\nname: x\n{rest}{more}\n")
    told = check(path)
    assert told.code == 2 and f"{path}:" in told.err and said in told.err
    assert len(told.err) < 40_000
    assert json.loads(check("--json", path).out)["errors"] == told.err.removeprefix("chaosjc: ").splitlines()


@pytest.mark.parametrize("path", WAVES, ids=lambda path: path.stem)
def test_no_mistake_waits_for_another_to_be_mended(check: Callable[..., Told], path: Path) -> None:
    lines = check(path).err.removeprefix("chaosjc: ").replace(f"{path.parent}/", "").splitlines()
    assert lines == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


def test_a_name_that_is_too_long(check: Callable[..., Told], tmp_path: Path) -> None:
    told = check(tmp_path / ("x" * 300))
    assert told.code == 2 and "File name too long" in told.err


def test_no_name_steers_the_terminal(check: Callable[..., Told], tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J\u202ex.yaml"
    path.write_bytes(b"kind: !%1b%5b31m Site\n")
    told = check(path)
    assert told.code == 2 and "YAML tags are refused" in told.err
    assert not set("\x1b\u202e") & set(told.err)


def test_what_cannot_be_read_hides_no_error_of_another(check: Callable[..., Told], tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Experimant\n")
    (tmp_path / "empty").mkdir()
    told = check("--json", tmp_path / "empty", tmp_path / "missing.yaml", tmp_path / "bad.yaml")
    errors = json.loads(told.out)["errors"]
    assert told.code == 2
    assert {each.partition(":")[0] for each in errors} == {
        str(tmp_path / name) for name in ("empty", "missing.yaml", "bad.yaml")
    }
    assert any("holds no YAML file" in each for each in errors) and any("did you mean" in each for each in errors)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read(check: Callable[..., Told], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.touch(mode=0)
    (tmp_path / "d").mkdir(mode=0)
    told = check(path, tmp_path / "d", tmp_path / "d" / "y.yaml")
    assert told.code == 2 and told.err.count("Permission denied") == 3
