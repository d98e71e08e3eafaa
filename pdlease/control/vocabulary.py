"""
Every command of the control protocol as one table: name, arguments, answer, who may call it.

The AMP commands (L{pdlease.control.commands}), what each role's connection can do (L{pdlease.control.responders}), both
clients and C{docs/control.rst} derive from this table or are tested against it.  Neither Twisted nor zope is imported
here.  The numbers that bound a connection are L{pdlease.control.boxes} and L{pdlease.control.connection}.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from pdlease.control.roles import Role

#: The versions of the protocol that this release speaks; L{VERSION} negotiates.
OLDEST_PROTOCOL = 1
NEWEST_PROTOCOL = 1

#: Octets of one page of a document: an AMP value holds at most 65,535.
PAGE_OCTETS = 60_000


class Kind(Enum):
    """How a value is written into its AMP value (always as octets of text)."""

    TEXT = "text, UTF-8"
    INTEGER = "decimal integer"
    NUMBER = "decimal fraction"
    FLAG = "True or False"
    OCTETS = "octets"


@frozen(kw_only=True)
class Field:
    """
    One argument, or one value of an answer.

    @ivar name: the key on the wire.
    @ivar kind: how the value is written.
    @ivar optional: whether it may be absent.
    @ivar meaning: what it says, with its unit.
    """

    name: str
    kind: Kind
    optional: bool = False
    meaning: str


@frozen(kw_only=True)
class Word:
    """
    One command.

    @ivar name: what stands in C{_command}.
    @ivar role: the lowest role that may call it; C{None} for what may be called before the role is granted.
    @ivar arguments: what it takes.
    @ivar answer: what it answers with.
    @ivar errors: codes of the errors that it can have besides those that every command can.
    @ivar is_document: whether the answer is a JSON document in pages (L{PAGE} and L{MORE}).
    @ivar is_pushed: whether the daemon sends it, unasked and without an answer.
    @ivar meaning: one sentence.
    """

    name: str
    role: Role | None = Role.VIEWER
    arguments: tuple[Field, ...] = ()
    answer: tuple[Field, ...] = ()
    errors: tuple[str, ...] = ()
    is_document: bool = False
    is_pushed: bool = False
    meaning: str


PAGE = Field(name="page", kind=Kind.OCTETS, meaning="a part of the document's JSON text, in ASCII")
MORE = Field(name="more", kind=Kind.TEXT, optional=True, meaning="token for the next page; absent on the last one")

_UPLINK = Field(name="uplink", kind=Kind.TEXT, meaning="name of an uplink")
_ANY_UPLINK = Field(name="uplink", kind=Kind.TEXT, optional=True, meaning="name of an uplink; absent for all")


def _document(
    name: str, meaning: str, *arguments: Field, role: Role = Role.VIEWER, errors: tuple[str, ...] = ()
) -> Word:
    if any(argument.name == "uplink" for argument in arguments):
        errors = ("UNKNOWN_UPLINK", *errors)
    return Word(
        name=name,
        role=role,
        arguments=arguments,
        answer=(PAGE, MORE),
        errors=errors,
        is_document=True,
        meaning=meaning,
    )


VERSION = Word(
    name="Version",
    role=None,
    arguments=(
        Field(name="oldest", kind=Kind.INTEGER, meaning="oldest protocol version that the client speaks"),
        Field(name="newest", kind=Kind.INTEGER, meaning="newest protocol version that the client speaks"),
        Field(name="software", kind=Kind.TEXT, meaning="name and version of the client, for the daemon's log"),
    ),
    answer=(
        Field(name="protocol", kind=Kind.INTEGER, meaning="the version to use: the newest that both speak"),
        Field(name="software", kind=Kind.TEXT, meaning="name and version of the daemon"),
        Field(name="role", kind=Kind.TEXT, meaning="`viewer` or `admin`"),
    ),
    meaning="Must come first, and once: agrees on a version of the protocol and tells the role.",
)

PAGE_COMMAND = Word(
    name="Page",
    arguments=(Field(name="token", kind=Kind.TEXT, meaning="the token that came with the page before"),),
    answer=(PAGE, MORE),
    meaning="The next page of a document; a token is good once, on its own connection, for the last 4 documents.",
)

STATUS = _document("Status", "The status document, of all uplinks or of one.", _ANY_UPLINK)
PLAN = _document(
    "Plan",
    "The plan document, with the prefixes held now; `space` in it is what `status --tree --json` answers as `uplinks`.",
)
WHY = _document("Why", "A list of sentences: what each uplink does or waits for, and what to check.", _ANY_UPLINK)
IDENTITY = _document("Identity", "The DUID and the IAIDs in use.")
GUESTS = _document("Guests", "The links of guests and switches, as in the status document: `{guests, switches}`.")
COUNTERS = _document(
    "Counters",
    "What was counted on each uplink since the daemon started: `{uplinks}`, name to counters; zeros are left out.",
    _ANY_UPLINK,
)
HISTORY = _document(
    "History",
    "The last events, oldest first: `{events, sequence, instance}`.",
    Field(name="count", kind=Kind.INTEGER, optional=True, meaning="how many at most, 1 to 1000; absent for all kept"),
)
WAIT = _document(
    "Wait",
    "Answers with the uplink's status once it is bound and every assignment is installed.",
    _UPLINK,
    Field(name="timeout", kind=Kind.NUMBER, optional=True, meaning="seconds until `TIMED_OUT`; absent for never"),
    errors=("TIMED_OUT",),
)
WATCH = Word(
    name="Watch",
    arguments=(
        Field(
            name="since", kind=Kind.INTEGER, optional=True, meaning="sequence number of the last event that is known"
        ),
    ),
    answer=(
        Field(name="sequence", kind=Kind.INTEGER, meaning="number of the newest event so far; 0 if there was none"),
        Field(name="instance", kind=Kind.TEXT, meaning="differs for every run of the daemon: numbers start anew"),
        Field(
            name="missed",
            kind=Kind.FLAG,
            meaning="whether events after `since` are no longer kept (ask for `Status` then)",
        ),
    ),
    meaning="Pushes `Event` boxes from now on, those after `since` that are still kept first.",
)
RENEW = _document("Renew", "Send Renew now; what was started, by uplink.", _ANY_UPLINK, role=Role.ADMIN)
REBIND = _document("Rebind", "Send Rebind now; what was started, by uplink.", _ANY_UPLINK, role=Role.ADMIN)
REQUEST = _document(
    "Request",
    "Ask at once, as the original's `request` does: by Rebind where prefixes are held, else from Solicit on; what was "
    "started, by uplink.",
    _ANY_UPLINK,
    role=Role.ADMIN,
)
RELEASE = _document(
    "Release",
    "Deprecate and remove the uplink's addresses, then give its prefixes back; answers when that is over.",
    _UPLINK,
    Field(name="force", kind=Kind.FLAG, meaning="even while guests hold parts of the prefixes"),
    role=Role.ADMIN,
    errors=("REFUSED",),
)
RELOAD = _document(
    "Reload",
    "Read the configuration again and apply what changed: `{changed, ...}`.",
    Field(name="dry_run", kind=Kind.FLAG, meaning="only tell what would be done"),
    role=Role.ADMIN,
    errors=("REFUSED",),
)
SET_LOG_LEVEL = Word(
    name="SetLogLevel",
    role=Role.ADMIN,
    arguments=(Field(name="level", kind=Kind.TEXT, meaning="`debug`, `verbose` or `brief`"),),
    meaning="How much the daemon logs from now on.",
)

EVENT = Word(
    name="Event",
    arguments=(
        Field(name="sequence", kind=Kind.INTEGER, meaning="grows by one with every event of this run of the daemon"),
        Field(name="event", kind=Kind.OCTETS, meaning="the event as JSON text, in ASCII"),
    ),
    is_pushed=True,
    meaning="Something happened (after `Watch`).",
)
CLOSING = Word(
    name="Closing",
    arguments=(
        Field(name="reason", kind=Kind.TEXT, meaning="a word in capitals, see below"),
        Field(name="text", kind=Kind.TEXT, meaning="the same as a sentence"),
    ),
    is_pushed=True,
    meaning="The daemon is about to end the connection, and why.",
)

WORDS: tuple[Word, ...] = (
    VERSION,
    PAGE_COMMAND,
    STATUS,
    PLAN,
    WHY,
    IDENTITY,
    GUESTS,
    COUNTERS,
    HISTORY,
    WAIT,
    WATCH,
    RENEW,
    REBIND,
    REQUEST,
    RELEASE,
    RELOAD,
    SET_LOG_LEVEL,
    EVENT,
    CLOSING,
)


class Closing(Enum):
    """Why the daemon ends a connection: the C{reason} of L{CLOSING}, with its sentence."""

    NOT_ALLOWED = "The configuration gives this client no role (daemon.control_group and others, control.remote.roles)."
    TOO_MANY = "Too many control connections are open."
    DISPLACED = "A newer connection needed the place of this one, which asked for nothing."
    AUTHORITIES_CHANGED = "Other authorities than before decide about certificates: connect and show yours again."
    EXPIRED = "The certificate of this client is no longer good: connect with a new one."
    ROLE_CHANGED = "The configuration gives this client another role now, or none."
    NO_VERSION = "No Version command came in time."
    VERSION_MISMATCH = "Client and daemon speak no common version of the control protocol."
    BAD_BOX = "What was received is no command in an AMP box, or is larger than any command is."
    UNFINISHED = "A command was begun and not finished in time."
    NOT_READING = "The client does not read what it is sent."
    TOO_SLOW = "The client reads events more slowly than they happen; watch again with the last sequence number."
    IDLE = "Nothing was asked for a long time."
    STOPPING = "The daemon is stopping."
