"""
Tests for L{pdlease.privilege.execute} on a kernel in memory; on a real one, L{tests.live.test_privilege_live}.
"""

from __future__ import annotations

import errno
import os
from ipaddress import IPv6Interface, IPv6Network

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pdlease.operations import PrivilegeError
from pdlease.privilege.execute import MOMENT, Executor, kernel_marks_addresses
from pdlease.privilege.policy import MOST_OBJECTS, Policy, Refused
from tests.privilege.fakekernel import FakeKernel
from tests.privilege.values import (
    ADDRESS,
    DISABLE,
    ENABLE,
    LAN0,
    LAN1,
    PUT_ADDRESS,
    PUT_ROUTE,
    PUT_UNREACHABLE,
    REMOVE_ADDRESS,
    REMOVE_ROUTE,
    REMOVE_UNREACHABLE,
    TOML,
    config,
)

MARK = 155
TEXT = str(ADDRESS.ip)


class ExecutorCase(SynchronousTestCase):
    """An executor on a kernel in memory."""

    keeps_marks = True

    def setUp(self) -> None:
        self.kernel = FakeKernel(self.keeps_marks)
        self.settings = self.mktemp()
        for name in self.kernel.links.values():
            os.makedirs(f"{self.settings}/{name}")
            self.set_disabled(name, "0\n")
        self.clock = Clock()
        self.executor = self.new()

    def new(self) -> Executor:
        """An executor that made nothing yet."""
        return Executor(
            Policy.of(config()),
            self.kernel,
            marks_addresses=self.keeps_marks,
            settings=self.settings,
            seconds=self.clock.seconds,
        )

    def set_disabled(self, name: str, value: str) -> None:
        """Write a link's setting."""
        with open(f"{self.settings}/{name}/disable_ipv6", "w") as file:
            file.write(value)

    def disabled(self, name: str) -> str:
        """Read a link's setting."""
        with open(f"{self.settings}/{name}/disable_ipv6") as file:
            return file.read().strip()

    def refused(self, operation: object, executor: Executor | None = None) -> PrivilegeError:
        """Why an operation is not done."""
        return self.assertRaises(PrivilegeError, (executor or self.executor).perform, operation)


class AddressTests(ExecutorCase):
    """Addresses on a kernel that keeps marks."""

    def test_new(self) -> None:
        """
        A new address carries our mark.
        """
        self.executor.perform(PUT_ADDRESS)
        self.assertEqual(self.kernel.held[LAN0, ADDRESS.ip].protocol, MARK)

    def test_again(self) -> None:
        """
        Our own address, whoever of us made it, is replaced without a gap.
        """
        self.executor.perform(PUT_ADDRESS)
        self.new().perform(PUT_ADDRESS)
        self.assertEqual(self.kernel.asked[-2:], ["list addresses", f"replace {ADDRESS}"])

    def test_other_length(self) -> None:
        """
        Another prefix length means removal and addition: the kernel keeps the old one when it replaces.
        """
        put = evolve(PUT_ADDRESS, link="lan1", index=LAN1, address=IPv6Interface("2001:db8::1/60"))
        self.executor.perform(put)
        self.executor.perform(evolve(put, address=IPv6Interface("2001:db8::1/64")))
        self.assertEqual(self.kernel.asked[-2:], ["remove 2001:db8::1/60", "add 2001:db8::1/64"])

    def test_foreign(self) -> None:
        """
        An address without our mark, or with another, is neither changed nor removed.
        """
        for mark in (None, 3):
            self.kernel.hold(LAN0, TEXT, mark=mark)
            before = dict(self.kernel.held)
            self.assertEqual(str(self.refused(PUT_ADDRESS)), f"{PUT_ADDRESS}: address: it is there and is not ours")
            self.assertEqual(str(self.refused(REMOVE_ADDRESS)), f"{REMOVE_ADDRESS}: address: it is not ours")
            self.assertEqual(self.kernel.held, before)

    def test_removal(self) -> None:
        """
        What is ours is removed, wherever it is and whatever its link is called; what is gone is removed already.
        """
        self.executor.perform(REMOVE_ADDRESS)
        self.kernel.hold(5, TEXT, mark=MARK)
        self.executor.perform(evolve(REMOVE_ADDRESS, link="gone", index=5))
        self.assertEqual(self.kernel.held, {})

    def test_removal_of_another_length(self) -> None:
        """
        The same address with another prefix length is another one.
        """
        self.kernel.hold(LAN0, TEXT, length=60, mark=MARK)
        self.executor.perform(REMOVE_ADDRESS)
        self.assertEqual(len(self.kernel.held), 1)

    def test_link_of_another_name(self) -> None:
        """
        The name of the index counts: after a rename the operation is refused.
        """
        self.kernel.links[LAN0] = "eth7"
        error = self.refused(PUT_ADDRESS)
        self.assertIsInstance(error, Refused)
        self.assertEqual(error.reason, "link: index 3 is eth7, not lan0")
        self.assertEqual(self.kernel.held, {})

    def test_link_gone(self) -> None:
        """
        A link that is gone is the kernel's error.
        """
        error = self.refused(evolve(PUT_ADDRESS, index=99))
        self.assertEqual((error.errno, error.reason), (errno.ENODEV, "No such device"))

    def test_kernels_words(self) -> None:
        """
        The kernel's refusal comes with its number and its words.
        """
        self.kernel.words = (errno.EACCES, "ipv6: IPv6 is disabled on this device")
        error = self.refused(PUT_ADDRESS)
        self.assertEqual((error.operation, error.errno), (str(PUT_ADDRESS), errno.EACCES))
        self.assertEqual(error.reason, "ipv6: IPv6 is disabled on this device")

    def test_too_many(self) -> None:
        """
        There is a bound to how many addresses carry our mark; when some are gone there is room again.
        """
        for number in range(MOST_OBJECTS):
            self.kernel.hold(5, f"2001:db8:1::{number:x}", mark=MARK)
        self.assertEqual(self.refused(PUT_ADDRESS).reason, f"address: there are {MOST_OBJECTS} of ours")
        del self.kernel.held[next(iter(self.kernel.held))]
        self.executor.perform(PUT_ADDRESS)
        self.refused(evolve(PUT_ADDRESS, address=IPv6Interface("2001:db8:0:1::2/64")))
        self.executor.perform(REMOVE_ADDRESS)
        self.executor.perform(PUT_ADDRESS)

    def test_socket_fails(self) -> None:
        """
        Where the socket itself fails, that is the error.
        """

        def fail(*, index: int = 0, name: str = "") -> None:
            raise OSError(errno.ETIMEDOUT, "Connection timed out")

        self.kernel.link = fail  # type: ignore[assignment, method-assign]
        error = self.refused(PUT_ADDRESS)
        self.assertEqual((error.errno, error.reason), (errno.ETIMEDOUT, "Connection timed out"))


class OldKernelTests(ExecutorCase):
    """Addresses on a kernel that does not keep marks (before 5.18)."""

    keeps_marks = False

    def test_releases(self) -> None:
        """
        IFA_PROTO is kept since Linux 5.18.
        """
        for release in ("5.18.0", "5.18-rc1", "6.1.0-13-amd64", "10.0", "6.18.44-fc-v669"):
            self.assertTrue(kernel_marks_addresses(release), release)
        for release in ("5.17.15", "5.4.0-100-generic", "4.19", "strange"):
            self.assertFalse(kernel_marks_addresses(release), release)

    def test_made_here(self) -> None:
        """
        What this process made is ours, to be changed and to be removed.
        """
        self.executor.perform(PUT_ADDRESS)
        self.executor.perform(PUT_ADDRESS)
        self.executor.perform(REMOVE_ADDRESS)
        self.assertEqual(self.kernel.held, {})

    def test_looks_like_ours(self) -> None:
        """
        After a restart an address counts as ours when it looks like it: on a downstream, inside policy, without a
        prefix route.
        """
        self.executor.perform(PUT_ADDRESS)
        self.new().perform(PUT_ADDRESS)
        self.new().perform(REMOVE_ADDRESS)
        self.assertEqual(self.kernel.held, {})

    def test_does_not_look_like_ours(self) -> None:
        """
        An address with the kernel's prefix route, on another link, or outside policy is somebody else's.
        """
        self.kernel.hold(LAN0, TEXT)
        self.refused(PUT_ADDRESS)
        self.refused(REMOVE_ADDRESS)
        self.kernel.hold(5, TEXT, flags=0x200)
        self.refused(evolve(REMOVE_ADDRESS, index=5))
        self.kernel.hold(LAN0, "fec0::1", flags=0x200)
        self.refused(evolve(REMOVE_ADDRESS, address=IPv6Interface("fec0::1/64")))

    def test_marks_after_all(self) -> None:
        """
        A kernel that shows a mark keeps marks, whatever its release says.
        """
        self.kernel.hold(LAN0, TEXT, mark=3, flags=0x200)
        self.refused(PUT_ADDRESS)
        self.kernel.hold(LAN0, TEXT, flags=0x200)
        self.refused(PUT_ADDRESS)

    def test_what_expired_is_forgotten(self) -> None:
        """
        The memory of what was made does not grow with what expired.
        """
        for number in range(MOST_OBJECTS):
            self.executor.perform(evolve(PUT_ADDRESS, address=IPv6Interface(f"2001:db8:0:1::{number + 1:x}/64")))
        self.refused(evolve(PUT_ADDRESS, address=IPv6Interface("2001:db8:0:1:1::/64")))
        self.kernel.held.clear()
        self.executor.perform(PUT_ADDRESS)
        self.assertEqual(len(self.executor._addresses_made), 1)


class RouteTests(ExecutorCase):
    """On-link and unreachable routes."""

    def test_come_and_go(self) -> None:
        """
        Routes are added, replaced and removed; what is gone is removed already.
        """
        for put, remove in ((PUT_ROUTE, REMOVE_ROUTE), (PUT_UNREACHABLE, REMOVE_UNREACHABLE)):
            self.executor.perform(put)
            self.clock.advance(MOMENT)
            self.executor.perform(put)
            self.executor.perform(remove)
            self.executor.perform(remove)
        routes = [word for word in self.kernel.asked if word != "list routes"]
        self.assertEqual(routes, ["add route", "replace route", "remove route"] * 2)

    def test_foreign(self) -> None:
        """
        A route with another protocol number is neither replaced nor removed.
        """
        for put, remove in ((PUT_ROUTE, REMOVE_ROUTE), (PUT_UNREACHABLE, REMOVE_UNREACHABLE)):
            self.executor.perform(put)
            self.kernel.marks = dict.fromkeys(self.kernel.marks, 4)
            before = dict(self.kernel.marks)
            self.clock.advance(MOMENT)
            self.assertEqual(self.refused(put).reason, "prefix: a route that is not ours stands there")
            self.executor.perform(remove)
            self.assertEqual(self.kernel.marks, before)

    def test_many_refreshes_ask_once(self) -> None:
        """
        Refreshing many routes in one moment lists the kernel's routes once.
        """
        puts = [evolve(PUT_ROUTE, prefix=IPv6Network(f"2001:db8:0:{number:x}::/64")) for number in range(20)]
        for put in puts:
            self.executor.perform(put)
        self.kernel.asked.clear()
        for put in puts:
            self.executor.perform(put)
        self.assertEqual(self.kernel.asked, ["list routes"] + ["replace route"] * 20)

    def test_refresh_in_the_same_moment(self) -> None:
        """
        A route that was added a moment ago is ours, and one that was removed a moment ago is not any more.
        """
        self.executor.perform(PUT_ROUTE)
        self.executor.perform(PUT_ROUTE)
        self.executor.perform(PUT_UNREACHABLE)
        self.executor.perform(PUT_UNREACHABLE)
        self.executor.perform(REMOVE_ROUTE)
        self.kernel.marks[254, PUT_ROUTE.metric, 1, 64, PUT_ROUTE.prefix.network_address.packed] = 4
        self.refused(PUT_ROUTE)

    def test_link_of_another_name(self) -> None:
        """
        The name of the index counts.
        """
        self.assertEqual(self.refused(evolve(PUT_ROUTE, index=5)).reason, "link: index 5 is other0, not lan0")
        self.assertEqual(self.kernel.marks, {})

    def test_too_many(self) -> None:
        """
        There is a bound to how many routes carry our number.
        """
        self.kernel.marks = {(254, 1, 1, 64, b"%d" % number): MARK for number in range(MOST_OBJECTS)}
        self.assertEqual(self.refused(PUT_ROUTE).reason, f"prefix: there are {MOST_OBJECTS} of ours")


class IPv6SettingTests(ExecutorCase):
    """IPv6 switched on and off."""

    def test_on(self) -> None:
        """
        IPv6 is switched on for the link of the index.
        """
        self.set_disabled("lan0", "1\n")
        self.executor.perform(ENABLE)
        self.executor.perform(ENABLE)
        self.assertEqual(self.disabled("lan0"), "0")

    def test_off(self) -> None:
        """
        It is switched off where nobody else has an address; our own and link-local ones do not count.
        """
        self.kernel.hold(LAN0, "fe80::1")
        self.kernel.hold(LAN0, TEXT, mark=MARK)
        self.executor.perform(DISABLE)
        self.assertEqual(self.disabled("lan0"), "1")

    def test_not_under_others(self) -> None:
        """
        It is not switched off under somebody else's route or address.
        """
        self.kernel.others_routes[LAN0] = IPv6Network("2001:db8:77::/48")
        words = "index: the route to 2001:db8:77::/48 would go, which is not ours"
        self.assertEqual(self.refused(DISABLE).reason, words)
        self.kernel.others_routes.clear()
        self.kernel.hold(LAN0, "2001:db8:9::1")
        self.assertEqual(self.refused(DISABLE).reason, "index: 2001:db8:9::1 would go, which is not ours")
        self.assertEqual(self.disabled("lan0"), "0")

    def test_off_only_for_ours(self) -> None:
        """
        It is switched off for configured downstream links, for those of earlier configurations, and where this process
        switched it on, whatever the link is called now; the name in the operation does not count.
        """
        self.assertEqual(self.refused(evolve(DISABLE, index=5)).reason, "index: 5 is other0, no downstream of ours")
        self.set_disabled("lan0", "1\n")
        self.executor.perform(ENABLE)
        os.rename(f"{self.settings}/lan0", f"{self.settings}/renamed")
        self.kernel.links[LAN0] = "renamed"
        self.executor.perform(DISABLE)
        self.assertEqual(self.disabled("renamed"), "1")
        self.refused(DISABLE)
        self.executor.policy = Policy.of(config(TOML.replace(b'"lan1/60"', b'"lan9"')), self.executor.policy)
        self.executor.perform(evolve(DISABLE, link="any", index=LAN1))
        self.assertEqual(self.disabled("lan1"), "1")

    def test_link_gone(self) -> None:
        """
        A link that is gone needs nothing put back, and cannot be switched on.
        """
        del self.kernel.links[LAN0]
        self.executor.perform(DISABLE)
        self.assertEqual(self.refused(ENABLE).errno, errno.ENODEV)

    def test_renamed_in_between(self) -> None:
        """
        A link that takes the name between question and act is not written to.
        """
        asked: list[int] = []
        link = self.kernel.link

        def slow(*, index: int = 0, name: str = "") -> object:
            asked.append(index)
            if len(asked) == 2:
                self.kernel.links[LAN0], self.kernel.links[5] = "other0", "lan0"
            return link(index=index, name=name)

        self.kernel.link = slow  # type: ignore[assignment, method-assign]
        self.set_disabled("lan0", "1\n")
        self.assertEqual(self.refused(ENABLE).reason, "link: index 3 is other0, not lan0")
        self.assertEqual(self.disabled("lan0"), "1")

    def test_no_setting(self) -> None:
        """
        Where the kernel has no such setting, its words are the error.
        """
        os.unlink(f"{self.settings}/lan0/disable_ipv6")
        error = self.refused(ENABLE)
        self.assertEqual((error.errno, error.reason), (errno.ENOENT, "No such file or directory"))


class SocketTests(ExecutorCase):
    """What is refused before a socket is made."""

    def test_client_socket_for_uplinks_only(self) -> None:
        """
        A client socket is for an uplink, and for the index that has its name.
        """
        for link, index, said in (
            ("lan0", LAN0, "link: lan0 is no configured uplink"),
            ("wan0", LAN0, "link: index 3 is lan0, not wan0"),
        ):
            error = self.assertRaises(Refused, self.executor.open_client_socket, link, index)
            self.assertEqual((error.reason, error.operation), (said, f"open port 546 on {link}"))
        error = self.assertRaises(PrivilegeError, self.executor.open_client_socket, "wan0", 77)
        self.assertEqual(error.errno, errno.ENODEV)

    def test_close(self) -> None:
        """
        Closing closes the request socket.
        """
        self.executor.close()
        self.assertTrue(self.kernel.closed)
