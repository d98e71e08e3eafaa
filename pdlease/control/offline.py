"""
C{pdleasectl check}, C{convert} and C{plan FILE}: what can be told from a configuration file alone, without a daemon and
without being root.

How the file is read and what is wrong in it is L{pdlease.config}.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from pdlease.control.errors import ControlError

if TYPE_CHECKING:
    from pdlease.config.errors import ConfigError
    from pdlease.config.model import Config


Forewarn = Callable[["Config"], Iterable[tuple[str, str]]]
"""Tells warnings about a configuration, each with its dotted path (L{pdlease.forewarning})."""


class ConfigurationError(ControlError):
    """
    The file cannot be used.

    @ivar errors: C{{"path", "message"}} of everything that is wrong.
    """

    code = "CONFIGURATION"
    exit_code = 2

    def __init__(self, message: str, errors: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.errors = errors


class UsageError(ControlError):
    """The command line asks for something that does not exist or does not fit together."""

    code = "USAGE"
    exit_code = 2


def load(path: str) -> Config:
    """
    Read a configuration file.

    @raise ConfigurationError: with everything that is wrong.
    """
    return _read(path)[1]


def _read(path: str) -> tuple[bytes, Config]:
    """The bytes of a configuration file and what they say."""
    from pdlease.config.errors import ConfigErrors
    from pdlease.config.load import load as understood

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as problem:
        words = problem.strerror or str(problem)
        raise ConfigurationError(f"{path}: {words}", [{"path": "", "message": words}]) from None
    try:
        return data, understood(data, path)
    except ConfigErrors as problem:
        raise ConfigurationError(
            str(problem), [{"path": error.path, "message": error.problem} for error in problem.errors]
        ) from None


def check(path: str, verbosity: int = 0, forewarn: Forewarn | None = None) -> dict[str, Any]:
    """
    The answer of C{check}: what is allowed but probably not meant.

    @param verbosity: 1 for the configuration as it was understood, in the form of the file; 2 for comments in it that
        tell the plan (seed-behaviour 2.7).
    @param forewarn: tells what the configuration would make of who this client is.
    @raise ConfigurationError: with everything that is wrong.
    """
    from pdlease.config.advice import advice

    data, config = _read(path)
    pieces = (*advice(config), *_unused(data, path))
    warnings = [{"path": piece.path, "message": piece.problem} for piece in pieces]
    # only the daemon's user and root can say; nobody else has to wait for all that this needs
    if forewarn is not None and os.access(os.path.join(config.daemon.state, "identity.json"), os.R_OK):
        warnings += [{"path": where, "message": sentence} for where, sentence in forewarn(config)]
    warnings += [{"path": "", "message": sentence} for sentence in _unsafe(path)]
    warnings += [{"path": "control.remote", "message": sentence} for sentence in _unusable(config)]
    understood = _written(config, path, with_plan=verbosity > 1) if verbosity else None
    return {"schema": 1, "file": path, "warnings": warnings, "configuration": understood}


def _unused(data: bytes, path: str) -> tuple[ConfigError, ...]:
    """The macros that nothing uses, in the one form that has macros."""
    from pdlease.config.load import is_conf

    if not is_conf(path):
        return ()
    from pdlease.config.leasedconf import unused_macros

    return unused_macros(data, path)


def _written(config: Config, path: str, with_plan: bool) -> str:
    """A configuration in the form that its file has."""
    from pdlease.config.load import is_conf
    from pdlease.config.toconf import to_conf
    from pdlease.config.totoml import to_toml

    return (to_conf if is_conf(path) else to_toml)(config, with_plan)


def convert(path: str) -> dict[str, Any]:
    """
    The answer of C{convert}: the same configuration as TOML.

    @raise ConfigurationError: when the file is wrong.
    """
    from pdlease.config.totoml import to_toml

    return {"schema": 1, "file": path, "toml": to_toml(load(path))}


def _unsafe(path: str) -> list[str]:
    """What the privileged helper will not like about the file itself, and about the folders it is found in."""
    whole = os.path.abspath(path)
    folders = dict.fromkeys((os.path.dirname(whole), os.path.dirname(os.path.realpath(whole))))
    sentences = []
    for name, said in ((path, "it"), *((folder, f"its folder {folder}") for folder in folders)):
        status = os.stat(name)
        is_open = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
        if is_open and not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
            sentences.append(f"others may write {said}: the daemon will refuse the file (chmod go-w {name})")
        if status.st_uid != 0:
            sentences.append(f"{said} belongs to user {status.st_uid}: a daemon started by root will refuse the file")
    return sentences


def _unusable(config: Config) -> Iterator[str]:
    """Why a daemon would turn remote clients away, as far as root can tell."""
    remote = config.remote
    if remote is None or remote.place.is_plain or os.geteuid() != 0:
        return
    import pwd

    from pdlease.control.credentials import CredentialsError, Files, load_server, owners_of_daemon

    name = config.daemon.user
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return  # without that user there is no daemon either
    owners = owners_of_daemon(0, (entry.pw_uid, entry.pw_gid))
    try:
        load_server(Files(certificate=remote.certificate, key=remote.key, ca=remote.client_ca), owners)
    except CredentialsError as problem:
        yield f"remote control will be off: {problem}"
        return
    for path in remote.files:
        status = os.stat(path)
        readers = (
            (stat.S_IROTH, True),
            (stat.S_IRGRP, status.st_gid == entry.pw_gid),
            (stat.S_IRUSR, status.st_uid == entry.pw_uid),
        )
        if entry.pw_uid != 0 and not any(status.st_mode & right and is_theirs for right, is_theirs in readers):
            yield f"remote control will be off: {path} cannot be read by user {name} (chgrp it to its group, chmod g+r)"


def plan(path: str, texts: list[str], excluded: Sequence[str] = ()) -> dict[str, Any]:
    """
    The plan of a file with these prefixes, which fill its delegations in file order.

    @param excluded: what servers keep of the prefixes for uplinks (RFC 6603), at most one of each.
    @return: the plan document, with C{space} beside it (L{pdlease.config.space}).
    @raise ConfigurationError: when the file is wrong.
    @raise UsageError: for what is no prefix, or one too many.
    """
    from pdlease.config.plan import carvings, in_file_order, plan_document
    from pdlease.config.space import space_document

    config = load(path)
    try:
        prefixes = in_file_order(config, [_prefix(text) for text in texts])
    except ValueError as problem:
        raise UsageError(f"--prefix: {problem}") from None
    kept = {}
    for part in (_prefix(text, "--excluded") for text in excluded):
        place = next((p for p, prefix in prefixes.items() if part != prefix and part.subnet_of(prefix)), None)
        if place is None or place in kept:
            raise UsageError(f"--excluded: {part} is no part of a prefix given with --prefix, or the second one")
        kept[place] = part
    carved = {place: (carving,) for place, carving in carvings(config, prefixes, kept).items()}
    return {**plan_document(config, prefixes, excluded=kept), "space": space_document(config, carved)}


def _prefix(text: str, option: str = "--prefix") -> IPv6Network:
    try:
        return IPv6Network(text)
    except ValueError as problem:
        raise UsageError(f"{option}: {problem}") from None
