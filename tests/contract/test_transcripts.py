"""docs/first-steps.md says what the commands print today, but for times, numbers and names of machine and user."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from docs.transcripts import FILE, scenes

pytestmark = pytest.mark.timeout(180)


def plain(said: str) -> str:
    """Without what differs from one day to another: figures, columns that are as wide as those, who and where."""
    said = re.sub(r"(?m)^[\d:.]+ (held|no data|violated) .*\n", "", said)  # a busy machine has looked at other moments
    said = re.sub(r"by \S+?:\d+:", "by machine:", said)
    said = re.sub(r"halted by \S+:", "halted by me:", said)
    said = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}|\d{1,2} [A-Z][a-z]{2} \d{2}:\d{2}:\d{2}|[\d.:]+", "#", said)
    return re.sub(r"[ \n]+", " ", said.replace(" (# s)", ""))  # told where a phase was long enough to be


def test_the_document_says_what_is_printed() -> None:
    written = FILE.read_text()
    with tempfile.TemporaryDirectory(prefix="chaosjc-docs-") as state:  # a longer path would be folded elsewhere
        for scene in scenes(Path(state)):
            assert plain(str(scene)) in plain(written), "python -m docs.transcripts writes it anew"
