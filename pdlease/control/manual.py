"""
The parts of the manual pages pdleasectl(8) and dhcp6leasectl(8) that tell of command lines, written from the parsers
themselves.

The pages in C{docs/man} hold what L{commands} and L{flags} return, and a test compares the two; the script
C{docs/write_manual.py} puts it there.  The programs never import this.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from pdlease.config.manual import BEGIN, END, bold, roff
from pdlease.control.blocking import DEFAULT_PATH


def flags(parser: argparse.ArgumentParser) -> str:
    """Every argument of a parser."""
    return "".join(f"{line}\n" for line in (BEGIN, *_arguments(_own(parser)), END))


def commands(parser: argparse.ArgumentParser) -> str:
    """Every command of a parser, with its arguments."""
    general = _own(parser)
    everywhere = {option for action in general for option in action.option_strings}
    lines = [BEGIN, ".SH OPTIONS", *_arguments(general), ".SH COMMANDS"]
    for name, command in subcommands(parser).items():
        own = [action for action in _own(command) if everywhere.isdisjoint(action.option_strings)]
        usage = map(_synopsis, sorted(own, key=lambda action: not action.option_strings))
        lines += [f".SS {' '.join((bold(name), *usage))}", roff(command.description or ""), *_arguments(own)]
    return "".join(f"{line}\n" for line in (*lines, END))


def subcommands(parser: argparse.ArgumentParser, before: str = "") -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, and theirs behind them, by name."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[f"{before}{name}"] = command
                found |= subcommands(command, f"{before}{name} ")
    return found


def _own(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser, without its commands and its help."""
    return [
        action
        for action in parser._actions
        if not isinstance(action, (argparse._SubParsersAction, argparse._HelpAction))
    ]


def _value(action: argparse.Action) -> str:
    """The value that an argument takes, as it is called in the page; empty for a flag."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "|".join(bold(str(choice)) for choice in action.choices)
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    return f"\\fI{roff(name)}\\fR"


def _synopsis(action: argparse.Action) -> str:
    """An argument as it stands in the line of its command."""
    if not action.option_strings:
        return f"[{_value(action)}]" if action.nargs == "?" else _value(action)
    option = " ".join(filter(None, (bold(action.option_strings[0]), _value(action))))
    return option if action.required else f"[{option}]"


def _arguments(actions: Iterable[argparse.Action]) -> Iterator[str]:
    """A paragraph for each argument that has something said of it."""
    for action in actions:
        if not action.help:
            continue
        yield ".TP"
        names = ", ".join(map(bold, action.option_strings))
        yield " ".join(filter(None, (names, _value(action))))
        # the environment of whoever writes the page is nobody else's
        default = DEFAULT_PATH if action.dest in ("control", "socket") else action.default
        said = action.help % {"default": default}
        yield f"{roff(said[:1].upper() + said[1:])}."
