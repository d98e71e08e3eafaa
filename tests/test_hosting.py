"""
Tests for L{pdlease.hosting} and L{pdlease.guestreport}: a whole daemon with switches and guests, on virtual time.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from attrs import evolve
from jsonschema import validate
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import Config
from pdlease.config.toml import parse
from pdlease.hosting import RETRY, known_subnets, numbers_of
from pdlease.identity import Identity, KnownSubnet
from pdlease.interfaces import Refused
from pdlease.kernel import ADDRESS_TENTATIVE, Link
from pdlease.operations import PrivilegeError, SetGroup
from pdlease.places import CannotStart
from tests.house import CLIENT, ONE, House

HOST = """
[switches.lab]
link = "br0"
group = "guests"

[guests.web1]
id = 1
[[guests.web1.nics]]
link = "tap0"
switch = "lab"
local = true
delegate = "wan"

[guests.web2]
id = 2
[[guests.web2.nics]]
link = "tap1"
mac = "02:00:5e:10:00:01"
delegate = "wan"

[local]
inet6 = "fd12:3456:789a:bcde::/64"
"""
BOTH = ONE + HOST
ALONE = HOST.replace('delegate = "wan"\n', "")
WEB2 = BOTH[BOTH.index("[guests.web2]") : BOTH.index("[local]")]


class HostCase(SynchronousTestCase):
    """A house with a bridge."""

    def begin(self, text: str = BOTH, **how: Any) -> House:
        """A daemon that has come to rest; the bridge is there, set down, the guests' links are not."""
        self.house = House(text, **how)
        self.house.add_links()
        self.house.kernel.add_link("br0", is_up=False)
        self.house.begin()
        self.house.wait(5)
        return self.house

    def appear(self, name: str) -> None:
        """A guest is started: its link appears."""
        self.house.kernel.add_link(name, is_up=False)
        self.house.wait(5)

    def link(self, name: str) -> Link:
        """A link as it is."""
        found = self.house.kernel.link_named(name)
        assert found is not None
        return found

    def status(self) -> dict[str, Any]:
        """The status document."""
        assert self.house.desk is not None
        document = self.house.desk.status(None)
        validate(document, json.loads((files("pdlease.control") / "schemas" / "status.json").read_text()))
        return document

    def delegated(self) -> dict[str, str | None]:
        """The /64 of each guest."""
        return {name: nics[0]["delegated"] for name, nics in self.status()["guests"].items()}


class GuestsTests(HostCase):
    """Guests that come and go."""

    def test_without_uplinks(self) -> None:
        """A configuration with guests and no uplinks is carried out like any other."""
        self.begin(ALONE)
        self.assertEqual((self.link("br0").alias, self.link("br0").is_up), ("switch1-lab", True))
        self.appear("tap0")
        tap = self.link("tap0")
        self.assertEqual(
            (tap.master, tap.alias, tap.group, tap.is_up), (self.link("br0").index, "vm1-if0-web1", 12, True)
        )
        self.assertEqual(self.house.addresses("tap0"), {})
        self.assertEqual(set(self.house.addresses("br0")), {"100.64.1.2/31", "fd12:3456:789a:bcde:6440:103:0:1/96"})
        self.assertEqual(self.house.routes(), {"fd12:3456:789a:bcde:6440:103::/96 br0"})

    def test_delegated(self) -> None:
        """Each guest has a /64 of the uplink's prefix the moment its link appears, and again when it comes back."""
        self.begin()
        self.assertEqual(self.house.kept[-1], {("web1", 0, "wan", "lan0"): 1, ("web2", 0, "wan", "lan0"): 2})
        for _ in range(2):
            self.appear("tap1")
            subnet = self.delegated()["web2"]
            assert subnet is not None
            self.assertIn(f"{subnet} tap1", self.house.routes())
            self.assertEqual(set(self.house.addresses("tap1")), {subnet.replace("::/", "::1/")})
            self.house.kernel.remove_link("tap1")
            self.house.wait(1)

    def test_delegated_to_a_port(self) -> None:
        """The /64 of a port is on its bridge, where Linux answers for it, and status says whose it is."""
        self.begin()
        subnet = self.delegated()["web1"]
        assert subnet is not None
        self.assertIn(f"{subnet} br0", self.house.routes())
        self.assertIn(subnet.replace("::/", "::1/"), self.house.addresses("br0"))

    def test_removed_by_reload(self) -> None:
        """A guest that leaves the configuration has its link put back as it was, and loses its addresses."""
        self.begin()
        before = self.appear_both()
        self.house.replace(BOTH.replace(WEB2, ""))
        self.house.wait(5)
        after = self.link("tap1")
        self.assertEqual(
            (after.alias, after.link_layer_address, after.is_up, self.house.addresses("tap1")),
            (before.alias, before.link_layer_address, False, {}),
        )
        self.assertEqual(self.link("tap0").alias, "vm1-if0-web1")
        self.house.replace(ONE)
        self.house.wait(5)
        self.assertEqual(
            (self.link("tap0").master, self.link("br0").alias, self.link("br0").is_up), (None, None, False)
        )
        self.assertEqual(self.house.addresses("br0"), {})

    def appear_both(self) -> Link:
        """Both guests start; the second one's link as it was before."""
        self.appear("tap0")
        self.house.kernel.held_back = True
        self.house.kernel.add_link("tap1", is_up=False)
        self.house.kernel.change("tap1", link_layer_address=bytes.fromhex("020000000009"))
        before = self.house.kernel.true.links[self.link("tap0").index + 1]
        self.house.kernel.held_back = False
        self.house.kernel.deliver()
        self.house.wait(5)
        self.assertEqual(self.link("tap1").link_layer_address.hex(), "02005e100001")
        return before

    def test_set_again_on_reload(self) -> None:
        """What others have made of a link's settings is set right when the configuration is read (design 4)."""
        self.begin()
        self.appear("tap0")
        self.house.kernel.change("tap0", group=3)
        self.house.wait(5)
        self.assertEqual(self.link("tap0").group, 3)
        self.house.replace(BOTH)
        self.house.wait(5)
        self.assertEqual(self.link("tap0").group, 12)


class NumberTests(HostCase):
    """Which /64 a guest has never moves while it fits (design, carving)."""

    def test_survives_a_restart(self) -> None:
        """The remembered number counts, not the order of the file or of start."""
        numbers = {("web1", 0, "wan", "lan0"): 9, ("web2", 0, "wan", "lan0"): 4}
        self.begin(numbers=numbers)
        found = self.delegated()
        self.assertEqual(
            {name: (text or "")[-7:] for name, text in found.items()}, {"web1": ":9::/64", "web2": ":4::/64"}
        )
        self.assertEqual(self.house.kept, [])

    def test_survives_who_comes_and_goes(self) -> None:
        """A guest that is added or removed moves no other."""
        self.begin()
        before = self.delegated()["web2"]
        self.house.replace(BOTH.replace(BOTH[BOTH.index("[guests.web1]") : BOTH.index("[guests.web2]")], ""))
        self.house.wait(5)
        self.assertEqual(self.delegated(), {"web2": before})
        self.house.replace(BOTH)
        self.house.wait(5)
        self.assertEqual(self.delegated()["web2"], before)

    def test_another_first_downstream(self) -> None:
        """A delegation whose first downstream is another, and which is known by that now, moves no guest."""
        text = BOTH.replace('["lan0"]', '["lan0", "lan1"]')
        self.begin(text, numbers={("web1", 0, "wan", "lan0"): 9, ("web2", 0, "wan", "lan0"): 4})
        before = self.delegated()
        self.house.replace(text.replace('["lan0", "lan1"]', '["lan1", "lan0"]'))
        self.house.wait(5)
        self.assertEqual(self.delegated(), before)
        known = {key[0]: number for key, number in self.house.kept[-1].items() if key[3] == "lan1"}
        self.assertEqual(known, {"web1": 9, "web2": 4})

    def test_not_written_down(self) -> None:
        """Where numbers cannot be written down they are in use all the same, and are tried again."""
        house = House(BOTH)
        self.house = house
        house.refuses_numbers = True
        house.add_links()
        house.begin()
        house.wait(5)
        self.assertIsNotNone(self.delegated()["web1"])
        house.refuses_numbers = False
        house.wait(RETRY)
        self.assertEqual(len(house.kept), 1)
        house.refuses_numbers = True
        house.replace(BOTH.replace("id = 2", "id = 3"))
        house.router.stop()

    def test_identity(self) -> None:
        """Numbers are kept with the identity, which outlives every lease."""
        numbers = {("web2", 0, "wan", "lan0"): 4, ("web1", 1, "wan", "lan0"): 9}
        subnets = known_subnets(numbers)
        self.assertEqual(subnets[0], KnownSubnet(guest="web1", nic=1, uplink="wan", delegation="lan0", number=9))
        self.assertEqual(numbers_of(Identity(duid=CLIENT, subnets=subnets)), numbers)


class DocumentTests(HostCase):
    """What operators are told."""

    def test_ready(self) -> None:
        """Status has every guest and switch, with what each got and that all of it stands."""
        self.begin()
        self.appear("tap0")
        document = self.status()
        (nic,) = document["guests"]["web1"]
        self.assertEqual(
            {key: nic[key] for key in ("link", "switch", "group", "up", "mac", "ipv4", "present", "ready", "problems")},
            {
                "link": "tap0",
                "switch": "lab",
                "group": 12,
                "up": True,
                "mac": None,
                "ipv4": "100.64.1.2/31",
                "present": True,
                "ready": True,
                "problems": [],
            },
        )
        self.assertEqual(nic["address"], nic["delegated"].replace("::/64", "::1"))
        (other,) = document["guests"]["web2"]
        self.assertEqual(other["mac"], "02:00:5e:10:00:01", "as it is written in the file")
        self.assertEqual(
            document["switches"]["lab"],
            {
                "link": "br0",
                "vrf": None,
                "up": True,
                "ports": ["tap0"],
                "present": True,
                "ready": True,
                "reason_text": None,
                "problems": [],
            },
        )

    def test_not_ready(self) -> None:
        """What is not ready although nothing is in the way says what it waits for."""
        self.begin()
        self.appear("tap0")
        self.house.kernel.carrier("br0", False)
        for address in tuple(self.house.kernel.heard.addresses.values()):
            if address.address.version == 6 and address.index == self.link("br0").index:
                self.house.kernel.heard.addresses[address.key] = evolve(address, flags=ADDRESS_TENTATIVE)
        sentence = "its link has no carrier, and duplicate address detection waits for that"
        (nic,) = self.status()["guests"]["web1"]
        self.assertEqual((nic["ready"], nic["reason_text"], nic["problems"]), (False, sentence, []))
        assert self.house.desk is not None
        self.assertIn(f"guest web1: tap0 is not ready: {sentence}.", self.house.desk.why(None))

    def test_absent(self) -> None:
        """A link that is not there is told as such, and why says that it is waited for."""
        self.begin()
        (nic,) = self.status()["guests"]["web1"]
        self.assertEqual((nic["present"], nic["ready"], nic["problems"]), (False, False, []))
        assert self.house.desk is not None
        self.assertIn("guest web1: there is no link tap0; it is set up when it appears.", self.house.desk.why(None))

    def test_refused(self) -> None:
        """What is refused is told with operation, errno and the kernel's words."""
        self.begin()
        self.house.privilege.refuses = lambda operation: (
            PrivilegeError(str(operation), 16, "busy") if isinstance(operation, SetGroup) else None
        )
        self.appear("tap0")
        (nic,) = self.status()["guests"]["web1"]
        problem = {"operation": "put tap0 into group 12", "errno": 16, "text": "busy"}
        self.assertEqual((nic["ready"], nic["problems"]), (False, [problem]))
        assert self.house.desk is not None
        self.assertIn("guest web1: put tap0 into group 12: busy.", self.house.desk.why(None))

    def test_no_subnet(self) -> None:
        """A guest whose uplink has no prefix yet is told as one without a /64."""
        self.house = House(BOTH)
        self.house.add_links()
        self.house.kernel.set_up("eth0", False)
        self.house.begin()
        self.appear("tap1")
        assert self.house.desk is not None
        (sentence,) = [line for line in self.house.desk.why(None) if line.startswith("guest web2")]
        self.assertIn("has no /64 yet", sentence)

    def test_plan(self) -> None:
        """The plan has the /64s that guests really have."""
        self.begin(numbers={("web1", 0, "wan", "lan0"): 9})
        assert self.house.desk is not None
        (nic,) = self.house.desk.plan()["guests"]["web1"]
        self.assertEqual(nic["delegated"], self.delegated()["web1"])

    def test_release(self) -> None:
        """Prefixes that guests have parts of are not released unless that is said (design 19)."""
        self.begin()
        assert self.house.desk is not None
        error = self.assertRaises(Refused, self.house.desk.release, "wan", False)
        self.assertIn("web1, web2", str(error))


class CheckTests(HostCase):
    """What cannot be put in place."""

    def test_unknown_group(self) -> None:
        """A link group without a number on this machine is refused before anything is done."""
        hosting = self.begin().router.hosting
        wrong = parse(BOTH.replace('"guests"', '"nobody"').encode(), "x")
        error = self.assertRaises(CannotStart, hosting.check, wrong)
        self.assertIn('"nobody"', str(error))
        hosting.check(Config())
