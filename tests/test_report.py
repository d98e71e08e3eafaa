"""
Tests of L{pdlease.report}; the documents as a whole are shown in L{tests.scenarios.test_whole_house}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from math import inf

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.demo.delegating import Terms
from pdlease.kernel import ADDRESS_TENTATIVE
from pdlease.operations import Operation, PrivilegeError, PutAddress
from pdlease.report import is_served, prefix_document, seconds_until, uplink_document
from pdlease.wanted import Share
from tests.house import ONE, House

OWN = ONE.replace('["lan0"]', '["lan0"]\nhint = 60\nexcluded_host = "::2"')

MANY = ONE.replace('["lan0"]', '["lan0", "lan1", "lan2/60"]')


class ReportCase(SynchronousTestCase):
    """A house with one uplink, looked at."""

    def house(self, text: str = ONE, seconds: float = 3.0) -> House:
        """A house that has run for a while."""
        self.made = House(text)
        self.made.add_links()
        self.made.begin()
        self.made.wait(seconds)
        return self.made

    def why(self) -> list[str]:
        """The sentences."""
        assert self.made.desk is not None
        return self.made.desk.why(None)

    def document(self) -> dict[str, object]:
        """The document of the uplink."""
        house = self.made
        share = house.router.shares.get("wan", Share(uplink="wan"))
        return uplink_document(house.uplink(), share, house.applier, house.clock.seconds())


class DocumentTests(ReportCase):
    """Tests of the status document's parts."""

    def test_seconds_until(self) -> None:
        """Remaining times are whole seconds, never below 0; never is null."""
        self.assertEqual([seconds_until(at, 10.0) for at in (12.9, 10.0, 3.0, inf)], [2, 0, 0, None])

    def test_prefix(self) -> None:
        """A prefix that ends shows when; it is not infinite."""
        held = self.house().uplink().lease.prefixes[0]
        self.assertEqual(
            prefix_document(held, 7, held.mentioned_at + 0.5),
            {"prefix": "2001:db8::/64", "iaid": 7, "preferred_seconds": 3599, "valid_seconds": 7199, "infinite": False},
        )

    def test_waiting(self) -> None:
        """While the link is not ready, that is the reason given."""
        house = self.house()
        house.kernel.carrier("eth0", False)
        house.wait(0.1)
        document = self.document()
        self.assertEqual(
            [document[key] for key in ("state", "reason", "reason_text", "next_message", "next_message_seconds")],
            ["down", "waits_for_carrier", "waiting for carrier on eth0", None, None],
        )
        self.assertEqual(len(document["prefixes"]), 1)  # type: ignore[arg-type]

    def test_next_message(self) -> None:
        """While a server is looked for, the next Solicit is announced."""
        self.made = House()
        self.made.add_links()
        self.made.silent.add("eth0")
        self.made.begin()
        self.made.wait(0.1)
        document = self.document()
        self.assertEqual((document["next_message"], document["next_message_seconds"]), ("solicit", 0))
        self.assertEqual(document["reason"], "no_answer_yet")

    def test_counters(self) -> None:
        """What was counted is shown by name, in order, without what never happened."""
        house = self.house()
        house.arrive(house.line(), b"\x07\x00")
        counters = self.document()["counters"]
        assert isinstance(counters, dict)
        self.assertEqual(list(counters), sorted(counters))
        self.assertEqual((counters["sent_request"], counters["discarded_malformed"]), (1, 1))
        self.assertNotIn("sent_renew", counters)

    def test_refused_assignment(self) -> None:
        """An assignment that is refused shows the operation, the error number and the kernel's own words."""
        self.made = House()
        self.made.add_links()
        refusal = PrivilegeError("add 2001:db8::1/64 to lan0", 13, "ipv6: IPv6 is disabled on this device")

        def refuses(operation: Operation) -> PrivilegeError | None:
            return refusal if isinstance(operation, PutAddress) else None

        self.made.privilege.refuses = refuses
        self.made.begin()
        self.made.wait(3)
        (assignment,) = self.document()["assignments"]  # type: ignore[misc]
        self.assertEqual((assignment["installed"], assignment["condition"]), (False, "refused"))
        self.assertEqual(
            assignment["problem"],
            {
                "operation": "add 2001:db8::1/64 to lan0",
                "errno": 13,
                "text": "ipv6: IPv6 is disabled on this device",
            },
        )
        self.assertIn(
            "wan: 2001:db8::1/64 on lan0: the kernel or the helper refuses it; it is tried again (ipv6: IPv6 is "
            "disabled on this device).",
            self.why(),
        )

    def test_tentative(self) -> None:
        """An address that is still being checked for duplicates is shown as such, and is not installed yet."""
        self.made = House()
        self.made.add_links()
        self.made.kernel.detects = True
        self.made.begin()
        self.made.wait(1.5)
        (assignment,) = self.document()["assignments"]  # type: ignore[misc]
        self.assertEqual((assignment["installed"], assignment["tentative"], assignment["problem"]), (False, True, None))
        self.assertIn("wan: 2001:db8::1/64 on lan0: duplicate address detection is going on.", self.why())

    def test_unassigned(self) -> None:
        """A prefix that is too small serves in file order; who stays without is named, once (WPD-3)."""
        self.made = House(MANY)
        self.made.server.terms = Terms(longest=64, shortest=64)
        self.made.add_links()
        self.made.begin()
        self.made.wait(3)
        document = self.document()
        self.assertEqual([entry["link"] for entry in document["assignments"]], ["lan0"])  # type: ignore[attr-defined]
        self.assertEqual(document["unassigned"], ["lan1", "lan2"])
        self.assertIn("wan: 2001:db8::/64 is too small: lan1 stays without a subnet.", self.why())

    def test_excluded_host(self) -> None:
        """
        The address of the uplink's own link stands apart from the assignments, so that nobody advertises its subnet on
        a LAN; it is waited for as they are, and its lack is explained (PDX-12).
        """
        self.made = House(OWN)
        self.made.server.terms = Terms(exclude=64)
        self.made.add_links()
        self.made.begin()
        self.made.wait(3)
        document = self.document()
        self.assertEqual([entry["link"] for entry in document["assignments"]], ["lan0"])  # type: ignore[attr-defined]
        (own,) = document["excluded_addresses"]  # type: ignore[misc]
        self.assertEqual((own["link"], own["subnet"]), ("eth0", document["excluded"]))
        self.assertTrue(own["installed"] and own["address"].endswith("::2"))
        self.assertEqual([line for line in self.why() if "no address of" in line or "on eth0" in line], [])

    def test_excluded_host_in_vain(self) -> None:
        """Where the server keeps nothing, or too little, C{why} says that the uplink's link gets no address."""
        for terms, problem in (
            (Terms(), "the server keeps no part of it for this link"),
            (Terms(exclude=128), "/128 is too small for its excluded_host"),
        ):
            self.made = House(OWN)
            self.made.server.terms = terms
            self.made.add_links()
            self.made.begin()
            self.made.wait(3)
            self.assertEqual(self.document()["excluded_addresses"], [])
            (line,) = [line for line in self.why() if "no address of" in line]
            self.assertIn(problem, line)

    def test_store_problem(self) -> None:
        """A lease that is in use but not kept is told of."""
        house = self.house()
        house.uplink().keeper.problem = "/var/lib/pdlease: cannot keep the lease: No space left on device"
        self.assertEqual(self.document()["store_problem"], house.uplink().keeper.problem)
        self.assertIn(
            "wan: the lease is in use but not kept: /var/lib/pdlease: cannot keep the lease: No space left on device.",
            self.why(),
        )

    def test_deaf(self) -> None:
        """Where the kernel ignores Router Advertisements the status says so, whatever the uplink waits for."""
        house = self.house()
        self.assertIs(self.document()["advertisements_problem"], None)
        house.kernel._set_link(evolve(house.kernel._named("eth0"), ignores_routers=True))
        house.wait(0.1)
        self.assertIn("eth0/accept_ra would have to be 2", str(self.document()["advertisements_problem"]))

    def test_deaf_no_more(self) -> None:
        """The kernel gives no notice of accept_ra: status and C{why} have it asked, and the next one is right."""
        house = self.house()
        assert house.desk is not None
        link = house.kernel._named("eth0")
        for ask in (house.desk.status, house.desk.why):
            for deaf in (True, False):
                house.kernel.true.links[link.index] = evolve(link, ignores_routers=deaf)
                ask("wan")
                house.wait(0.1)
                self.assertEqual(bool(self.document()["advertisements_problem"]), deaf)


class ServedTests(ReportCase):
    """Tests of L{is_served}."""

    def served(self) -> bool:
        """Whether the uplink is served."""
        house = self.made
        return is_served(house.uplink(), house.router.shares.get("wan"), house.applier)

    def test_states(self) -> None:
        """
        Served is who is bound with everything installed, while the lease is being extended as well, and not while it is
        in doubt.
        """
        house = self.house(seconds=0.5)
        self.assertFalse(self.served())
        house.wait(3)
        self.assertTrue(self.served())
        house.silent.add("eth0")
        house.wait(1900)
        self.assertEqual(house.uplink().session.state.name, "RENEWING")
        self.assertTrue(self.served())
        house.kernel.carrier("eth0", False)
        house.wait(0.1)
        self.assertFalse(self.served())

    def test_missing_address(self) -> None:
        """Who lacks an address is not served."""
        house = self.house()
        house.privilege.holding = True
        house.kernel.flush("lan0")
        house.wait(0.1)
        self.assertFalse(self.served())

    def test_missing_excluded_address(self) -> None:
        """Who lacks the address of the uplink's own link is not served, either (PDX-12)."""
        refusal = PrivilegeError("add it", 13, "no")
        for link, served in (("eth0", False), ("nowhere", True)):
            self.made = house = House(OWN)
            house.server.terms = Terms(exclude=64)
            house.privilege.refuses = lambda operation, link=link: (
                refusal if isinstance(operation, PutAddress) and operation.link == link else None
            )
            house.add_links()
            house.begin()
            house.wait(3)
            self.assertEqual((house.uplink().session.state.name, self.served()), ("BOUND", served))

    def test_unplugged(self) -> None:
        """
        An address that is tentative keeps those waiting who wait, unless its link has no carrier: it stays so until
        something is plugged in.
        """
        house = self.house(seconds=0.5)
        house.kernel.detects = True
        house.kernel.carrier("lan0", False)
        house.wait(2.6)
        (address,) = [
            one for one in house.kernel.heard.addresses.values() if one.address.ip in IPv6Network("2001:db8::/32")
        ]
        house.kernel.heard.addresses[address.key] = evolve(address, flags=ADDRESS_TENTATIVE)
        self.assertTrue(self.served())
        (assignment,) = self.document()["assignments"]  # type: ignore[misc]
        self.assertEqual(
            [assignment[key] for key in ("installed", "tentative", "condition")],  # type: ignore[index]
            [False, True, "unplugged"],
        )
        self.assertIn("its link has no carrier", " ".join(self.why()))
        house.kernel.carrier("lan0", True)
        self.assertFalse(self.served())

    def test_without_a_share(self) -> None:
        """Of whom nothing is known in the kernel is not served."""
        house = self.house()
        del house.router.shares["wan"]
        self.assertFalse(self.served())
