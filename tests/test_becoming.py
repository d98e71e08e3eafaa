"""
Tests of L{pdlease.becoming}, and of C{pdleasectl identity} as far as it needs no daemon.
"""

from __future__ import annotations

import json
import os
import pwd
from io import StringIO
from ipaddress import IPv6Network

from jsonschema import validate
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pdlease.becoming import Refused, renew, take_over
from pdlease.clock import SystemTimes
from pdlease.config.toml import parse
from pdlease.control.cli import CLIENTS, main
from pdlease.identification import identified
from pdlease.identity import Identity, KnownIAID
from pdlease.instance import Instance
from pdlease.interfaces import Stored
from pdlease.migrate.found import Files
from pdlease.stores.file import FileStore
from pdlease.testing import record
from pdlease.wire.duid import DUID
from tests.control.running import schema

ONE = """
[uplinks.wan]
link = "em0"
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
[[uplinks.wan.delegations]]
downstreams = ["lan1"]
"""

OLD = Identity(
    duid=DUID.from_uuid(bytes(16)), iaids=(KnownIAID(uplink="wan", delegation="lan0", iaid=77),), asked="uuid"
)

THEIRS = DUID.parse_hex("000400112233445566778899aabbccddeeff")


class BecomingTests(SynchronousTestCase):
    """
    Another identity, with the daemon down.
    """

    def setUp(self) -> None:
        """A state folder, and the files of dhcp6leased."""
        self.state = os.path.abspath(self.mktemp())
        self.root = os.path.abspath(self.mktemp())
        self.path = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.root, "var/db/dhcp6leased"))
        for name, text in (
            ("uuid", "00112233-4455-6677-8899-aabbccddeeff\n"),
            ("em0", "ia_pd 0 2001:db8:ab00:: 56\nia_pd 1 2001:db8:cd00:: 60\n"),
        ):
            with open(os.path.join(self.root, "var/db/dhcp6leased", name), "w") as file:
                file.write(text)
        self.configure(ONE)

    def configure(self, text: str, **daemon: str) -> None:
        """Write the configuration."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        settings = {"state": self.state, "user": user, "helper_user": user, **daemon}
        lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items())
        with open(self.path, "w") as file:
            file.write(f"[daemon]\n{lines}{text}")

    def keep(self, identity: Identity = OLD, *uplinks: str) -> None:
        """Have the store hold something."""
        os.makedirs(self.state, exist_ok=True)
        store = FileStore(self.state, SystemTimes())
        self.successResultOf(store.save_identity(identity))
        for name in uplinks:
            self.successResultOf(store.save_uplink(name, record(SystemTimes().boot())))

    @property
    def stored(self) -> Stored:
        """What the store holds."""
        return self.successResultOf(FileStore(self.state, SystemTimes()).load())

    def refused(self, *arguments: object) -> str:
        """Why something is refused."""
        deed, *rest = arguments
        return str(self.assertRaises(Refused, deed, self.path, *rest, files=Files(self.root)))

    def restarted(self) -> Identity:
        """The identity that the daemon goes by when it is started next."""
        with open(self.path, "rb") as file:
            config = parse(file.read(), self.path)
        return identified(self.stored.identity, config, octets=os.urandom, link_address=lambda name: None, wall=0.0)

    # Renew.

    def test_renew(self) -> None:
        """R-11-10: a DUID newly made, and nothing left of what the old one was given; IAIDs stay."""
        self.keep(OLD, "wan", "old")
        document = renew(self.path)
        validate(document, schema("becoming"))
        stored = self.stored
        assert stored.identity is not None
        self.assertNotEqual(stored.identity.duid, OLD.duid)
        self.assertEqual((document["duid"], document["earlier"]), (str(stored.identity.duid), str(OLD.duid)))
        self.assertEqual((stored.uplinks, stored.identity.iaids), ((), OLD.iaids))
        self.assertEqual(document["forgotten"], ["old", "wan"])
        self.assertEqual(self.restarted(), stored.identity)

    def test_renew_uplinks(self) -> None:
        """R-11-10: uplinks with a DUID of their own get a new one too, unless it cannot be another."""
        text = ONE.replace("link = ", 'duid = "uuid"\nlink = ')
        text += '[uplinks.dsl]\nduid = "raw:000312"\n[[uplinks.dsl.delegations]]\n'
        self.configure(text)
        first = identified(OLD, parse(text.encode(), "x"), octets=os.urandom, link_address=lambda name: None, wall=0.0)
        self.keep(first, "wan", "dsl")
        document = renew(self.path)
        found = self.restarted()
        self.assertNotEqual(found.duid_of("wan"), first.duid_of("wan"))
        self.assertEqual(found.duid_of("dsl"), first.duid_of("dsl"))
        self.assertEqual(document["forgotten"], ["wan"])
        self.assertEqual([name for name, _ in self.stored.uplinks], ["dsl"])
        self.assertIn("dsl keeps its own DUID", document["remarks"][0])

    def test_renew_refused(self) -> None:
        """Without an identity, with one that is written out or cannot be made or kept, and while the daemon runs."""
        self.assertIn("there is no identity yet", self.refused(renew))
        self.keep(OLD, "wan")
        self.configure(ONE, store="memory")
        self.assertIn("keeps no identity", self.refused(renew))
        self.configure('[identity]\nduid = "ll:em0"\n' + ONE)
        self.assertIn("em0 is missing or has no link-layer address", self.refused(renew))
        self.configure(f'[identity]\nduid = "raw:{OLD.duid}"\n' + ONE)
        self.assertIn("makes the same DUID again", self.refused(renew))
        self.configure(ONE)
        running = Instance()
        self.addCleanup(running.close)
        running.hold_state(self.state)
        self.assertIn("another pdlease uses the state folder", self.refused(renew))
        self.assertEqual((self.stored.identity, len(self.stored.uplinks)), (OLD, 1))

    def test_slow_store(self) -> None:
        """A store that needs a running daemon is told of, not waited for."""

        def load(store: FileStore) -> Deferred[Stored]:
            return Deferred()

        self.patch(FileStore, "load", load)
        self.assertIn("answers only while the daemon runs", self.refused(renew))

    # Import.

    def test_import(self) -> None:
        """Another client's DUID, its IAIDs in file order, its prefixes as hints; a restart leaves it all as it is."""
        self.keep(OLD, "wan")
        document = take_over(self.path, "dhcp6leased", files=Files(self.root))
        validate(document, schema("becoming"))
        stored = self.stored
        identity = stored.identity
        assert identity is not None
        self.assertEqual(identity.duid, THEIRS)
        self.assertEqual(
            identity.iaids,
            (
                KnownIAID(uplink="wan", delegation="lan0", iaid=0, links=("lan0",)),
                KnownIAID(uplink="wan", delegation="lan1", iaid=1, links=("lan1",)),
            ),
        )
        ((name, remembered),) = stored.uplinks
        self.assertEqual(name, "wan")
        self.assertEqual(
            (remembered.lease.prefixes, remembered.former),
            ((), ((0, IPv6Network("2001:db8:ab00::/56")), (1, IPv6Network("2001:db8:cd00::/60")))),
        )
        self.assertEqual((document["forgotten"], document["remarks"]), (["wan"], []))
        self.assertEqual(document["files"], ["/var/db/dhcp6leased/uuid", "/var/db/dhcp6leased/em0"])
        self.assertEqual(self.restarted(), identity)
        self.assertEqual(take_over(self.path, "dhcp6leased", files=Files(self.root))["duid"], str(THEIRS))

    def test_import_first(self) -> None:
        """It may be the first thing that is ever done; a DUID of another type than configured stays as well."""
        with open(os.path.join(self.root, "duid"), "w") as file:
            file.write("00:01:00:01:2a:d1:c3:e4:52:54:00:12:34:5f\n")
        document = take_over(self.path, "dhcpcd", "/duid", files=Files(self.root))
        self.assertEqual((document["duid"][:4], document["earlier"]), ("0001", None))
        self.assertEqual(str(self.restarted().duid), document["duid"])
        self.assertIn("the IAID is not known", document["remarks"][0])
        self.assertEqual(self.stored.uplinks, ())

    def test_own_duid(self) -> None:
        """R-11-09: an uplink with a DUID of its own takes it over for itself."""
        self.configure(ONE.replace("link = ", 'duid = "uuid"\nlink = '))
        self.keep(OLD)
        take_over(self.path, "dhcp6leased", files=Files(self.root))
        found = self.restarted()
        self.assertEqual((found.duid, found.duid_of("wan")), (OLD.duid, THEIRS))

    def test_written_out(self) -> None:
        """A DUID that the configuration writes out is not overruled; the same one is no contradiction."""
        self.configure('[identity]\nduid = "raw:000312"\n' + ONE)
        self.assertIn(f'write "raw:{THEIRS}" there', self.refused(take_over, "dhcp6leased"))
        self.configure(f'[identity]\nduid = "raw:{THEIRS}"\n' + ONE)
        self.assertEqual(take_over(self.path, "dhcp6leased", files=Files(self.root))["duid"], str(THEIRS))

    def test_numbers_that_clash(self) -> None:
        """Configured IAIDs, delegations too few or too many, and other uplinks' IAIDs are told of."""
        self.configure(
            ONE.replace('downstreams = ["lan0"]', 'iaid = 5\ndownstreams = ["lan0"]').replace(
                '[[uplinks.wan.delegations]]\ndownstreams = ["lan1"]', ""
            )
            + '[uplinks.dsl]\n[[uplinks.dsl.delegations]]\ndownstreams = ["lan2"]\n'
        )
        self.keep(Identity(duid=OLD.duid, asked="uuid", iaids=(KnownIAID(uplink="dsl", delegation="lan2", iaid=0),)))
        document = take_over(self.path, "dhcp6leased", None, "wan", files=Files(self.root))
        said = "\n".join(document["remarks"])
        self.assertIn("has IAID 5 by the configuration, and the other client used 0: write iaid = 0 there", said)
        self.assertIn("used IAID 1 as well and held 2001:db8:cd00::/60: there is no delegation of wan for it", said)
        self.assertIn("delegation lan2 of dsl gets another IAID", said)

    def test_too_few(self) -> None:
        """A delegation that the other client had nothing for is told of, and gets an IAID of its own."""
        self.configure(ONE + '[[uplinks.wan.delegations]]\ndownstreams = ["lan2"]\n')
        document = take_over(self.path, "dhcp6leased", files=Files(self.root))
        self.assertEqual(document["remarks"], ["delegation lan2 of wan has no IAID of the other client"])
        self.assertEqual(len({entry["iaid"] for entry in document["iaids"]}), 3)

    def test_import_refused(self) -> None:
        """No such uplink, several to choose from, nothing found."""
        self.assertIn("there is no uplink x; there are wan", self.refused(take_over, "dhcp6leased", None, "x"))
        self.assertIn("there is none of", self.refused(take_over, "wide"))
        self.configure(ONE + "[uplinks.dsl]\n[[uplinks.dsl.delegations]]\n")
        self.assertIn("say with --uplink", self.refused(take_over, "dhcp6leased"))
        self.assertIsNone(self.stored.identity)

    # The command.

    def ctl(self, *arguments: str) -> tuple[int, str, str]:
        """Run pdleasectl."""
        out, err = StringIO(), StringIO()
        return main(arguments, out, err, {}), out.getvalue(), err.getvalue()

    def test_command(self) -> None:
        """C{identity renew} and C{identity import} answer people and programs, and refuse with exit code 1."""
        self.keep(OLD, "wan")
        code, out, _ = self.ctl("identity", "renew", "--config", self.path)
        self.assertEqual(code, 0)
        self.assertIn(f"before: {OLD.duid}\nforgotten: the lease of wan\n", out)
        source = os.path.join(self.root, "var/db/dhcp6leased/uuid")
        arguments = ("identity", "import", "--from", "dhcp6leased", "--path", source, "--config", self.path)
        code, out, _ = self.ctl(*arguments, "--json")
        document = json.loads(out)
        validate(document, schema("becoming"))
        self.assertEqual((code, document["duid"], len(document["prefixes"])), (0, str(THEIRS), 2))
        code, out, _ = self.ctl(*arguments, "--uplink", "wan")
        self.assertIn("will be asked for: 2001:db8:ab00::/56\n", out)
        code, _, err = self.ctl(*arguments, "--uplink", "x")
        self.assertEqual((code, err), (1, "pdleasectl: there is no uplink x; there are wan\n"))
        self.assertEqual(self.ctl("identity", "renew", "--config", "/nothing/there")[0], 2)
        self.assertEqual(self.ctl("identity", "import")[0], 2)

    def test_clients(self) -> None:
        """The command line knows the clients that can be followed."""
        from pdlease.becoming import CLIENTS as KNOWN

        self.assertEqual(CLIENTS, tuple(KNOWN))
