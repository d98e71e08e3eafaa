"""
Tests of L{pdlease.config.toml}.
"""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.model import NIC, Config, Daemon, Delegation, Guest, IdentitySettings, Local, Policy, Switch, Uplink
from pdlease.config.toml import LARGEST, ConfigErrors, parse
from pdlease.subnets import Downstream

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pdlease.toml"

SMALLEST = '[uplinks.eth0]\n[[uplinks.eth0.delegations]]\ndownstreams = ["lan0"]\n'


def problems(text: str | bytes) -> list[str]:
    """Everything that is wrong with a file, without the file's name."""
    data = text.encode() if isinstance(text, str) else text
    try:
        parse(data, "x.toml")
    except ConfigErrors as errors:
        return [str(error) for error in errors.errors]
    return []


def uplink(keys: str = "", delegation: str = "", name: str = "wan") -> str:
    """A file with one uplink, with these further keys for it and for its delegation."""
    return f'[uplinks.{name}]\nlink = "eth0"\n{keys}\n[[uplinks.{name}.delegations]]\n{delegation}\n'


def downstreams(*entries: str) -> str:
    """A file with one delegation that has these downstreams, as they are written."""
    return uplink(delegation=f"downstreams = [{', '.join(entries)}]")


def guest(keys: str = "", nic: str = 'link = "tap0"', name: str = "web1", number: int = 1) -> str:
    """A guest with one NIC."""
    return f"[guests.{name}]\nid = {number}\n{keys}\n[[guests.{name}.nics]]\n{nic}\n"


class ModelTests(SynchronousTestCase):
    """
    What a right file means.
    """

    def test_smallest(self) -> None:
        """
        An uplink with a delegation is enough; everything else has the defaults of the design.
        """
        self.assertEqual(
            parse(SMALLEST.encode(), "x.toml"),
            Config(
                daemon=Daemon(
                    state="/var/lib/pdlease",
                    control="/run/pdlease/control.sock",
                    control_group="pdlease",
                    privileges="helper",
                    store="file",
                    user="pdlease",
                    helper_user="pdlease-helper",
                    on_stop="keep",
                    route_protocol=154,
                    sandbox="try",
                    sandbox_action="errno",
                ),
                identity=IdentitySettings(duid="uuid"),
                uplinks=(
                    Uplink(
                        name="eth0",
                        link="eth0",
                        rapid_commit=False,
                        solicit_delay=True,
                        start="link",
                        rate_limit=(20, 20.0),
                        reconfigure=False,
                        duid="",
                        profile="",
                        vrf="",
                        route_table=None,
                        delegations=(
                            Delegation(
                                key="lan0",
                                iaid=None,
                                hint="nibble",
                                downstreams=(Downstream(link="lan0", length=64, host=None),),
                            ),
                        ),
                    ),
                ),
                local=Local(prefix=IPv4Network("100.64.0.0/10"), inet6=None),
                policy=Policy(prefixes=(IPv6Network("2000::/3"), IPv6Network("fc00::/7"))),
            ),
        )

    def test_example(self) -> None:
        """
        The example file, which is the design's, has every table, and each is read.
        """
        config = parse(EXAMPLE.read_bytes(), str(EXAMPLE))
        self.assertEqual(config.daemon, Daemon())
        self.assertEqual(
            config.uplinks,
            (
                Uplink(
                    name="wan",
                    link="eth0.835",
                    delegations=(
                        Delegation(
                            key="lan0",
                            iaid=1,
                            downstreams=(
                                Downstream(link="lan0"),
                                Downstream(link="lan1", length=60),
                                Downstream(),
                                Downstream(link="lan2", host=1),
                            ),
                            guests=1,
                        ),
                    ),
                ),
            ),
        )
        self.assertEqual(config.switches, (Switch(name="lab", link="br0", group=7, vrf="blue"),))
        nic = NIC(link="tap0", switch="lab", local=True, delegate="wan")
        self.assertEqual(config.guests, (Guest(name="web1", id=1, nics=(nic,)),))
        self.assertEqual(config.local.inet6, IPv6Network("fd12:3456:789a:bcde::/64"))

    def test_guests_only(self) -> None:
        """
        A file with guests and no uplinks is valid.
        """
        self.assertEqual(problems(guest()), [])

    def test_downstream_forms(self) -> None:
        """
        A downstream is a name, a name and a length, a reserve with or without length, or a table, in which C{reserve}
        is an ordinary name.
        """
        text = downstreams(
            '"a"',
            '"b/60"',
            '"reserve"',
            '"reserve/56"',
            '{ link = "c", length = 62 }',
            '{ link = "reserve", length = 127, host = "::" }',
        )
        self.assertEqual(
            parse(text.encode(), "x.toml").uplinks[0].delegations[0].downstreams,
            (
                Downstream(link="a"),
                Downstream(link="b", length=60),
                Downstream(),
                Downstream(length=56),
                Downstream(link="c", length=62),
                Downstream(link="reserve", length=127, host=0),
            ),
        )

    def test_keys_of_delegations(self) -> None:
        """
        A delegation is known by its first downstream link; one that has none, by its place in the uplink.
        """
        text = uplink(delegation='downstreams = ["reserve", "a"]')
        text += '[[uplinks.wan.delegations]]\ndownstreams = ["reserve"]\n[[uplinks.wan.delegations]]\n'
        delegations = parse(text.encode(), "x.toml").uplinks[0].delegations
        self.assertEqual([delegation.key for delegation in delegations], ["a", "#1", "#2"])

    def test_guests_of_the_first_delegation(self) -> None:
        """
        Guests with C{delegate} count in the needed length of the uplink's first delegation, and of no other.
        """
        text = uplink(delegation='downstreams = ["a"]') + '[[uplinks.wan.delegations]]\ndownstreams = ["b"]\n'
        text += "".join(guest(name=f"g{n}", number=n, nic=f'link = "tap{n}"\ndelegate = "wan"') for n in range(1, 4))
        delegations = parse(text.encode(), "x.toml").uplinks[0].delegations
        self.assertEqual([(d.needed_length, d.requested_length) for d in delegations], [(62, 60), (64, 64)])

    def test_what_a_nic_leaves_out(self) -> None:
        """
        P27, W10: group and VRF of a NIC are its own, else its switch's, by value.
        """
        text = '[switches.lab]\nlink = "br0"\ngroup = 7\nvrf = "blue"\n[switches.plain]\nlink = "br1"\n'
        for name, more in [
            ("a", 'switch = "lab"'),
            ("b", 'switch = "lab"\ngroup = 8\nvrf = "red"'),
            ("c", 'switch = "plain"'),
            ("d", 'group = "dmz"'),
            ("e", 'switch = "lab"\ngroup = 0'),
        ]:
            text += guest(name=name, number=ord(name), nic=f'link = "tap-{name}"\n{more}')
        config = parse(text.encode(), "x.toml")
        found = [(config.group_of(g.nics[0]), config.vrf_of(g.nics[0])) for g in config.guests]
        self.assertEqual(found, [(7, "blue"), (8, "red"), (None, ""), ("dmz", ""), (0, "blue")])

    def test_order_of_guests(self) -> None:
        """
        Guests ask for a /64 in order of id and NIC index, whatever the order of the file.
        """
        text = uplink() + guest(name="b", number=2, nic='link = "tap2"\ndelegate = "wan"')
        text += guest(name="a", number=1, nic='link = "tap0"\ndelegate = "wan"')
        text += '[[guests.a.nics]]\nlink = "tap9"\n[[guests.a.nics]]\nlink = "tap1"\ndelegate = "wan"\n'
        shares = parse(text.encode(), "x.toml").guest_shares("wan")
        self.assertEqual(
            [(s.guest, s.nic, s.link) for s in shares], [("a", 0, "tap0"), ("a", 2, "tap1"), ("b", 0, "tap2")]
        )

    def test_find_by_name(self) -> None:
        """
        Uplinks and switches are found by name.
        """
        config = parse((SMALLEST + "[switches.br0]\n").encode(), "x.toml")
        self.assertEqual(config.uplink("eth0"), config.uplinks[0])
        self.assertEqual(config.switch("br0"), Switch(name="br0", link="br0"))
        self.assertIsNone(config.uplink("lan0"))


class NotTOMLTests(SynchronousTestCase):
    """
    Files that cannot be read at all.
    """

    def test_line(self) -> None:
        """
        A syntax error is reported with its line and column.
        """
        self.assertEqual(problems("a = 1\nb = @\n"), ["line 2: not TOML: Invalid value (column 5)"])

    def test_end_of_file(self) -> None:
        """
        One at the end of the file names the last line.
        """
        self.assertEqual(problems("a = 1\nb = ["), ["line 2: not TOML: Invalid value (end of file)"])

    def test_not_utf8(self) -> None:
        """
        Bytes that are not UTF-8 are reported with their line.
        """
        self.assertEqual(problems(b"a = 1\nb = '\xff'"), ["line 2: not UTF-8 (byte 0xff)"])

    def test_nested_too_deeply(self) -> None:
        """
        Thousands of brackets are an error, not the end of the process.
        """
        self.assertEqual(problems(b"a = " + b"[" * 9000), ["not TOML: arrays or tables are nested too deeply"])

    def test_huge_number(self) -> None:
        """
        A number of thousands of digits is an error, not the end of the process.
        """
        self.assertEqual(len(problems(b"a = " + b"1" * 9000)), 1)

    def test_huge_file(self) -> None:
        """
        A file that is larger than any configuration is not read.
        """
        self.assertEqual(problems(b"#" * (LARGEST + 1)), [f"the file is larger than {LARGEST} bytes"])

    @given(st.binary(max_size=60))
    @settings(deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        """
        Any bytes are a configuration or an error with a name, never anything else.
        """
        problems(data)


class ErrorsTests(SynchronousTestCase):
    """
    What is said about wrong files.
    """

    def assertProblems(self, text: str, *expected: str) -> None:
        """The file has exactly these errors."""
        self.assertEqual(problems(text), list(expected))

    def test_all_at_once(self) -> None:
        """
        All errors are reported together, one a line, each with the file and its dotted path.
        """
        text = '[daemon]\non_stop = "never"\n' + uplink("rapid_commit = 1", 'iaid = -1\ndownstreams = ["a", "b/129"]')
        errors = self.assertRaises(ConfigErrors, parse, text.encode(), "x.toml")
        self.assertEqual(
            str(errors).splitlines(),
            [
                'x.toml: daemon.on_stop: expected "keep" or "remove", not "never"',
                "x.toml: uplinks.wan.rapid_commit: expected true or false, not 1",
                "x.toml: uplinks.wan.delegations[0].iaid: expected a whole number from 0 to 4294967295, not -1",
                "x.toml: uplinks.wan.delegations[0].downstreams[1]: expected a whole number from 1 to 128, not 129",
            ],
        )

    def test_did_you_mean(self) -> None:
        """
        An unknown key is an error that names the known key nearest to it.
        """
        self.assertProblems(
            uplink("rapid_comit = true"), 'uplinks.wan.rapid_comit: unknown key; did you mean "rapid_commit"?'
        )
        self.assertProblems("[uplink.wan]\n" + SMALLEST, 'uplink: unknown key; did you mean "uplinks"?')

    def test_nothing_near(self) -> None:
        """
        Where no known key is near, all of them are named.
        """
        self.assertProblems(SMALLEST + "[policy]\nx = 1", "policy.x: unknown key; known are prefixes")

    def test_dotted_name(self) -> None:
        """
        A dotted name that TOML reads as nested tables gets "quote it", whatever the number of dots, and nothing else.
        """
        for kind in ("uplinks", "switches", "guests"):
            more = "id = 1\n" if kind == "guests" else ""
            self.assertEqual(
                problems(f"[{kind}.eth0.835.7]\n{more}")[0],
                f'{kind}.eth0.835: unknown table; a name with a dot in it must be quoted: [{kind}."eth0.835.7"]',
            )
        self.assertEqual(len(problems("[uplinks.eth0.835]\n[[uplinks.eth0.835.delegations]]\n")), 1)

    def test_path_is_quoted(self) -> None:
        """
        A name with a dot stands quoted in the paths of errors.
        """
        self.assertProblems(
            uplink("start = 3", name='"eth0.835"'),
            'uplinks."eth0.835".start: expected "link" or "ra" or "p-flag", not 3',
        )

    def test_not_a_table(self) -> None:
        """
        A value where a table belongs is an error.
        """
        self.assertProblems("uplinks = 3", "uplinks: expected a table, not 3")
        self.assertProblems("[uplinks]\nwan = 3", "uplinks.wan: expected a table, not 3")
        self.assertProblems("daemon = []\n" + SMALLEST, "daemon: expected a table, not an array")
        self.assertProblems("control = 1\n" + SMALLEST, "control: expected a table, not 1")
        self.assertProblems("[uplinks.a]\ndelegations = [3]", "uplinks.a.delegations[0]: expected a table, not 3")

    def test_nothing_to_do(self) -> None:
        """
        A file without uplinks, switches and guests is an error.
        """
        self.assertProblems(
            "[daemon]", "nothing to do: expected at least one table [uplinks.NAME], [switches.NAME] or [guests.NAME]"
        )

    def test_no_delegations(self) -> None:
        """
        An uplink without delegations is an error.
        """
        self.assertProblems(
            "[uplinks.a]", "uplinks.a.delegations: missing: expected at least one [[uplinks.a.delegations]]"
        )
        self.assertProblems(
            "[uplinks.a]\ndelegations = []",
            "uplinks.a.delegations: expected at least one delegation, not an empty array",
        )
        self.assertProblems(
            '[uplinks.a]\ndelegations = "x"', 'uplinks.a.delegations: expected an array of tables, not "x"'
        )

    def test_names(self) -> None:
        """
        A name that cannot be one is an error, and so is a table name that must be a link's and cannot.
        """
        self.assertIn("cannot be a name", problems('[uplinks."a/b"]')[0])
        self.assertEqual(
            problems("[uplinks.averyverylongname]\n[[uplinks.averyverylongname.delegations]]"),
            [
                'uplinks.averyverylongname: "averyverylongname" is too long for the name of a link: 15 bytes at most; '
                'give the link with link = "..."'
            ],
        )

    def test_switch_link(self) -> None:
        """
        A switch with the wrong name for a link is one error, and another may have the same.
        """
        self.assertProblems(
            '[switches.a]\nlink = "x/y"\n[switches.b]\nlink = 3\n',
            'switches.a.link: "x/y" is not the name of a link: no "/", ":" or white space, not "." or ".."',
            "switches.b.link: expected text in quotes, not 3",
        )

    def test_very_long_key(self) -> None:
        """
        A very long key is cut in messages.
        """
        problem = problems(SMALLEST + f"[daemon]\n{'x ' * 500!r} = 1")[0]
        self.assertTrue(problem.startswith('daemon."x x x '), problem)
        self.assertLess(len(problem), 300)

    def test_downstreams(self) -> None:
        """
        D42, seed-behaviour 2.5: an over-long name, a wrong length, a wrong type are ordinary errors with their place.
        """
        path = "uplinks.wan.delegations[0].downstreams"
        self.assertProblems(
            downstreams('"averyverylongname"', '"a/x"', '"b/0"', '"c/"', "3", '"/64"'),
            f'{path}[0]: "averyverylongname" is too long for the name of a link: 15 bytes at most',
            f'{path}[1]: expected LINK/LENGTH with a prefix length from 1 to 128, not "a/x"',
            f"{path}[2]: expected a whole number from 1 to 128, not 0",
            f'{path}[3]: expected LINK/LENGTH with a prefix length from 1 to 128, not "c/"',
            f'{path}[4]: expected "LINK", "LINK/LENGTH", "reserve" or {{ link = "LINK" }}, not 3',
            f"{path}[5]: expected the name of a link, not nothing",
        )

    def test_excluded_host(self) -> None:
        """
        The host part of the uplink's own address is one of an address, and not zero: that is the subnet-router anycast
        address (PDX-12).
        """
        text = '[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]\nexcluded_host = {}\n'
        (uplink,) = parse(text.format('"::2"').encode(), "x").uplinks
        self.assertEqual(uplink.delegations[0].excluded_host, 2)
        for wrong, problem in (
            ('"::"', "host part zero is the subnet-router anycast"),
            ("2", "expected"),
            ('"x"', "::1"),
        ):
            error = self.assertRaises(ConfigErrors, parse, text.format(wrong).encode(), "x")
            self.assertIn("uplinks.wan.delegations[0].excluded_host: ", str(error))
            self.assertIn(problem, str(error))

    def test_downstream_tables(self) -> None:
        """
        A downstream written as a table must name its link, and its host part must fit and not be zero, save for /127
        and /128 (D49).
        """
        path = "uplinks.wan.delegations[0].downstreams"
        self.assertProblems(
            downstreams(
                "{ length = 64 }",
                '{ link = "a", length = 120, host = "::100" }',
                '{ link = "b", host = "::" }',
                '{ link = "c", host = "::1/64" }',
                '{ link = "d", length = 128, host = "::" }',
                '{ link = "e", length = 128, host = "::1" }',
            ),
            f"{path}[0].link: missing: expected name of a link",
            f"{path}[1].host: the host part does not fit behind a /120",
            f"{path}[2].host: host part zero is the subnet-router anycast address",
            f'{path}[3].host: expected the host part of an IPv6 address, as in "::1", not "::1/64"',
            f"{path}[5].host: the host part does not fit behind a /128",
        )

    def test_downstream_twice(self) -> None:
        """
        The same downstream twice under one uplink is refused, over all its delegations; under another uplink it may
        stand, and so may the uplink's own link (seed-behaviour 2.4).
        """
        text = uplink(delegation='downstreams = ["a", "reserve", "reserve", "eth0"]')
        text += '[[uplinks.wan.delegations]]\ndownstreams = ["b", "a/60"]\n'
        text += '[uplinks.eth1]\n[[uplinks.eth1.delegations]]\ndownstreams = ["a", "b"]\n'
        self.assertProblems(
            text,
            "uplinks.wan.delegations[1].downstreams[1]: a is a downstream already: "
            "uplinks.wan.delegations[0].downstreams[0]",
        )

    def test_back_to_where_it_came_from(self) -> None:
        """With C{start = "p-flag"} the uplink's own link as a downstream is refused (RFC 9762: PF-10)."""
        self.assertProblems(
            uplink('start = "p-flag"', 'downstreams = ["a", "eth0"]'),
            'uplinks.wan.delegations: eth0 is the uplink: start = "p-flag" forbids it downstream',
        )
        self.assertProblems(uplink('start = "p-flag"', 'downstreams = ["a"]'))

    def test_link_that_is_called_as_a_delegation(self) -> None:
        """
        A link with the name that a delegation without downstreams is remembered by is refused, whichever comes first.
        """
        text = uplink(delegation='downstreams = ["a", "#1"]') + "[[uplinks.wan.delegations]]\n"
        self.assertProblems(
            text,
            "uplinks.wan.delegations[1]: would be known as #1, and so is: uplinks.wan.delegations[0].downstreams[1]",
        )
        text = uplink() + '[[uplinks.wan.delegations]]\ndownstreams = ["#0"]\n'
        self.assertProblems(
            text, "uplinks.wan.delegations[1].downstreams[0]: #0 is a downstream already: uplinks.wan.delegations[0]"
        )

    def test_uplinks_on_one_link(self) -> None:
        """
        Two uplinks on one link are refused, also where one has it from its name.
        """
        self.assertProblems(
            uplink() + "[uplinks.eth0]\n[[uplinks.eth0.delegations]]",
            "uplinks.eth0.link: this link has an uplink already: uplinks.wan.link",
        )

    def test_iaids(self) -> None:
        """
        D25: duplicate IAIDs are refused over the whole client, since its DUID is the same on all uplinks.
        """
        self.assertProblems(
            uplink(delegation="iaid = 1") + "[uplinks.eth1]\n[[uplinks.eth1.delegations]]\niaid = 1",
            "uplinks.eth1.delegations[0].iaid: this IAID is in use already: uplinks.wan.delegations[0].iaid",
        )

    def test_most_delegations(self) -> None:
        """
        An uplink has at most 32 delegations, here of one that asks for no length.
        """
        one = '[[uplinks.wan.delegations]]\nhint = "none"\n'
        self.assertEqual(problems('[uplinks.wan]\nlink = "eth0"\n' + one * 32), [])
        self.assertProblems(
            '[uplinks.wan]\nlink = "eth0"\n' + one * 33,
            "uplinks.wan.delegations: more than 32 delegations on one uplink",
        )

    def test_solicit_fits(self) -> None:
        """
        D8: what would make a Solicit of more than 1280 bytes with its headers is refused; a longer DUID leaves less
        room.
        """
        one = "[[uplinks.wan.delegations]]\n"
        few = '[uplinks.wan]\nlink = "eth0"\n' + one * 25
        self.assertEqual(problems(few), [])
        self.assertProblems(
            few + one,
            "uplinks.wan.delegations: a Solicit for these 26 delegations has 1246 bytes, and 1232 fit an IPv6 packet "
            'of 1280: expected fewer, or hint = "none"',
        )
        self.assertEqual(len(problems(f'[identity]\nduid = "raw:{"00" * 130}"\n' + few)), 1)
        self.assertEqual(len(problems(few.replace('"eth0"\n', f'"eth0"\nduid = "raw:{"00" * 130}"\n'))), 1)

    def test_needed_length(self) -> None:
        """
        D43: lengths beyond the address space, or beyond what anybody delegates, are refused.
        """
        path = "uplinks.wan.delegations[0].downstreams"
        self.assertProblems(
            downstreams('"a/1"', '"b/1"', '"c/128"'),
            f"{path}: the subnets together are larger than the IPv6 address space",
        )
        self.assertProblems(
            downstreams('"a/16"', '"b/64"'), f"{path}: these need a /15, and no server delegates more than a /16"
        )
        self.assertEqual(problems(downstreams('"a/16"')), [])

    def test_vrf(self) -> None:
        """
        P5: an uplink may be in a VRF, whose table is that of its routes unless another is given; a link cannot be in
        itself, nor in two.
        """
        config = parse(uplink('vrf = "blue"').encode(), "x.toml")
        self.assertEqual((config.uplinks[0].vrf, config.uplinks[0].table), ("blue", "blue"))
        for text, table in (("", 254), ("route_table = 7", 7), ('vrf = "blue"\nroute_table = 254', 254)):
            self.assertEqual(parse(uplink(text).encode(), "x.toml").uplinks[0].table, table)
        link = parse(uplink("").encode(), "x.toml").uplinks[0].link
        self.assertProblems(uplink(f'vrf = "{link}"'), "uplinks.wan.vrf: this is the uplink's own link")
        self.assertProblems(
            uplink('vrf = "blue"') + f'[switches.lab]\nlink = "{link}"\nvrf = "red"\n',
            'uplinks.wan.vrf: switch "lab" has the same link in VRF "red"',
        )
        self.assertEqual(problems(uplink('vrf = "blue"') + f'[switches.lab]\nlink = "{link}"\nvrf = "blue"\n'), [])

    def test_locked(self) -> None:
        """
        P23, P24: vmd's locked is refused with the reason and what to do, for a switch and for a NIC.
        """
        text = '[switches.a]\nlocked = true\n[guests.b]\nid = 1\n[[guests.b.nics]]\nlink = "tap0"\nlocked = true\n'
        with self.assertRaises(ConfigErrors) as caught:
            parse(text.encode(), "x")
        paths = [error.path for error in caught.exception.errors]
        self.assertEqual(paths, ["switches.a.locked", "guests.b.nics[0].locked"])
        self.assertIn("bridge link set dev LINK locked on", str(caught.exception))

    def test_guest_without_id_and_nics(self) -> None:
        """
        P24, P25: a guest must have an id and at least one NIC with a link.
        """
        self.assertProblems(
            "[guests.a]\n[guests.b]\nid = 1\n[[guests.b.nics]]\n[guests.c]\nid = 2\nnics = 3",
            "guests.a.id: missing: expected whole number, from 1",
            "guests.a.nics: missing: expected at least one [[guests.a.nics]]",
            "guests.b.nics[0].link: missing: expected name of a link",
            "guests.c.nics: expected an array of tables, not 3",
        )

    def test_guests_that_clash(self) -> None:
        """
        No two guests have one id, no link is two NICs, or a NIC and a switch, or a NIC and an uplink.
        """
        self.assertProblems(
            uplink()
            + '[switches.lab]\nlink = "br0"\n[switches.two]\nlink = "br0"\n'
            + guest(name="a")
            + guest(name="b")
            + '[[guests.b.nics]]\nlink = "eth0"\n[[guests.b.nics]]\nlink = "br0"\n',
            "switches.lab.link: this link is in use already: guests.b.nics[2].link",
            "switches.two.link: this link is in use already: guests.b.nics[2].link",
            "guests.b.id: this id has a guest already: guests.a.id",
            "guests.b.nics[0].link: this link is in use already: guests.a.nics[0].link",
            'guests.b.nics[1].link: this is the link of uplink "wan"',
        )

    def test_names_that_are_not_there(self) -> None:
        """
        P25: a NIC's switch and uplink must exist.
        """
        self.assertProblems(
            uplink() + "[switches.br0]\n" + guest(nic='link = "tap0"\nswitch = "br1"\ndelegate = "lan"'),
            'guests.web1.nics[0].switch: there is no switch "br1"; did you mean "br0"?',
            'guests.web1.nics[0].delegate: there is no uplink "lan"; did you mean "wan"?',
        )

    def test_local_out_of_range(self) -> None:
        """
        W2: a guest whose local address would be outside of the prefix is refused.
        """
        self.assertProblems(
            guest(number=16384, nic='link = "tap0"\nlocal = true'),
            "guests.web1.nics[0].local: guest 16384 has no local address in 100.64.0.0/10: its numbers are 1 to 16383",
        )

    def test_local_not_allowed(self) -> None:
        """
        A local IPv6 prefix that the policy would refuse is an error of the file.
        """
        self.assertProblems(
            guest() + '[local]\ninet6 = "fe80::/64"',
            "local.inet6: outside of every prefix of policy.prefixes, so no address of it would be allowed",
        )


# Tables as Python values, for mutation.
VALUES = st.recursive(
    st.one_of(
        st.integers(-(1 << 70), 1 << 70),
        st.booleans(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["eth0", "lan0/60", "reserve", "::1", "wan", "uuid", "2001:db8::/32", "nibble"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def toml(value: object) -> str:
    """A value in TOML, tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def places(value: object) -> list[tuple[object, object]]:
    """Every container with every key or index in it."""
    found: list[tuple[object, object]] = []
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            found += places(value[key])
    return found


class MutationTests(SynchronousTestCase):
    """
    Files that are almost right.
    """

    @given(st.integers(0, 10_000), VALUES)
    @example(0, {})
    @settings(max_examples=200, deadline=None)
    def test_any_value_anywhere(self, place: int, value: object) -> None:
        """
        Whatever stands at whatever place of the example file, it is a configuration or an error with a path.
        """
        document = tomllib.loads(EXAMPLE.read_text())
        choices = places(document)
        container, key = choices[place % len(choices)]
        container[key] = value  # type: ignore[index]
        text = "\n".join(f"{toml(name)} = {toml(table)}" for name, table in document.items())
        for problem in problems(text):
            self.assertTrue(problem.isprintable(), problem)


class KeptTests(SynchronousTestCase):
    """
    What must be kept, where nothing is.
    """

    def test_time_without_store(self) -> None:
        """
        R-11-06: a DUID with a time in it is refused where the store forgets it, the client's and an uplink's.
        """
        text = '[daemon]\nstore = "memory"\n[identity]\nduid = "llt:eth0"\n' + uplink('duid = "llt:eth1"')
        found = problems(text)
        self.assertEqual(len(found), 2)
        self.assertTrue(found[0].startswith("identity.duid: a DUID with a time must be kept"), found)
        self.assertTrue(found[1].startswith("uplinks.wan.duid: a DUID with a time must be kept"), found)
        self.assertEqual(problems(text.replace("llt:", "ll:")), [])
        self.assertEqual(problems(text.replace("memory", "file")), [])
