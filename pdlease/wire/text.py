"""
Text that a stranger sent, made fit for a log line and a terminal (R-18.2.9-11, B.9 rule 8).
"""

from __future__ import annotations

LONGEST_TEXT = 1024
"""Characters that are kept of one text."""


def plain_text(octets: bytes, longest: int = LONGEST_TEXT) -> str:
    """
    Decode UTF-8 from the network into one harmless line.

    Invalid sequences become U+FFFD, white space of any kind becomes a space, and whatever else does not print (control
    characters, escape sequences' ESC, changes of writing direction, private and unassigned characters) is left out.

    @param octets: what was received; only as much of it is looked at as can be needed.
    @param longest: characters to keep; a longer text ends in an ellipsis.
    """
    characters = [
        character if character.isprintable() else " "
        for character in octets[: 4 * longest + 4].decode("utf-8", "replace")
        if character.isprintable() or character.isspace()
    ]
    text = "".join(characters).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
