"""Where a secret lies: a file of people names the place, and never has the secret itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from chaosjc.spec.model import Model

LONGEST = 64 * 1024  # characters


class SecretSource(Model):
    """A file, or a variable of whoever runs chaosjc."""

    file: str = ""
    env: Annotated[str, StringConstraints(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.file) == bool(self.env):
            raise ValueError("expected `file: PATH` or `env: NAME`")
        return self

    def beside(self, directory: Path) -> Self:
        """With its file, which is seen from `directory`, as it is seen from anywhere."""
        if not self.file:
            return self
        return self.model_copy(update={"file": os.path.abspath(directory / Path(self.file).expanduser())})

    def read(self) -> str:
        """The secret, without the newline at its end; empty where the variable is not set.

        Raises ValueError, in a person's words, where the file has none.
        """
        if self.env:
            return os.environ.get(self.env, "")
        try:
            text = Path(self.file).expanduser().read_text(encoding="utf-8").strip("\r\n")
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.file}: {getattr(error, 'strerror', '') or 'is not UTF-8 text'}") from None
        if not text.strip() or len(text) > LONGEST:
            raise ValueError(f"{self.file}: expected a secret, found {len(text)} characters")
        return text
