"""
What can go wrong between a control client and the daemon, each with its code on the wire and its exit code.

Neither Twisted nor zope is imported here, so that L{pdlease.control.cli} and L{pdlease.control.blocking} start fast.
How errors travel in AMP boxes is L{pdlease.control.commands}.
"""

from __future__ import annotations


class ControlError(Exception):
    """
    Something that was asked for did not happen; the text is a sentence for the operator.

    @cvar code: what stands in C{_error_code} of the AMP answer, and in lower case in C{--json}.
    @cvar exit_code: what C{pdleasectl} ends with: 1 refused or failed, 2 wrong question, 3 daemon not there.
    """

    code = "FAILED"
    exit_code = 1

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        if code:
            self.code = code


class FailedError(ControlError):
    """The daemon met an error of its own; its log has the traceback."""


class RefusedError(ControlError):
    """The daemon refuses to do what was asked; nothing has been changed."""

    code = "REFUSED"


class MisconfiguredError(RefusedError):
    """The daemon refuses a configuration file; the text has every error, and nothing has been changed."""

    code = "CONFIGURATION"
    exit_code = 2


class NotAllowedError(ControlError):
    """The role of this connection does not include the command."""

    code = "NOT_ALLOWED"


class VersionMismatchError(ControlError):
    """Client and daemon have no version of the control protocol in common, or C{Version} was not the first command."""

    code = "VERSION_MISMATCH"


class TimedOutError(ControlError):
    """What was waited for did not happen in the time given."""

    code = "TIMED_OUT"


class UnknownUplinkError(ControlError):
    """No uplink of that name is configured."""

    code = "UNKNOWN_UPLINK"
    exit_code = 2


class InvalidError(ControlError):
    """An argument is missing, malformed or out of range, or a page token is not (any more) known."""

    code = "INVALID"
    exit_code = 2


class UnhandledError(ControlError):
    """The daemon does not know the command (AMP's own code for it)."""

    code = "UNHANDLED"
    exit_code = 2


class UnreachableError(ControlError):
    """Nobody listens at the control socket, or it may not be opened."""

    code = "UNREACHABLE"
    exit_code = 3


class GoneError(ControlError):
    """The connection ended before the answer came; where the daemon said why, the text has it."""

    code = "GONE"
    exit_code = 3


#: The errors that travel, by code.
ERRORS: dict[str, type[ControlError]] = {
    kind.code: kind
    for kind in (
        FailedError,
        RefusedError,
        MisconfiguredError,
        NotAllowedError,
        VersionMismatchError,
        TimedOutError,
        UnknownUplinkError,
        InvalidError,
        UnhandledError,
    )
}


def error_from_wire(code: str, message: str) -> ControlError:
    """
    The exception for an error answer; an unknown code of a newer daemon becomes a plain L{ControlError}.

    What AMP itself says of a command that an older daemon does not know is put into words for operators.
    """
    if code == UnhandledError.code:
        message = "The daemon does not know this command: it is older than this program, and should be restarted."
    return ERRORS.get(code, ControlError)(message, code)
