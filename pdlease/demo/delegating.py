"""
A small delegating server: RFC 9915 section 18.3 for prefixes, as a pure thing that is given datagrams.

It serves one link, keeps its bindings in memory and answers by the book; misbehaviour is L{pdlease.demo.script},
sockets are L{pdlease.demo.server}.  It exists to show and to test the client; it is not for real networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, IPv6Network
from math import inf
from typing import Literal

from attrs import define, evolve, field, frozen

from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import INFINITY, MessageType, OptionCode, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import (
    ClientId,
    DnsServers,
    InfMaxRt,
    InformationRefreshTime,
    OptionRequest,
    Preference,
    RapidCommit,
    ServerId,
    SolMaxRt,
    Status,
)
from pdlease.wire.prefixes import IAPD, IAPrefix, PDExclude
from pdlease.wire.reader import WireError

Departure = Literal["withdraw", "deprecate", "forget"]
"""What becomes of prefixes at a renumbering: said with lifetimes 0/0, said with preferred 0, or not said any more."""

SERVER = DUID(bytes.fromhex("0003000102005e005301"))
"""The server's usual DUID, of an address that no hardware has."""

OFFER_SECONDS = 60.0
"""How long a prefix that was advertised is kept for the client that was to request it."""

MOST_BINDINGS = 4096
"""How many associations are kept; further ones get no prefix."""

_NO_OPTIONS: tuple[Option, ...] = ()


@frozen(kw_only=True)
class Terms:
    """
    What the server gives, and on what terms.

    @ivar server: its DUID.
    @ivar pools: the prefixes that it delegates from.
    @ivar length: the length it gives to a client without a wish.
    @ivar shortest: the shortest length that a wish can get.
    @ivar longest: the longest length that a wish can get.
    @ivar preferred: preferred lifetime in seconds; 0xffffffff for ever.
    @ivar valid: valid lifetime in seconds; 0xffffffff for ever.
    @ivar t1: seconds to Renew; C{None} for half of C{preferred}.
    @ivar t2: seconds to Rebind; C{None} for four fifths of C{preferred}.
    @ivar preference: what Advertises say (section 21.8), or C{None} to say nothing.
    @ivar rapid_commit: whether a Solicit that asks for it is answered by a Reply.
    @ivar sol_max_rt: SOL_MAX_RT in seconds, or C{None}.
    @ivar inf_max_rt: INF_MAX_RT in seconds, or C{None}.
    @ivar exclude: the length of the part of each prefix that is kept for the uplink (RFC 6603), or C{None}.
    @ivar dns: resolvers, for clients that ask.
    @ivar adopt: whether a Renew or Rebind for a prefix of the pool that nobody holds makes a binding, as with a server
        that lost its memory and wants no trouble; else it is answered NoBinding.
    """

    server: DUID = SERVER
    pools: tuple[IPv6Network, ...] = (IPv6Network("2001:db8::/40"),)
    length: int = 56
    shortest: int = 44
    longest: int = 64
    preferred: int = 3600
    valid: int = 7200
    t1: int | None = None
    t2: int | None = None
    preference: int | None = None
    rapid_commit: bool = False
    sol_max_rt: int | None = None
    inf_max_rt: int | None = None
    exclude: int | None = None
    dns: tuple[IPv6Address, ...] = ()
    adopt: bool = False

    @property
    def times(self) -> tuple[int, int]:
        """T1 and T2 in seconds; never, where the prefix is preferred for ever."""
        if self.preferred == INFINITY:
            return self.t1 or INFINITY, self.t2 or INFINITY
        return (
            self.preferred // 2 if self.t1 is None else self.t1,
            self.preferred * 4 // 5 if self.t2 is None else self.t2,
        )


@define(kw_only=True)
class Held:
    """
    What one association of one client holds.

    @ivar prefixes: its prefixes and the second at which each ends.
    @ivar leaving: prefixes that a renumbering took away, each with the second of its end and how it is said.
    @ivar offered_until: the second at which a mere offer lapses; C{inf} once it was requested.
    """

    prefixes: dict[IPv6Network, float] = field(factory=dict)
    leaving: dict[IPv6Network, tuple[float, Departure]] = field(factory=dict)
    offered_until: float = inf


class DelegatingServer:
    """
    Terms and bindings.

    @ivar terms: may be replaced at any time; counts from the next message on.
    @ivar bindings: what is held, by DUID of the client and IAID.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        self.bindings: dict[tuple[DUID, int], Held] = {}

    def answer(self, data: bytes, now: float) -> list[bytes]:
        """
        Answer a datagram: nothing, or one message.  Nothing that comes in raises.

        @param now: seconds of any steady clock.
        """
        try:
            message = decode(data)
        except WireError:
            return []
        reply = self.reply(message, now)
        return [] if reply is None else [encode(reply)]

    def reply(self, message: Message, now: float) -> Message | None:
        """
        The message that answers one, or C{None}.
        """
        if not self._is_valid(message):
            return None
        self._expire(now)
        client = message.client_id
        asked = _requested(message)
        if client is None or message.message_type == MessageType.INFORMATION_REQUEST:
            # Only an Information-request may come without a client identifier.
            return self._message(MessageType.REPLY, message, self._settings(asked, information=True))
        if message.message_type == MessageType.SOLICIT:
            rapid = self.terms.rapid_commit and message.rapid_commit
            options: list[Option] = [self._assign(client, ia, now, rapid, asked) for ia in message.ia_pds]
            options += _without_addresses(message)
            if rapid:
                options.append(RapidCommit())
            elif self.terms.preference is not None:
                options.append(Preference(self.terms.preference))
            kind = MessageType.REPLY if rapid else MessageType.ADVERTISE
            return self._message(kind, message, [*options, *self._settings(asked)])
        if message.message_type == MessageType.REQUEST:
            options = [self._assign(client, ia, now, True, asked) for ia in message.ia_pds]
            return self._message(
                MessageType.REPLY, message, [*options, *_without_addresses(message), *self._settings(asked)]
            )
        if message.message_type in {MessageType.RENEW, MessageType.REBIND}:
            options = [self._extend(client, ia, now, asked) for ia in message.ia_pds]
            return self._message(
                MessageType.REPLY, message, [*options, *_without_addresses(message), *self._settings(asked)]
            )
        if message.message_type == MessageType.RELEASE:
            options = [refused for ia in message.ia_pds for refused in self._release(client, ia)]
            return self._message(MessageType.REPLY, message, [Status(StatusCode.SUCCESS, "released"), *options])
        # Confirm and Decline are about addresses, of which this server knows none: it cannot check them, so it is
        # silent (sections 18.3.3 and 18.3.8).
        return None

    def renumber(self, pools: Iterable[IPv6Network], departure: Departure) -> None:
        """
        Delegate from other pools from now on.

        @param departure: how clients are told about what they hold of the old ones, at their next Renew or Rebind.
        """
        self.terms = evolve(self.terms, pools=tuple(pools))
        for held in self.bindings.values():
            for prefix in [prefix for prefix in held.prefixes if not self._is_ours(prefix)]:
                held.leaving[prefix] = held.prefixes.pop(prefix), departure

    def withdraw(self) -> None:
        """Take away everything that is held; the next Renew or Rebind hears lifetimes 0/0 and another prefix."""
        for held in self.bindings.values():
            held.leaving.update({prefix: (until, "withdraw") for prefix, until in held.prefixes.items()})
            held.prefixes.clear()

    def forget(self) -> None:
        """Lose all bindings, as a server that was restarted without its memory."""
        self.bindings.clear()

    def _is_valid(self, message: Message) -> bool:
        """
        Whether a message is for us and fit to be answered (sections 16.2 to 16.9 and 16.12).
        """
        kind = message.message_type
        if kind in {MessageType.SOLICIT, MessageType.REBIND, MessageType.CONFIRM}:
            return message.client_id is not None and message.server_id is None
        if kind in {MessageType.REQUEST, MessageType.RENEW, MessageType.RELEASE, MessageType.DECLINE}:
            return message.client_id is not None and message.server_id == self.terms.server
        if kind == MessageType.INFORMATION_REQUEST:
            return message.server_id in {None, self.terms.server} and not (message.ia_pds or _addresses(message))
        return False

    def _message(self, kind: MessageType, to: Message, options: Iterable[Option]) -> Message:
        """A message with both identifiers."""
        whom = () if to.client_id is None else (ClientId(to.client_id),)
        return Message(kind, to.transaction_id, (*whom, ServerId(self.terms.server), *options))

    def _settings(self, asked: frozenset[int], information: bool = False) -> Iterator[Option]:
        """The options besides associations that a client asked for."""
        if OptionCode.SOL_MAX_RT in asked and self.terms.sol_max_rt is not None:
            yield SolMaxRt(self.terms.sol_max_rt)
        if OptionCode.INF_MAX_RT in asked and self.terms.inf_max_rt is not None:
            yield InfMaxRt(self.terms.inf_max_rt)
        if OptionCode.DNS_SERVERS in asked and self.terms.dns:
            yield DnsServers(self.terms.dns)
        if OptionCode.INFORMATION_REFRESH_TIME in asked and information:
            yield InformationRefreshTime(86400)

    def _assign(self, client: DUID, ia: IAPD, now: float, firmly: bool, asked: frozenset[int]) -> IAPD:
        """
        Give an association what it holds already, or else a prefix by its wishes.

        @param firmly: whether this is a binding, not only an offer.
        """
        held = self.bindings.get((client, ia.iaid))
        if held is None or not held.prefixes:
            prefix = self._choose(ia)
            if prefix is None:
                return _refused(ia, StatusCode.NO_PREFIX_AVAIL, "no prefix is left")
            if held is None:
                held = self.bindings[client, ia.iaid] = Held(offered_until=now + OFFER_SECONDS)
            held.prefixes[prefix] = now + OFFER_SECONDS
        if firmly:
            held.offered_until = inf
        return self._granted(ia, held, now, asked)

    def _extend(self, client: DUID, ia: IAPD, now: float, asked: frozenset[int]) -> IAPD:
        """
        Answer a Renew or Rebind for one association (sections 18.3.4 and 18.3.5).
        """
        held = self.bindings.get((client, ia.iaid))
        if held is None or held.offered_until < inf:
            wishes = [prefix.network for prefix in ia.prefixes if int(prefix.network.network_address)]
            foreign = [prefix for prefix in wishes if not self._is_ours(prefix)]
            if foreign and len(foreign) == len(wishes):
                return IAPD(ia.iaid, 0, 0, tuple(_prefix(prefix, 0, 0) for prefix in foreign))
            if wishes and not self.terms.adopt:
                return _refused(ia, StatusCode.NO_BINDING, "no binding for this association")
            return self._assign(client, ia, now, True, asked)
        if not held.prefixes and (prefix := self._choose(ia)) is not None:
            held.prefixes[prefix] = now
        # A prefix that the client believes to hold and does not: lifetimes 0 tell it (section 18.3.4).
        strange = [
            prefix.network
            for prefix in ia.prefixes
            if int(prefix.network.network_address)
            and prefix.network not in held.prefixes
            and prefix.network not in held.leaving
        ]
        return self._granted(ia, held, now, asked, strange)

    def _granted(
        self, ia: IAPD, held: Held, now: float, asked: frozenset[int], strange: Iterable[IPv6Network] = ()
    ) -> IAPD:
        """
        An association with everything it holds, lifetimes begun anew, and with what it does not hold any more.
        """
        terms = self.terms
        options: list[Option] = []
        for prefix in held.prefixes:
            held.prefixes[prefix] = _end(now, terms.valid) if held.offered_until == inf else held.offered_until
            inner: tuple[Option, ...] = ()
            if terms.exclude is not None and OptionCode.PD_EXCLUDE in asked and terms.exclude > prefix.prefixlen:
                last = IPv6Network(
                    (int(prefix.broadcast_address) >> (128 - terms.exclude) << (128 - terms.exclude), terms.exclude)
                )
                inner = (PDExclude.for_network(prefix, last),)
            options.append(_prefix(prefix, terms.preferred, terms.valid, inner))
        for prefix, (until, departure) in held.leaving.items():
            if departure == "withdraw":
                options.append(_prefix(prefix, 0, 0))
            elif departure == "deprecate":
                options.append(_prefix(prefix, 0, INFINITY if until == inf else max(0, int(until - now))))
        options += [_prefix(prefix, 0, 0) for prefix in strange]
        return IAPD(ia.iaid, *terms.times, tuple(options))

    def _release(self, client: DUID, ia: IAPD) -> Iterator[IAPD]:
        """
        Take back the prefixes that a Release names (section 18.3.7); an association that is not known is answered.
        """
        held = self.bindings.get((client, ia.iaid))
        if held is None:
            yield _refused(ia, StatusCode.NO_BINDING, "no binding for this association")
            return
        for prefix in ia.prefixes:
            held.prefixes.pop(prefix.network, None)
            held.leaving.pop(prefix.network, None)
        if not held.prefixes and not held.leaving:
            del self.bindings[client, ia.iaid]

    def _expire(self, now: float) -> None:
        """Free what ended."""
        for key, held in list(self.bindings.items()):
            for prefix in [prefix for prefix, until in held.prefixes.items() if until <= now]:
                del held.prefixes[prefix]
            for prefix in [prefix for prefix, (until, _) in held.leaving.items() if until <= now]:
                del held.leaving[prefix]
            if held.offered_until <= now or not (held.prefixes or held.leaving):
                del self.bindings[key]

    def _is_ours(self, prefix: IPv6Network) -> bool:
        """Whether a prefix is of a pool."""
        return any(prefix.subnet_of(pool) for pool in self.terms.pools)

    def _choose(self, ia: IAPD) -> IPv6Network | None:
        """
        A free prefix: the wished one, else one of the wished length, else one of the usual length (RFC 8168).
        """
        if len(self.bindings) >= MOST_BINDINGS:
            return None
        terms = self.terms
        used = sorted(prefix for held in self.bindings.values() for prefix in (*held.prefixes, *held.leaving))
        wishes = ia.prefixes
        for wish in wishes:
            network = wish.network
            if (
                terms.shortest <= wish.length <= terms.longest
                and self._is_ours(network)
                and not any(network.overlaps(other) for other in used)
            ):
                return network
        length = min(max(wishes[0].length, terms.shortest), terms.longest) if wishes else terms.length
        return next((free for pool in terms.pools if (free := first_free(pool, length, used)) is not None), None)


def first_free(pool: IPv6Network, length: int, used: Iterable[IPv6Network]) -> IPv6Network | None:
    """
    The lowest prefix of a length within a pool that overlaps none of those in use, or C{None}.

    @param used: in order of address.
    """
    if length < pool.prefixlen:
        return None
    size = 1 << (128 - length)
    place = int(pool.network_address)
    for other in used:
        if int(other.broadcast_address) < place:
            continue
        if int(other.network_address) >= place + size:
            break
        place = (int(other.broadcast_address) // size + 1) * size
    return IPv6Network((place, length)) if place + size - 1 <= int(pool.broadcast_address) else None


def _end(now: float, valid: int) -> float:
    """The second at which a lifetime ends."""
    return inf if valid == INFINITY else now + valid


def _prefix(prefix: IPv6Network, preferred: int, valid: int, options: tuple[Option, ...] = _NO_OPTIONS) -> IAPrefix:
    """One prefix as an option."""
    return IAPrefix(preferred, valid, prefix.prefixlen, prefix.network_address.packed, options)


def _refused(ia: IAPD, status: StatusCode, text: str) -> IAPD:
    """An association that gets nothing but a status."""
    return IAPD(ia.iaid, 0, 0, (Status(status, text),))


def _requested(message: Message) -> frozenset[int]:
    """The options that the client asked for."""
    request = message.option(OptionRequest)
    return frozenset() if request is None else frozenset(request.codes)


def _addresses(message: Message) -> tuple[OpaqueOption, ...]:
    """The associations for addresses, whose inside is no concern of ours."""
    return tuple(
        option
        for option in message.options_of(OpaqueOption)
        if option.code == OptionCode.IA_NA and len(option.data) >= 12
    )


def _without_addresses(message: Message) -> list[Option]:
    """The answer to each association for addresses: there are none."""
    status = Status(StatusCode.NO_ADDRS_AVAIL, "this server has prefixes only").body()
    inner = OptionCode.STATUS_CODE.to_bytes(2, "big") + len(status).to_bytes(2, "big") + status
    return [OpaqueOption(OptionCode.IA_NA, ia.data[:4] + bytes(8) + inner) for ia in _addresses(message)]
