"""
Every message that the client sends, built anew for each transmission from what then holds (RFC 9915 sections 18.2.1 to
18.2.7).

Lifetimes, T1 and T2 are sent as 0 in all of them (R-21.22-02).  When they are sent is L{pdlease.client.retransmission}.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from pdlease.client.retransmission import Exchange
from pdlease.client.selection import Offer
from pdlease.client.settings import IAWish, Settings
from pdlease.client.verdicts import Association
from pdlease.lease import Lease
from pdlease.wire.chain import Option
from pdlease.wire.codes import MessageType, OptionCode
from pdlease.wire.messages import Message
from pdlease.wire.options import ClientId, ElapsedTime, OptionRequest, RapidCommit, ReconfigureAccept, ServerId
from pdlease.wire.prefixes import IAPD, IAPrefix, PDExclude

INFORMATION_OPTIONS = (OptionCode.INFORMATION_REFRESH_TIME, OptionCode.INF_MAX_RT)
"""What belongs into the option request of Information-request, and of that alone (R-21.23-01, R-18.2.6-02)."""

_UNSPECIFIED = bytes(16)

_ASKING = frozenset({MessageType.SOLICIT, MessageType.REQUEST, MessageType.RENEW, MessageType.REBIND})


def _named(network: IPv6Network, options: tuple[Option, ...] = ()) -> IAPrefix:
    """
    A prefix by name.
    """
    return IAPrefix(0, 0, network.prefixlen, network.network_address.packed, options)


def _association(wish: IAWish, stage: int, named: tuple[IPv6Network, ...]) -> IAPD:
    """
    An association that names prefixes, and the wished length where all of these are smaller (R-8168-03, R-8168-04).
    """
    options = [_named(network) for network in named]
    hint = wish.length(stage)
    if hint and all(network.prefixlen > hint for network in named):
        options.append(IAPrefix(0, 0, hint, _UNSPECIFIED))
    return IAPD(wish.iaid, 0, 0, tuple(options))


def build(
    settings: Settings,
    exchange: Exchange,
    now: float,
    lease: Lease,
    associations: tuple[Association, ...],
    offer: Offer | None,
) -> Message:
    """
    The message of an exchange as it is to be transmitted now.

    @param lease: what is held, or claimed, or being given back; expired prefixes left out already (R-15-08).
    @param associations: how each identity association stands, in the order of the settings.
    @param offer: the offer that a Request takes up, if it takes one up.
    """
    kind = exchange.message_type
    options: list[Option] = [ClientId(settings.duid)]
    if exchange.server is not None:
        options.append(ServerId(exchange.server))
    options.append(ElapsedTime(exchange.elapsed(now)))
    if kind in _ASKING:
        # one code is for Information-request alone, whoever wrote it into the list (R-21.23-01)
        codes = (code for code in settings.requested_options if code != OptionCode.INFORMATION_REFRESH_TIME)
        options.append(OptionRequest(tuple(codes)))
    elif kind is MessageType.INFORMATION_REQUEST:
        wanted = tuple(code for code in settings.requested_options if code != OptionCode.PD_EXCLUDE)
        options.append(OptionRequest(tuple(dict.fromkeys((*wanted, *INFORMATION_OPTIONS)))))
    if kind is MessageType.SOLICIT and settings.rapid_commit:
        options.append(RapidCommit())
    if settings.reconfigure and (kind in _ASKING or kind is MessageType.INFORMATION_REQUEST):
        options.append(ReconfigureAccept())
    if kind is MessageType.RELEASE:
        options.extend(_released(exchange, lease))
    elif kind in _ASKING:
        for wish, association in zip(settings.wishes, associations, strict=True):
            named = _names(exchange, wish, lease, offer, association.former if settings.names_lost else ())
            options.append(_association(wish, association.stage, named))
    for extra in settings.extra_options:
        if not extra.message_types or kind in extra.message_types:
            options.append(extra.option)
    if settings.option_order:
        rank = {code: index for index, code in enumerate(settings.option_order)}
        options.sort(key=lambda option: rank.get(option.code, len(rank)))
    return Message(kind, exchange.transaction_id, tuple(options))


def _names(
    exchange: Exchange, wish: IAWish, lease: Lease, offer: Offer | None, former: tuple[IPv6Network, ...]
) -> tuple[IPv6Network, ...]:
    """
    The prefixes that one association names in a message of an exchange.
    """
    binding = lease.binding(wish.iaid)
    held = () if binding is None else binding.prefixes
    if exchange.message_type is MessageType.RENEW:
        # Nothing that another server gave (R-18.2.4-05).
        return tuple(prefix.prefix for prefix in held if prefix.server == exchange.server)
    if exchange.message_type is MessageType.REBIND:
        return tuple(prefix.prefix for prefix in held)
    if exchange.message_type is MessageType.REQUEST:
        names = () if offer is None else offer.of(wish.iaid)
        names = names or tuple(prefix.prefix for prefix in held)
        if names:
            return names
    return former or (() if wish.hint_prefix is None else (wish.hint_prefix,))


def _released(exchange: Exchange, lease: Lease) -> list[Option]:
    """
    The associations of a Release: what its server gave, each with the exclusion that came with it (PDX-07).
    """
    associations: list[Option] = []
    for binding in lease.bindings:
        prefixes = tuple(
            _named(
                held.prefix,
                () if held.excluded is None else (PDExclude.for_network(held.prefix, held.excluded),),
            )
            for held in binding.prefixes
            if held.server == exchange.server
        )
        if prefixes:
            associations.append(IAPD(binding.iaid, 0, 0, prefixes))
    return associations
