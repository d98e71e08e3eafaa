"""
Why the client waits, why its lease changed, why something received was dropped: enums, each member with its sentence.

Every discard and every wait has a member here; nothing is dropped or waited for without one.  Which sentence is told
when is decided in L{pdlease.client.turn} and L{pdlease.client.incoming}.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Reason(Enum):
    """
    Why the session is as it is.  The value is a template: C{{detail}} is replaced by what the server said or by a name.
    """

    NEVER_UP = "the link has not been up yet"
    LINK_IS_DOWN = "the link is down"
    LINK_CAME_UP = "the link came up"
    NO_ANSWER_YET = "no server has answered yet"
    COLLECTING = "collecting offers, one so far from {detail}"
    NOTHING_OFFERED = "server said {detail}"
    SERVER_REFUSED_BEFORE = "server {detail} offers what it refused before; held off"
    OFFER_CHOSEN = "chose the offer of server {detail}"
    NEXT_OFFER_CHOSEN = "the server chosen before gave nothing; chose the offer of server {detail}"
    SERVED = "server {detail} gave the prefixes or extended them"
    SERVED_PARTLY = "server {detail} gave or extended some of the prefixes"
    WILL_NOT_EXTEND = "server {detail} says that the prefixes will not be extended (T1 = T2 = valid lifetime)"
    REFUSED = "server said {detail}, though it had offered"
    REFUSED_PARTLY = "server said {detail}; the other prefixes are kept"
    NOT_EXTENDED = "server said {detail}; the prefixes are kept as long as they are valid"
    SERVER_FAILED = "server said {detail}; asking again on schedule"
    NO_BINDING = "server said NoBinding; asking it for the prefixes anew"
    WITHDRAWN = "the server took the prefixes back"
    T1_PASSED = "T1 passed"
    T2_PASSED = "T2 passed"
    NOBODY_CONFIRMED = "no server answered after the link came up"
    NOBODY_ANSWERED = "no server answered and the configured limit is reached"
    EXPIRED = "the valid lifetime ended"
    RENUMBERED = "the link leads to another upstream and no server confirmed the prefixes"
    DATED = "the clock can be trusted now, and so can the stored lease"
    SERVER_ASKED = "the server asked for it (Reconfigure)"
    SETTINGS_CHANGED = "the configuration changed"
    UPSTREAM_CHANGED = "the upstream network changed"
    ASKED = "an operator asked for it"
    ASKED_TO_STOP = "asked to stop; the prefixes are kept"
    RELEASED = "the prefixes were given back; waiting to be asked, or for the link to come up again"
    RATE_LIMITED = "too many messages in a short time (rate limit)"

    def sentence(self, detail: str) -> str:
        """
        The reason in words.

        @param detail: what the template asks for; empty where nothing is known.
        """
        return self.value.replace("{detail}", detail or "unknown")


@unique
class Wait(Enum):
    """
    Why nothing can be sent on a link at present.  The value is a template: C{{link}} is replaced by the link's name,
    C{{detail}} by what is known besides.
    """

    WAITS_FOR_LINK = "link {link} to appear"
    WAITS_FOR_VRF = "VRF {detail} to appear"
    WAITS_FOR_MASTER = "link {link} to be in VRF {detail}"
    WAITS_FOR_UP = "link {link} to be set up"
    WAITS_FOR_CARRIER = "carrier on {link}"
    WAITS_FOR_ADDRESS = "a link-local address on {link}"
    WAITS_FOR_DETECTION = "duplicate address detection on {link}"
    WAITS_FOR_OTHER_ADDRESS = "a link-local address on {link} that no other host has"
    WAITS_FOR_ROUTER = "a Router Advertisement on {link} with {detail}"
    WAITS_FOR_PORT = "UDP port 546 on {link}, held by {detail}"
    WAITS_FOR_SOCKET = "a socket ({detail})"

    def sentence(self, link: str, detail: str) -> str:
        """What is waited for, in words."""
        return self.value.replace("{link}", link).replace("{detail}", detail)


@unique
class Change(Enum):
    """
    Why the lease is another one than before.
    """

    GAINED = "prefixes were delegated"
    DATED = "a stored lease could be dated after all"
    REFRESHED = "lifetimes were set anew"
    SHRUNK = "a server took some prefixes back"
    WITHDRAWN = "a server took every prefix back"
    EXPIRED = "a valid lifetime ended"
    RELEASED = "given back on request"
    GIVEN_UP = "given up to look for servers anew"
    DROPPED = "no longer in the configuration"


@unique
class DiscardReason(Enum):
    """
    Why a message, or a part of one, was dropped.
    """

    TRUNCATED = "datagram that was cut off (R-D-06)"
    MULTICAST = "datagram that was sent to a group (R-16-01)"
    WRONG_LINK = "datagram that came in by another link (R-16-02)"
    EMPTY = "datagram without content"
    MALFORMED = "datagram that is no DHCPv6 message (R-16-20)"
    UNKNOWN_TYPE = "message type that nobody has defined (R-16-11)"
    CLIENT_TYPE = "message type that only servers and relays receive (R-16.2-01)"
    NO_SERVER_ID = "no Server Identifier"
    NO_CLIENT_ID = "no Client Identifier"
    OTHER_CLIENT = "Client Identifier of another client"
    TRANSACTION_ID = "transaction id"
    NOTHING_ASKED = "nothing was asked"
    OTHER_SERVER = "answer of a server that was not asked"
    ADVERTISE_OUT_OF_PLACE = "Advertise while no server was looked for"
    RAPID_COMMIT_UNASKED = "Reply to a Solicit without Rapid Commit (R-18.2.1-23)"
    RAPID_COMMIT_MISSING = "Reply to a Solicit, but no Rapid Commit option in it (R-18.2.1-20)"
    NOTHING_OFFERED = "Advertise without a usable prefix (R-18.2.9-03)"
    HELD_OFF = "Advertise of a server that offered and then refused (R-14.1-04)"
    TOO_MANY_OFFERS = "more Advertises than are remembered"
    SERVER_FAILED = "Reply with a failure status for the whole message (R-18.2.10-03)"
    NOTHING_IN_REPLY = "Reply without any of our identity associations (R-15-10)"
    IA_NOT_OURS = "identity association that was not asked for (R-16-23)"
    IA_REPEATED = "identity association that stands in the message before (R-16-22)"
    IA_TIMES = "identity association with T1 after T2"
    IA_TIMES_LATE = "T1 or T2 not before the end of a valid lifetime; chosen anew"
    IA_STATUS_WITH_PREFIX = "prefix in an identity association that failed"
    PREFIX_LIFETIMES = "prefix with a preferred lifetime longer than the valid one"
    PREFIX_KIND = "prefix that is not global unicast or unique local"
    PREFIX_HOST_BITS = "bits behind the length of a prefix, which were cleared"
    PREFIX_STATUS = "prefix with a failure status of its own"
    PREFIX_OVERLAP = "prefix that overlaps one of another identity association"
    PREFIX_TOO_LONG = "prefix longer than the configuration can use (R-8168-06)"
    TOO_MANY_PREFIXES = "more prefixes in one identity association than are kept"
    MALFORMED_OPTION = "option with malformed content"
    REPEATED_OPTION = "option that may stand once, repeated; the first counts (R-16-21)"
    SURPLUS = "octets left over after the last option"
    RECONFIGURE_UNWANTED = "Reconfigure, which was not agreed upon"
    RECONFIGURE_MALFORMED = "Reconfigure without what it must contain"
    RECONFIGURE_UNSIGNED = "Reconfigure without a valid signature"
    RECONFIGURE_REPLAYED = "Reconfigure that was seen before"
    RECONFIGURE_BUSY = "Reconfigure while an exchange is under way"
    RECONFIGURE_TOO_OFTEN = "Reconfigure too soon after the one before"
    RECONFIGURE_POINTLESS = "Reconfigure while nothing is held"

    @property
    def is_part(self) -> bool:
        """Whether it is said of a part of a message, the rest of which is used."""
        return self in _PARTS

    def sentence(self, message: str, source: str, detail: str) -> str:
        """
        What was dropped, in words: C{Advertise from fe80::1 dropped: transaction id}.

        @param message: the name of its type; empty where it was not read.
        @param source: where it came from.
        @param detail: what exactly; empty or the name again where there is nothing to add.
        """
        name = message or "datagram"
        more = f": {detail}" if detail and detail != message else ""
        if self.is_part:
            return f"part of {name} from {source} ignored: {self.value}{more}"
        return f"{name} from {source} dropped: {self.value}{more}"

    @property
    def is_loud(self) -> bool:
        """Whether the log tells of it unasked: a server that means us says what cannot be used."""
        return self in _LOUD


_LOUD = frozenset(
    {
        DiscardReason.OTHER_SERVER,
        DiscardReason.IA_NOT_OURS,
        DiscardReason.IA_REPEATED,
        DiscardReason.IA_TIMES,
        DiscardReason.IA_TIMES_LATE,
        DiscardReason.IA_STATUS_WITH_PREFIX,
        DiscardReason.PREFIX_LIFETIMES,
        DiscardReason.PREFIX_KIND,
        DiscardReason.PREFIX_HOST_BITS,
        DiscardReason.PREFIX_STATUS,
        DiscardReason.PREFIX_OVERLAP,
        DiscardReason.PREFIX_TOO_LONG,
        DiscardReason.TOO_MANY_PREFIXES,
        DiscardReason.REPEATED_OPTION,
        DiscardReason.MALFORMED_OPTION,
        DiscardReason.RECONFIGURE_POINTLESS,
    }
)

_PARTS = frozenset(
    {
        DiscardReason.IA_NOT_OURS,
        DiscardReason.IA_REPEATED,
        DiscardReason.IA_TIMES,
        DiscardReason.IA_TIMES_LATE,
        DiscardReason.IA_STATUS_WITH_PREFIX,
        DiscardReason.PREFIX_LIFETIMES,
        DiscardReason.PREFIX_KIND,
        DiscardReason.PREFIX_HOST_BITS,
        DiscardReason.PREFIX_STATUS,
        DiscardReason.PREFIX_OVERLAP,
        DiscardReason.PREFIX_TOO_LONG,
        DiscardReason.TOO_MANY_PREFIXES,
        DiscardReason.MALFORMED_OPTION,
        DiscardReason.REPEATED_OPTION,
        DiscardReason.SURPLUS,
    }
)
