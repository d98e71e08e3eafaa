"""Running pdleasectl in tests, and what came of it."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any

from jsonschema import validate

from pdlease.control.cli import main


def schema(name: str) -> Any:
    """One of the schemas that are shipped."""
    return json.loads((files("pdlease.control") / "schemas" / f"{name}.json").read_text())


class Outcome:
    """What a run of pdleasectl came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self, name: str) -> Any:
        """The answer, which must be one JSON document of this schema."""
        document = json.loads(self.out)
        validate(document, schema(name))
        return document

    def error(self) -> dict[str, Any]:
        """The error, which must be all that was printed."""
        assert self.err == "", self.err
        error: dict[str, Any] = self.json("error")["error"]
        return error


def run(*arguments: str) -> Outcome:
    """Run pdleasectl."""
    out, err = io.StringIO(), io.StringIO()
    code = main(arguments, out, err, {})
    return Outcome(code, out.getvalue(), err.getvalue())
