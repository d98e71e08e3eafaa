"""
Two sides of a conversation on virtual time: a session, driven by what it says is due, and a server whose words the
scenario writes.

Everything that goes through a conversation goes through the wire codec as well, both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv6Network
from random import Random
from typing import TypeVar

from pdlease.client.occurrences import (
    Arrived,
    Ask,
    Discarded,
    Due,
    Effect,
    LeaseChanged,
    LinkDown,
    LinkUp,
    Moved,
    Occurrence,
    Request,
    Send,
)
from pdlease.client.reasons import DiscardReason
from pdlease.client.session import Session, step
from pdlease.client.settings import Chance, IAWish, Settings
from pdlease.client.states import State
from pdlease.lease import Lease
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, ElapsedTime, Preference, ServerId, Status
from pdlease.wire.prefixes import IAPD, IAPrefix

CLIENT = DUID.from_uuid(bytes(range(16)))
SERVER = DUID.from_enterprise(32473, b"one")
OTHER = DUID.from_enterprise(32473, b"two")

PREFIX = "2001:db8:100::/56"

_Kind = TypeVar("_Kind", bound=Effect)


def chance(seed: int = 1) -> Chance:
    """Chance that is the same in every run."""
    source = Random(seed)
    return Chance(random=source.random, transaction_id=lambda: source.getrandbits(24))


def settings(*iaids: int, **more: object) -> Settings:
    """Settings that want some associations (by default one, 1) and do not delay."""
    values: dict[str, object] = {
        "uplink": "wan",
        "duid": CLIENT,
        "wishes": tuple(IAWish(iaid=iaid) for iaid in iaids or (1,)),
        "solicit_delay": False,
    }
    return Settings(**{**values, **more})  # type: ignore[arg-type]


def prefix(text: str = PREFIX, preferred: int = 3000, valid: int = 4000, *options: Option) -> IAPrefix:
    """A prefix option."""
    network = IPv6Network(text)
    return IAPrefix(preferred, valid, network.prefixlen, network.network_address.packed, options)


def association(iaid: int = 1, *options: Option, t1: int = 1000, t2: int = 2000) -> IAPD:
    """An association with what is in it."""
    return IAPD(iaid, t1, t2, options)


def names(message: Message, iaid: int = 1) -> list[str]:
    """The prefixes that a message names in one association, wishes for a length included."""
    ia = next(ia for ia in message.ia_pds if ia.iaid == iaid)
    return [str(prefix.network) for prefix in ia.prefixes]


class Conversation:
    """
    A session on virtual time.

    @ivar now: the virtual boot-clock second.
    @ivar sent: time and message of everything sent.
    @ivar effects: time and effect, everything in order.
    @ivar answer: what is done at once with each message sent: gives messages to answer with.
    """

    def __init__(
        self, wanted: Settings | None = None, lease: Lease | None = None, suspect: Lease | None = None, seed: int = 1
    ) -> None:
        self.now = 1000.0
        self.session = Session.begin(wanted or settings(), chance(seed), lease, suspect)
        self.sent: list[tuple[float, Message]] = []
        self.effects: list[tuple[float, Effect]] = []
        self.answer: Callable[[Message], Iterator[Message]] | None = None

    # What happens.

    def happen(self, occurrence: Occurrence) -> None:
        """Let something happen now."""
        before = self.session
        self.session, effects = step(before, occurrence, self.now)
        due = self.session.due
        if due is not None and due <= self.now:
            raise AssertionError(f"still due after {occurrence}: {due} at {self.now} in {self.session.state}")
        for effect in effects:
            self.effects.append((self.now, effect))
            if isinstance(effect, Send):
                self.sent.append((self.now, decode(encode(effect.message))))
                if self.answer is not None:
                    for message in self.answer(self.sent[-1][1]):
                        self.hear(message)

    def link_up(self, new_link: bool = False) -> None:
        """The link comes up."""
        self.happen(LinkUp(new_link))

    def link_down(self) -> None:
        """The link goes down."""
        self.happen(LinkDown())

    def ask(self, request: Request) -> None:
        """An operator asks."""
        self.happen(Ask(request))

    def hear(self, message: Message, source: str = "fe80::1") -> None:
        """A message arrives now."""
        data = encode(message)
        self.happen(Arrived(decode(data), source, data))

    def until(self, moment: float) -> None:
        """Let time pass up to a moment, everything due being done on time."""
        while self.session.due is not None and self.session.due <= moment:
            self.now = self.session.due
            self.happen(Due())
        self.now = moment

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.until(self.now + seconds)

    def until_sent(self, kind: MessageType, within: float = 1e6) -> Message:
        """Let time pass until the next message of a kind is sent."""
        count, limit = len(self.sent), self.now + within
        while True:
            for _, message in self.sent[count:]:
                if message.message_type == kind:
                    return message
            due = self.session.due
            if due is None or due > limit:
                raise AssertionError(f"no {kind.name} within {within} s, but {self.types()[count:]}")
            self.until(due)

    # What the server says.

    def advertise(self, *options: Option, server: DUID = SERVER, preference: int | None = None) -> None:
        """A server answers the last Solicit."""
        more = () if preference is None else (Preference(preference),)
        self.hear(self.message(MessageType.ADVERTISE, *more, *options, server=server))

    def reply(self, *options: Option, server: DUID = SERVER) -> None:
        """A server answers the last message."""
        self.hear(self.message(MessageType.REPLY, *options, server=server))

    def message(self, kind: int, *options: Option, server: DUID = SERVER) -> Message:
        """What a server says to the last message, with the identifiers that belong into it."""
        return Message(kind, self.last.transaction_id, (ClientId(CLIENT), ServerId(server), *options))

    # What was done.

    @property
    def last(self) -> Message:
        """The message sent last."""
        return self.sent[-1][1]

    @property
    def state(self) -> State:
        """The state now."""
        return self.session.state

    @property
    def held(self) -> list[str]:
        """The prefixes held now."""
        return [str(held.prefix) for held in self.session.lease.prefixes]

    def types(self) -> list[str]:
        """The types of everything sent."""
        return [MessageType(message.message_type).name for _, message in self.sent]

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Every effect of a kind."""
        return [effect for _, effect in self.effects if isinstance(effect, kind)]

    def discards(self) -> list[DiscardReason]:
        """The reasons of everything dropped."""
        return [effect.reason for effect in self.of(Discarded)]

    def times(self, kind: MessageType) -> list[float]:
        """When the messages of a kind were sent."""
        return [at for at, message in self.sent if message.message_type == kind]

    def forget(self) -> None:
        """Begin the record anew."""
        self.sent = self.sent[-1:]
        self.effects = []


def bound(
    *options: Option, wanted: Settings | None = None, seed: int = 1, server: DUID = SERVER, **more: object
) -> Conversation:
    """A conversation that has come to hold a prefix (by default PREFIX; T1 1000 s, T2 2000 s, 3000 s, 4000 s)."""
    conversation = Conversation(wanted, seed=seed)
    given = options or (association(1, prefix()),)
    conversation.link_up()
    conversation.advertise(*given, server=server, preference=255)
    conversation.reply(*given, server=server)
    if conversation.state is not State.BOUND:
        raise AssertionError(conversation.session)
    conversation.forget()
    return conversation


__all__ = [
    "CLIENT",
    "OTHER",
    "PREFIX",
    "SERVER",
    "Conversation",
    "ElapsedTime",
    "LeaseChanged",
    "Moved",
    "Status",
    "association",
    "bound",
    "chance",
    "names",
    "prefix",
    "settings",
]
