from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.spec.problems import Loc, Problems
from chaosjc.spec.reader import MAX_BYTES, MAX_DEPTH, Document, Place, load, parse, scalar
from chaosjc.spec.validate import validate
from chaosjc.spec.variables import substitute
from tests.unit.spec.sample import Experiment

TEXT = """\
# comment
name: x
hypotheses:
  - promql: up{a="b"}
    expect: "<= 15s"
  - {http: 'it''s', name: "tab\\tbed"}
folded: >
  one
  two
empty:
"""


def read(text: str) -> tuple[Document | None, list[str]]:
    problems = Problems()
    document = parse(text, "f", problems)
    return document, [str(problem) for problem in problems]


def good(text: str) -> Document:
    document, problems = read(text)
    assert not problems
    assert document
    return document


@pytest.mark.parametrize(
    ("loc", "key", "value"),
    [
        (("name",), (2, 1), (2, 7)),
        (("hypotheses",), (3, 1), (4, 3)),
        (("hypotheses", 0), (4, 5), (4, 5)),
        (("hypotheses", 0, "promql"), (4, 5), (4, 13)),
        (("hypotheses", 0, "expect"), (5, 5), (5, 13)),
        (("hypotheses", 1), (6, 5), (6, 5)),
        (("hypotheses", 1, "name"), (6, 21), (6, 27)),
        (("folded",), (7, 1), (7, 9)),
        (("empty",), (10, 1), (10, 7)),
        (("empty", "nothing", 3), (10, 7), (10, 7)),
        (("no such key",), (2, 1), (2, 1)),
        ((), (2, 1), (2, 1)),
    ],
)
def test_every_key_and_value_has_its_place(loc: Loc, key: Place, value: Place) -> None:
    document = good(TEXT)
    assert document.place(loc) == value
    assert document.key_place(loc) == key


@pytest.mark.parametrize(
    ("loc", "text", "offset", "place"),
    [
        (("hypotheses", 0, "promql"), 'up{a="b"}', 3, (4, 16)),
        (("hypotheses", 0, "expect"), "<= 15s", 3, (5, 17)),
        (("hypotheses", 1, "http"), "it's", 3, (6, 12)),
        (("hypotheses", 1, "name"), "tab\tbed", 3, (6, 27)),
        (("folded",), "one two\n", 4, (7, 9)),
        (("hypotheses", 0, "expect", "gone"), "gone", 1, (5, 13)),
        (("name",), "", 0, (2, 7)),
    ],
)
def test_a_place_within_a_value_is_exact_where_the_file_spells_it_alike(
    loc: Loc, text: str, offset: int, place: Place
) -> None:
    assert good(TEXT).place_within(loc, text, offset) == place


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("TRUE", True), ("false", False), ("null", None), ("~", None), ("", None), ("0", 0), ("-7", -7),
        ("+7", 7), ("0777", 777), ("0o17", 15), ("0xFf", 255), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0),
        (".inf", float("inf")), ("-.INF", float("-inf")),
        *[(text, text) for text in ("on", "off", "yes", "no", "y", "n", "tRue", "1:30", "1_000", "0b1", "2026-11-24",
                                    "=", "<<", "1e", ".", "-", "+", "e3", "0x", "inf", "nan", "\u0661", "1 ", "0o8")],
    ],
)  # fmt: skip
def test_the_core_schema_holds_no_surprises(text: str, value: object) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_and_block_scalars_are_text() -> None:
    data = good("a: '1'\nb: \"true\"\nc: |\n  3\n").data
    assert data == {"a": "1", "b": "true", "c": "3\n"}


def test_nesting_is_allowed_up_to_the_limit() -> None:
    def nested(levels: int) -> str:
        return "a: " + "[" * levels + "]" * levels

    good(nested(MAX_DEPTH - 1))
    document, problems = read(nested(MAX_DEPTH))
    assert document
    assert [problem.split(": ")[-1] for problem in problems] == [f"nested deeper than {MAX_DEPTH} levels"]


def test_a_byte_order_mark_and_windows_lines_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: xy\r\nb: 2\r\n")
    problems = Problems()
    document = load(path, problems)
    problems.check()
    assert document
    assert document.data == {"a": "xy", "b": 2}
    assert document.place_within(("a",), "xy", 1) == (1, 5)
    assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document.key_place(("a",)) == (1, 1)
    assert document.place(("b",)) == (2, 4)


def test_of_duplicates_the_first_counts_and_all_are_looked_through() -> None:
    document, problems = read("a: {x: 1}\na: {x: 2, y: *z}\n")
    assert document
    assert document.data == {"a": {"x": 1}}
    assert document.place(("a", "x")) == (1, 8)
    assert document.place(("a", "y")) == (1, 4)
    assert [problem.split(": ")[1:3] for problem in problems] == [
        ["a", "duplicate key, first in line 1"],
        ["a.y", "aliases are refused"],
    ]


@pytest.mark.parametrize(("size", "refused"), [(MAX_BYTES, False), (MAX_BYTES + 1, True), (50 * MAX_BYTES, True)])
def test_a_large_file_is_refused_and_never_read_to_its_end(tmp_path: Path, size: int, refused: bool) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.write(b"a: 1\n#")
        file.truncate(size)
    problems = Problems()
    load(path, problems)
    expected = "larger than 1024 KiB" if refused else "U+0000"
    assert [expected in problem.message for problem in problems] == [True]


def test_an_endless_file_is_refused() -> None:
    problems = Problems()
    assert load(Path("/dev/zero"), problems) is None
    assert [problem.message for problem in problems] == ["cannot be read: it is a device, not a file"]


def test_a_file_that_cannot_be_read_is_a_problem_of_its_own(tmp_path: Path) -> None:
    problems = Problems()
    assert load(tmp_path / "missing.yaml", problems) is None
    assert load(tmp_path, problems) is None
    assert [str(problem) for problem in problems] == [
        f"{tmp_path}/missing.yaml:1:1: cannot be read: No such file or directory",
        f"{tmp_path}:1:1: cannot be read: it is a directory, not a file",
    ]


YAML_LIKE = st.text(alphabet="ab:-?&*!|>'\"%@`{}[],# \t\n$~1.0xe<=\\é\x85\u2028\ufeff", max_size=80)


@given(
    st.binary(max_size=80) | YAML_LIKE.map(str.encode) | YAML_LIKE.map(lambda text: f"hypotheses:\n- {text}".encode())
)
def test_any_bytes_are_a_document_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    problems = Problems()
    document = load(path, problems)
    if document:
        document, _ = substitute(document, problems)
        validate(document, Experiment, problems)
    assert len(problems) > 0
    assert all(problem.message and "\n" not in str(problem) for problem in problems)
