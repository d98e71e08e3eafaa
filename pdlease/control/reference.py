"""
The generated part of C{docs/control.rst}: every command, argument, answer, error and limit.

It is made from the tables that the daemon itself works by (L{pdlease.control.vocabulary}, L{pdlease.control.errors}),
so that the page cannot be wrong about them; a test compares.  C{docs/write_control.py} writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import signature
from textwrap import wrap

from pdlease.control.blocking import Control
from pdlease.control.boxes import MAX_BOX, MAX_KEY, MAX_PAIRS, MAX_VALUE
from pdlease.control.errors import ERRORS
from pdlease.control.roles import Role
from pdlease.control.vocabulary import MORE, PAGE, WORDS, Closing, Field, Word

BEGIN = ".. Generated from here on by docs/write_control.py\n"

_WIDTH = 110


def reference() -> str:
    """Everything from L{BEGIN} on, as reStructuredText."""
    return BEGIN + "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield ""
    yield from _heading("Commands", "-")
    for word in WORDS:
        if not word.is_pushed:
            yield from _word(word)
    yield from _heading("What the daemon sends unasked", "-")
    for word in WORDS:
        if word.is_pushed:
            yield from _word(word)
    yield from _heading("Errors", "-")
    yield from _wrapped(
        "``_error_code`` is one of these; ``_error_description`` is a sentence for people.  The connection goes on.  "
        "Besides its own errors every command can have ``INVALID``, ``FAILED``, ``NOT_ALLOWED``, ``VERSION_MISMATCH`` "
        "and, with too many under way, ``REFUSED``."
    )
    yield ""
    for code, kind in sorted(ERRORS.items()):
        yield f"``{code}`` (exit code {kind.exit_code} of pdleasectl)"
        yield from _wrapped(_code(kind.__doc__ or ""), "    ")
    yield ""
    yield from _heading("Why a connection is ended", "-")
    yield from _wrapped("``Closing`` comes first with one of these as its ``reason``.")
    yield ""
    for reason in Closing:
        yield f"``{reason.name}``"
        yield from _wrapped(reason.value, "    ")
    yield ""
    yield from _heading("Bounds of a request", "-")
    yield from _wrapped(
        f"A key has at most {MAX_KEY} octets, a value {MAX_VALUE}, a box {MAX_PAIRS} pairs and {MAX_BOX} octets in all."
    )


def _word(word: Word) -> Iterator[str]:
    yield from _heading(word.name, "~")
    yield from _wrapped(_code(word.meaning))
    yield ""
    if not word.is_pushed:
        role = "any connection, as its first command" if word.role is None else _roles(word.role)
        method = methods().get(word.name)
        yield from _wrapped(f"For {role}." + (f"  In Python ``{method}``." if method else ""))
        yield ""
    yield from _fields("Arguments", word.arguments)
    if word.is_document:
        yield from _wrapped(f"Answer: a document in pages (``{PAGE.name}``, ``{MORE.name}``).")
        yield ""
    elif not word.is_pushed:
        yield from _fields("Answer", word.answer)
    if word.errors:
        yield from _wrapped(f"Errors of its own: {', '.join(f'``{code}``' for code in word.errors)}.")
        yield ""


def methods() -> dict[str, str]:
    """The method of both Python clients for each command that has one, by the command's name, with its types."""
    found = {}
    for word in WORDS:
        method = getattr(Control, re.sub("(?<=[a-z])(?=[A-Z])", "_", word.name).lower(), None)
        if method is not None:
            _, *parameters = signature(method).parameters.values()
            arguments = ", ".join(str(parameter).replace("'", "") for parameter in parameters)
            found[word.name] = f"{method.__name__}({arguments})"
    return found


def _roles(lowest: Role) -> str:
    return " and ".join(role.name.lower() for role in Role if role >= lowest)


def _fields(title: str, fields: tuple[Field, ...]) -> Iterator[str]:
    if not fields:
        yield f"{title}: none."
        yield ""
        return
    yield f"{title}:"
    yield ""
    for field in fields:
        optional = ", optional" if field.optional else ""
        yield f"``{field.name}`` ({field.kind.value}{optional})"
        yield from _wrapped(_code(field.meaning[0].upper() + field.meaning[1:] + "."), "    ")
    yield ""


def _heading(title: str, line: str) -> Iterator[str]:
    yield title
    yield line * len(title)
    yield ""


def _code(text: str) -> str:
    """Words in single back quotes and in epytext's C{} become literals."""
    words = " ".join(text.split()).replace("C{", "`").replace("}", "`") if "C{" in text else " ".join(text.split())
    return words.replace("`", "``")


def _wrapped(text: str, indent: str = "") -> Iterator[str]:
    yield from wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
