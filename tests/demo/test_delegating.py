"""Tests of L{pdlease.demo.delegating}."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import MOST_BINDINGS, OFFER_SECONDS, SERVER, DelegatingServer, Held, Terms, first_free
from pdlease.wire.chain import OpaqueOption, Option
from pdlease.wire.codes import INFINITY, MessageType, StatusCode
from pdlease.wire.duid import DUID
from pdlease.wire.messages import Message, decode, encode
from pdlease.wire.options import ClientId, DnsServers, InformationRefreshTime, OptionRequest, RapidCommit, ServerId
from pdlease.wire.prefixes import IAPD, IAPrefix

CLIENT = DUID(bytes.fromhex("0004000102030405060788090a0b0c0d0e0f"))
OTHER = DUID(b"\0\4other")
POOL = IPv6Network("2001:db8::/48")


def wish(prefix: str) -> IAPrefix:
    """A prefix as a client names it."""
    network = IPv6Network(prefix)
    return IAPrefix(0, 0, network.prefixlen, network.network_address.packed)


def ia(iaid: int = 1, *prefixes: str) -> IAPD:
    """An association as a client sends it."""
    return IAPD(iaid, 0, 0, tuple(wish(prefix) for prefix in prefixes))


class ServerCase(SynchronousTestCase):
    """
    A server for a /48 and a client.
    """

    def setUp(self) -> None:
        """Usual terms, second 1000."""
        self.server = DelegatingServer(Terms(pools=(POOL,)))
        self.now = 1000.0

    def ask(self, kind: MessageType, *options: Option, client: DUID | None = CLIENT, to: DUID | None = None) -> Message:
        """Send a message and read the answer, which must be there."""
        answer = self.maybe(kind, *options, client=client, to=to)
        assert answer is not None, "the server is silent"
        return answer

    def maybe(
        self, kind: MessageType, *options: Option, client: DUID | None = CLIENT, to: DUID | None = None
    ) -> Message | None:
        """Send a message; the answer, or C{None}."""
        ids = (*(() if client is None else (ClientId(client),)), *(() if to is None else (ServerId(to),)))
        datagrams = self.server.answer(encode(Message(kind, 0xABCDEF, (*ids, *options))), self.now)
        self.assertLessEqual(len(datagrams), 1)
        if not datagrams:
            return None
        answer = decode(datagrams[0])
        self.assertEqual(answer.transaction_id, 0xABCDEF)
        self.assertEqual(answer.server_id, self.server.terms.server)
        self.assertEqual(answer.client_id, client)
        return answer

    def bound(self, *associations: IAPD) -> Message:
        """Solicit and Request."""
        associations = associations or (ia(),)
        self.ask(MessageType.SOLICIT, *associations)
        return self.ask(MessageType.REQUEST, *associations, to=SERVER)

    def said(self, answer: Message) -> list[tuple[int, str, int, int]]:
        """IAID, prefix and lifetimes of everything in an answer."""
        return [
            (one.iaid, str(prefix.network), prefix.preferred, prefix.valid)
            for one in answer.ia_pds
            for prefix in one.prefixes
        ]

    def statuses(self, answer: Message) -> dict[int, int | None]:
        """The status of each association."""
        return {one.iaid: None if one.status is None else one.status.status for one in answer.ia_pds}


class SolicitTests(ServerCase):
    """
    Solicit and what follows (sections 18.3.1, 18.3.2 and 18.3.9).
    """

    def test_four_messages(self) -> None:
        """
        An Advertise names a prefix of the pool with its lifetimes and T1 and T2; the Reply to the Request the same one.
        """
        advertise = self.ask(MessageType.SOLICIT, ia())
        self.assertEqual(advertise.message_type, MessageType.ADVERTISE)
        self.assertEqual(self.said(advertise), [(1, "2001:db8::/56", 3600, 7200)])
        self.assertEqual((advertise.ia_pds[0].t1, advertise.ia_pds[0].t2), (1800, 2880))
        reply = self.ask(MessageType.REQUEST, ia(), to=SERVER)
        self.assertEqual(reply.message_type, MessageType.REPLY)
        self.assertEqual(self.said(reply), self.said(advertise))

    def test_several_associations_and_clients(self) -> None:
        """
        Every association of every client gets a prefix of its own.
        """
        first = self.said(self.bound(ia(1), ia(2, "::/60"), ia(3, "::/64")))
        second = self.said(self.ask(MessageType.SOLICIT, ia(1), client=OTHER))
        networks = [IPv6Network(prefix) for _, prefix, _, _ in first + second]
        self.assertEqual([network.prefixlen for network in networks], [56, 60, 64, 56])
        for place, network in enumerate(networks):
            self.assertFalse(any(network.overlaps(other) for other in networks[:place]))

    def test_wishes(self) -> None:
        """
        A free prefix that is asked for is given; a length is given within the server's bounds (RFC 8168).
        """
        for asked, given_ in (
            ("2001:db8:0:ab00::/56", "2001:db8:0:ab00::/56"),
            ("2001:db8:0:abcd::/64", "2001:db8:0:abcd::/64"),
            ("2001:db8:ffff::/56", "2001:db8::/56"),
            ("::/62", "2001:db8::/62"),
            ("::/80", "2001:db8::/64"),
        ):
            self.setUp()
            self.assertEqual(self.said(self.ask(MessageType.SOLICIT, ia(1, asked)))[0][1], given_)

    def test_wish_for_what_another_holds(self) -> None:
        """
        A prefix that another client holds is not given twice.
        """
        self.bound(ia(1, "2001:db8:0:1200::/56"))
        answer = self.ask(MessageType.SOLICIT, ia(1, "2001:db8:0:1200::/60"), client=OTHER)
        self.assertEqual(self.said(answer)[0][1], "2001:db8::/60")

    def test_no_prefix_left(self) -> None:
        """
        When the pool is used up the association gets NoPrefixAvail, and no more than that.
        """
        self.server.terms = Terms(pools=(IPv6Network("2001:db8::/56"),))
        advertise = self.ask(MessageType.SOLICIT, ia(1), ia(2))
        self.assertEqual(self.statuses(advertise), {1: None, 2: StatusCode.NO_PREFIX_AVAIL})
        self.assertEqual([number for number, *_ in self.said(advertise)], [1])

    def test_offers_lapse(self) -> None:
        """
        What was offered and not requested is free again after a while; what was requested is not.
        """
        self.server.terms = Terms(pools=(IPv6Network("2001:db8::/56"),))
        self.ask(MessageType.SOLICIT, ia())
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia(), client=OTHER)), {1: 6})
        self.now += OFFER_SECONDS
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia(), client=OTHER)), {1: None})

    def test_leases_end(self) -> None:
        """
        A prefix is free again when its valid lifetime is over, not before.
        """
        self.server.terms = Terms(pools=(IPv6Network("2001:db8::/56"),))
        self.bound()
        self.now += 7199.0
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia(), client=OTHER)), {1: 6})
        self.now += 1.0
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia(), client=OTHER)), {1: None})

    def test_preference(self) -> None:
        """
        The preference stands in Advertises, and only there.
        """
        self.server.terms = evolve(self.server.terms, preference=255)
        self.assertEqual(self.ask(MessageType.SOLICIT, ia()).preference, 255)
        self.assertEqual(self.ask(MessageType.REQUEST, ia(), to=SERVER).preference, 0)

    def test_rapid_commit(self) -> None:
        """
        Where both sides agree a Solicit is answered by a Reply with Rapid Commit, else by an Advertise without.
        """
        self.assertEqual(self.ask(MessageType.SOLICIT, ia(), RapidCommit()).message_type, MessageType.ADVERTISE)
        self.server.terms = evolve(self.server.terms, rapid_commit=True)
        self.assertEqual(self.ask(MessageType.SOLICIT, ia()).message_type, MessageType.ADVERTISE)
        reply = self.ask(MessageType.SOLICIT, ia(), RapidCommit())
        self.assertEqual((reply.message_type, reply.rapid_commit), (MessageType.REPLY, True))
        self.now += OFFER_SECONDS + 1
        self.assertEqual(self.statuses(self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), to=SERVER)), {1: None})

    def test_addresses_are_refused(self) -> None:
        """
        An association for addresses is answered NoAddrsAvail, beside the prefixes.
        """
        advertise = self.ask(MessageType.SOLICIT, OpaqueOption(3, b"\0\0\0\7" + bytes(8)), ia())
        (refused,) = advertise.options_of(OpaqueOption)
        self.assertEqual(refused.data[:4], b"\0\0\0\7")
        self.assertEqual(refused.data[12:18], bytes.fromhex("000d") + refused.data[14:16] + b"\0\2")
        self.assertEqual(len(self.said(advertise)), 1)


class ExtendTests(ServerCase):
    """
    Renew and Rebind (sections 18.3.4 and 18.3.5).
    """

    def test_renew_and_rebind_begin_the_lifetimes_anew(self) -> None:
        """
        Both are answered with the prefix held and its full lifetimes, and keep the binding.
        """
        self.bound()
        for kind, to in ((MessageType.RENEW, SERVER), (MessageType.REBIND, None)) * 3:
            self.now += 7000.0
            reply = self.ask(kind, ia(1, "2001:db8::/56"), to=to)
            self.assertEqual(self.said(reply), [(1, "2001:db8::/56", 3600, 7200)])

    def test_no_binding(self) -> None:
        """
        An association that names a prefix of the pool and is not known gets NoBinding.
        """
        for kind, to in ((MessageType.RENEW, SERVER), (MessageType.REBIND, None)):
            self.assertEqual(self.statuses(self.ask(kind, ia(1, "2001:db8::/56"), to=to)), {1: StatusCode.NO_BINDING})

    def test_adopting(self) -> None:
        """
        A server that was told to adopt gives what is asked for back to a client that it does not know any more.
        """
        self.server.terms = evolve(self.server.terms, adopt=True)
        reply = self.ask(MessageType.REBIND, ia(1, "2001:db8:0:4200::/56"))
        self.assertEqual(self.said(reply), [(1, "2001:db8:0:4200::/56", 3600, 7200)])

    def test_foreign_prefix(self) -> None:
        """
        Prefixes that do not belong here at all are answered with lifetimes 0 (section 18.3.5).
        """
        reply = self.ask(MessageType.REBIND, ia(1, "2001:db8:9999::/56"))
        self.assertEqual(self.said(reply), [(1, "2001:db8:9999::/56", 0, 0)])

    def test_prefix_that_is_not_held(self) -> None:
        """
        A prefix that the client holds by mistake is answered with lifetimes 0 beside the right one.
        """
        self.bound()
        reply = self.ask(MessageType.RENEW, ia(1, "2001:db8::/56", "2001:db8:0:100::/56"), to=SERVER)
        self.assertEqual(self.said(reply), [(1, "2001:db8::/56", 3600, 7200), (1, "2001:db8:0:100::/56", 0, 0)])

    def test_further_association(self) -> None:
        """
        An association without a prefix in a Renew gets one.
        """
        self.bound()
        reply = self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), ia(2), to=SERVER)
        self.assertEqual(len(self.said(reply)), 2)

    def test_renumbering(self) -> None:
        """
        After a renumbering the next Renew hears the new prefix, and the old one in the way that was chosen.
        """
        for departure, said in (
            ("withdraw", [(1, "2001:db8::/56", 0, 0)]),
            ("deprecate", [(1, "2001:db8::/56", 0, 7100)]),
            ("forget", []),
        ):
            self.setUp()
            self.bound()
            self.now += 100.0
            self.server.renumber([IPv6Network("2001:db8:2::/48")], departure)  # type: ignore[arg-type]
            reply = self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), to=SERVER)
            self.assertEqual(self.said(reply), [(1, "2001:db8:2::/56", 3600, 7200), *said], departure)

    def test_withdrawing(self) -> None:
        """
        What is withdrawn is said with lifetimes 0/0, beside another prefix of the pool.
        """
        self.bound()
        self.server.withdraw()
        reply = self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), to=SERVER)
        self.assertEqual(self.said(reply), [(1, "2001:db8:0:100::/56", 3600, 7200), (1, "2001:db8::/56", 0, 0)])

    def test_strangers_when_full(self) -> None:
        """
        A server that holds as many bindings as it can gives no more, and takes no more memory.
        """
        self.server.bindings.update({(OTHER, number): Held(prefixes={POOL: 1e9}) for number in range(MOST_BINDINGS)})
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia())), {1: StatusCode.NO_PREFIX_AVAIL})
        self.assertEqual(len(self.server.bindings), MOST_BINDINGS)

    def test_prefixes_that_were_taken_away_end(self) -> None:
        """
        An old prefix is said until its lifetime ends, and then no more.
        """
        self.bound()
        self.server.renumber([IPv6Network("2001:db8:2::/48")], "deprecate")
        self.now += 5000.0
        self.assertEqual(len(self.said(self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), to=SERVER))), 2)
        self.now += 2200.0
        reply = self.ask(MessageType.RENEW, ia(1, "2001:db8:2::/56"), to=SERVER)
        self.assertEqual(self.said(reply), [(1, "2001:db8:2::/56", 3600, 7200)])

    def test_pool_that_is_too_small(self) -> None:
        """
        A length that is shorter than the pool's cannot be given.
        """
        self.server.terms = evolve(self.server.terms, pools=(IPv6Network("2001:db8::/60"),))
        self.assertEqual(self.statuses(self.ask(MessageType.SOLICIT, ia())), {1: StatusCode.NO_PREFIX_AVAIL})

    def test_infinite(self) -> None:
        """
        Prefixes for ever never need to be renewed.
        """
        self.server.terms = evolve(self.server.terms, preferred=INFINITY, valid=INFINITY)
        reply = self.bound()
        self.assertEqual((reply.ia_pds[0].t1, reply.ia_pds[0].t2), (INFINITY, INFINITY))
        self.now += 1e12
        self.assertEqual(self.said(self.ask(MessageType.RENEW, ia(1, "2001:db8::/56"), to=SERVER)), self.said(reply))


class OtherMessagesTests(ServerCase):
    """
    Release, Information-request, and what is not answered.
    """

    def test_release(self) -> None:
        """
        What is released is free again; a Release of something unknown succeeds, with NoBinding in the association.
        """
        self.bound(ia(1), ia(2))
        reply = self.ask(MessageType.RELEASE, ia(1, "2001:db8::/56"), to=SERVER)
        self.assertEqual((reply.status.status if reply.status else None, reply.ia_pds), (0, ()))
        self.assertEqual([number for _, number in self.server.bindings], [2])
        again = self.ask(MessageType.RELEASE, ia(1, "2001:db8::/56"), to=SERVER)
        self.assertEqual(again.status.status if again.status else None, 0)
        self.assertEqual(self.statuses(again), {1: StatusCode.NO_BINDING})

    def test_information_request(self) -> None:
        """
        An Information-request is answered with what it asked for, with or without a client identifier.
        """
        self.server.terms = evolve(self.server.terms, dns=(IPv6Address("2001:db8::53"),), inf_max_rt=600)
        for client in (CLIENT, None):
            reply = self.ask(MessageType.INFORMATION_REQUEST, OptionRequest((23, 32, 83)), client=client)
            self.assertEqual(reply.option(DnsServers), DnsServers((IPv6Address("2001:db8::53"),)))
            self.assertEqual(reply.option(InformationRefreshTime), InformationRefreshTime(86400))
            self.assertEqual(reply.inf_max_rt, 600)
        self.assertIsNone(self.maybe(MessageType.INFORMATION_REQUEST, ia()))

    def test_only_what_was_asked_for(self) -> None:
        """
        SOL_MAX_RT, resolvers and the excluded part are for those who ask (section 21.7, RFC 6603 section 4.2).
        """
        self.server.terms = evolve(self.server.terms, dns=(IPv6Address("2001:db8::53"),), sol_max_rt=120, exclude=64)
        plain = self.ask(MessageType.SOLICIT, ia())
        self.assertEqual((plain.sol_max_rt, plain.option(DnsServers)), (None, None))
        self.assertIsNone(plain.ia_pds[0].prefixes[0].excluded)
        full = self.ask(MessageType.SOLICIT, ia(), OptionRequest((82, 23, 67)))
        self.assertEqual(full.sol_max_rt, 120)
        self.assertEqual(full.ia_pds[0].prefixes[0].excluded, IPv6Network("2001:db8:0:ff::/64"))

    def test_identifiers(self) -> None:
        """
        Messages without the identifiers that they must have, or with such that they must not have, are not answered.
        """
        for kind, client, to in (
            (MessageType.SOLICIT, None, None),
            (MessageType.SOLICIT, CLIENT, SERVER),
            (MessageType.REQUEST, CLIENT, None),
            (MessageType.REQUEST, CLIENT, OTHER),
            (MessageType.REQUEST, None, SERVER),
            (MessageType.RENEW, CLIENT, OTHER),
            (MessageType.REBIND, CLIENT, SERVER),
            (MessageType.RELEASE, CLIENT, OTHER),
            (MessageType.INFORMATION_REQUEST, CLIENT, OTHER),
        ):
            self.assertIsNone(self.maybe(kind, ia(), client=client, to=to), (kind, client, to))

    def test_what_is_for_servers_of_addresses_or_clients(self) -> None:
        """
        Confirm and Decline are about addresses, the rest is not for a server: silence.
        """
        for kind in (MessageType.CONFIRM, MessageType.DECLINE, MessageType.ADVERTISE, MessageType.REPLY, 12, 99):
            for to in (None, SERVER):
                self.assertIsNone(self.maybe(kind, ia(), to=to))  # type: ignore[arg-type]

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=200), st.sampled_from([1, 3, 5, 6, 8, 11]))
    def test_any_octets(self, data: bytes, kind: int) -> None:
        """
        No datagram raises.
        """
        self.server.answer(data, 0.0)
        head = bytes([kind, 0, 0, 1, 0, 1, 0, 4, 0, 4, 0, 1, 0, 2, 0, len(SERVER.data)]) + SERVER.data
        self.server.answer(head + data, 0.0)


class FirstFreeTests(SynchronousTestCase):
    """
    L{first_free}.
    """

    @settings(deadline=None, max_examples=200)
    @given(
        used=st.lists(st.tuples(st.integers(0, 255), st.integers(56, 64)), max_size=12),
        length=st.integers(48, 64),
    )
    def test_free_and_lowest(self, used: list[tuple[int, int]], length: int) -> None:
        """
        What is found overlaps nothing in use, and nothing below it would do; nothing is found only when all is in use.
        """
        pool = IPv6Network("2001:db8::/56")
        taken = sorted(
            IPv6Network((int(pool.network_address) | place << 64, bits), strict=False) for place, bits in used
        )
        found = first_free(pool, length, taken)
        candidates = pool.subnets(new_prefix=length) if length >= 56 else ()
        expected = next((one for one in candidates if not any(one.overlaps(other) for other in taken)), None)
        self.assertEqual(found, expected)
