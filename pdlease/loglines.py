"""
What a log event looks like as a line: for people, for the journal, as JSON.

Which events are shown is L{pdlease.logs} and L{pdlease.observers}, and so is where the lines go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from json import dumps
from typing import Any

from twisted.logger import LogLevel, formatEvent, formatTime

LONGEST = 2000
"""Characters of a sentence or of a field that are shown; a network may send more."""

SEVERITIES = {LogLevel.debug: 7, LogLevel.info: 6, LogLevel.warn: 4, LogLevel.error: 3, LogLevel.critical: 2}
"""The numbers of syslog(3) for Twisted's levels."""

_WORDS = {LogLevel.warn: "warning: ", LogLevel.error: "error: ", LogLevel.critical: "critical: "}

# what Twisted adds to every event for observers of old
_OF_OLD = frozenset(("format", "isError", "message", "printed", "system", "time", "why"))

# fields whose text needs no name before it
_SPEAKING = frozenset(("message", "text"))

_OURS = frozenset(("time", "level", "source", "text", "traceback"))


def plain(text: str, most: int = LONGEST) -> str:
    """
    The text on one line and without what a terminal would obey: line ends become blanks, control characters and halves
    of characters are written out.

    @param most: how many characters are kept.
    """
    cut = text if len(text) <= most else text[:most] + "..."
    if cut.isprintable():
        return cut
    # repr and no codec: that would be imported when it is needed, which is behind the sandbox
    return "".join(one if one.isprintable() else " " if one in "\n\t" else repr(one)[1:-1] for one in cut.strip("\n"))


def sentence_of(event: Mapping[str, Any]) -> str:
    """What an event says, on one line."""
    fields = event.get("fields")
    if not isinstance(fields, Mapping):
        return plain(formatEvent(dict(event)))
    told = _in_words(fields, "; ")
    sentence = plain(formatEvent({**event, "fields": told}))
    return sentence if told else sentence.removesuffix(": ")


def _in_words(fields: Mapping[Any, Any], between: str) -> str:
    """A table of fields for people: its texts as they are, the others with their names; what is empty is left out."""
    words = []
    for name, value in fields.items():
        if text := _word(value):
            words.append(text if name in _SPEAKING else f"{str(name).replace('_', ' ')} {text}")
    return between.join(words)


def _word(value: Any) -> str:
    """A value for people, whatever is in it."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _in_words(value, " ")
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value))
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def traceback_of(event: Mapping[str, Any]) -> str:
    """The traceback that came with an event; empty if none did."""
    failure = event.get("log_failure")
    if failure is None:
        return ""
    try:
        return str(failure.getTraceback()).rstrip()
    except Exception as problem:
        return f"(no traceback: {type(problem).__name__})"


def severity_of(event: Mapping[str, Any]) -> int:
    """The number of syslog(3) for an event."""
    return SEVERITIES.get(event.get("log_level"), 6)


def text_lines(event: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people: when, how bad where it is bad, what; a traceback follows, indented."""
    yield f"{formatTime(event.get('log_time'))} {_WORDS.get(event.get('log_level'), '')}{sentence_of(event)}"
    for line in traceback_of(event).splitlines():
        yield "  " + plain(line)


def journal_lines(event: Mapping[str, Any]) -> Iterator[str]:
    """Lines for the journal, which knows the time itself and takes the severity off: sd-daemon(3)."""
    mark = f"<{severity_of(event)}>"
    yield mark + sentence_of(event)
    for line in traceback_of(event).splitlines():
        yield f"{mark}  {plain(line)}"


def json_lines(event: Mapping[str, Any]) -> Iterator[str]:
    """
    One flat JSON object: C{time} (seconds since 1970), C{level}, C{source}, C{text}, C{traceback} where there is one,
    and each field of the event under its own name; one that would have such a name gets an underscore behind it.  What
    holds more than one value is told in words, with commas between.
    """
    level = event.get("log_level")
    document: dict[str, Any] = {
        "time": event.get("log_time"),
        "level": level.name if level is not None else "info",
        "source": event.get("log_namespace", ""),
        "text": sentence_of(event),
    }
    traceback = traceback_of(event)
    if traceback:
        document["traceback"] = traceback
    for name, value in _flat(event):
        document[f"{name}_" if name in _OURS else name] = value
    yield dumps(document)


def _flat(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of an event; those that a table holds stand beside the others."""
    for name, value in event.items():
        if name.startswith("log_") or name in _OF_OLD:
            continue
        if isinstance(value, Mapping):
            for inner, one in value.items():
                yield str(inner), _shown(one)
        else:
            yield name, _shown(value)


def _shown(value: Any) -> Any:
    """A single value that JSON has, or words: a list or a table would be no flat object's."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return plain(_word(value))


LINES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "text": text_lines,
    "journal": journal_lines,
    "json": json_lines,
}
"""The forms that there are, by the words of C{--log-format}."""
