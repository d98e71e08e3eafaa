"""
Tests of L{pdlease.forewarning}: what C{pdleasectl check} tells of a state folder that is there.
"""

from __future__ import annotations

import os

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from pdlease.clock import SystemTimes
from pdlease.config.toml import parse
from pdlease.forewarning import forewarnings
from pdlease.identity import Identity, KnownDUID, KnownIAID
from pdlease.migrate.found import Files
from pdlease.stores.file import FileStore
from pdlease.testing import record
from pdlease.wire.duid import DUID
from tests.control.running import run

KEPT = Identity(
    duid=DUID.from_uuid(bytes(16)),
    asked="uuid",
    iaids=(
        KnownIAID(uplink="wan", delegation="lan0", iaid=1),
        KnownIAID(uplink="wan", delegation="lan1", iaid=7),
    ),
)

TEXT = """
[daemon]
state = "{state}"
[identity]
duid = "{duid}"
[uplinks.wan]
{uplink}
[[uplinks.wan.delegations]]
downstreams = ["lan0"]
[[uplinks.wan.delegations]]
downstreams = ["lan1"]
"""


class ForewarningTests(SynchronousTestCase):
    """A state folder of an earlier run, and another configuration."""

    def setUp(self) -> None:
        """An identity and a lease of IAIDs 1 and 7 are kept."""
        self.state = os.path.abspath(self.mktemp())
        self.root = os.path.abspath(self.mktemp())
        os.makedirs(self.state)
        store = FileStore(self.state, SystemTimes())
        self.successResultOf(store.save_identity(KEPT))
        self.successResultOf(store.save_uplink("wan", record(SystemTimes().boot())))

    def text(self, duid: str = "uuid", uplink: str = "", old: str = "x", new: str = "x") -> str:
        """A configuration."""
        return TEXT.format(state=self.state, duid=duid, uplink=uplink).replace(old, new)

    def warnings(self, **changes: str) -> list[tuple[str, str]]:
        """What is said of a configuration; nothing of it changes what is kept."""
        before = self.kept()
        said = forewarnings(parse(self.text(**changes).encode(), "x"), Files(self.root))
        self.assertEqual(before, self.kept())
        return list(said)

    def kept(self) -> dict[str, tuple[int, int]]:
        """When each file was written last, and its length; that it was read does not matter."""
        stats = {name: os.stat(os.path.join(self.state, name)) for name in os.listdir(self.state)}
        return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}

    def test_same(self) -> None:
        """The configuration that the identity was made under brings no warning, another order of it neither."""
        self.assertEqual(self.warnings(), [])
        self.assertEqual(self.warnings(uplink='link = "eth9"\nrapid_commit = true'), [])

    def test_other_duid(self) -> None:
        """R-11-10: another kind of DUID would make another client, whose prefixes are others."""
        ((path, sentence),) = self.warnings(duid="raw:000312")
        self.assertEqual(
            (path, sentence),
            ("identity.duid", f"servers will see another client on wan than {KEPT.duid}, and give other prefixes"),
        )
        ((path, _),) = self.warnings(uplink='duid = "raw:000312"')
        self.assertEqual(path, "uplinks.wan.duid")
        own = evolve(KEPT, duids=(KnownDUID(uplink="wan", duid=DUID.parse_hex("000312"), asked="raw"),))
        self.successResultOf(FileStore(self.state, SystemTimes()).save_identity(own))
        self.assertEqual(self.warnings(uplink='duid = "raw:000312"'), [])
        ((path, sentence),) = self.warnings()
        self.assertEqual(path, "uplinks.wan.duid")
        self.assertIn("than 000312,", sentence)

    def test_no_address(self) -> None:
        """R-11-08: a DUID that cannot be made is said, too."""
        ((path, sentence),) = self.warnings(duid="ll:eth9")
        self.assertEqual(path, "identity.duid")
        self.assertIn("the daemon would not start now: identity.duid: link eth9 is missing", sentence)

    def test_other_iaid(self) -> None:
        """
        R-12-02: a delegation whose first downstream has another name, or that has another number written, leaves what
        is held behind; what keeps it is said, and then nothing more.
        """
        for changes in ({"old": '"lan0"', "new": '"lan5"'}, {"old": '["lan0"]', "new": '["lan0"]\niaid = 5'}):
            ((path, sentence),) = self.warnings(**changes)
            self.assertEqual(path, "uplinks")
            self.assertIn("wan: 2001:db8::/56, 2001:db8:1::/56 is held under IAID 1, which no delegation has", sentence)
            self.assertIn("iaid = 1 in a delegation keeps it", sentence)
        self.assertEqual(self.warnings(old='["lan0"]', new='["lan5"]\niaid = 1'), [])

    def test_gone(self) -> None:
        """A delegation that is taken out, and an uplink that is, are meant."""
        self.assertEqual(self.warnings(old='[[uplinks.wan.delegations]]\ndownstreams = ["lan0"]', new=""), [])
        self.assertEqual(self.warnings(old="uplinks.wan", new="uplinks.lte"), [])

    def test_unreadable(self) -> None:
        """Of what is not there, is damaged, or is kept elsewhere nothing is said."""
        with open(os.path.join(self.state, "uplink-wan.json"), "w") as file:
            file.write("x")
        self.assertEqual(self.warnings(old='"lan0"', new='"lan5"'), [])
        self.assertEqual(self.warnings(old="[identity]", new='store = "memory"\n[identity]', duid="raw:000312"), [])
        with open(os.path.join(self.state, "identity.json"), "w") as file:
            file.write("x")
        self.assertEqual(self.warnings(duid="raw:000312"), [])

    def test_check(self) -> None:
        """C{pdleasectl check} shows these among its warnings, and finds the file good all the same."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(self.text(duid="raw:000312"))
        os.chmod(path, 0o644)
        outcome = run("check", path)
        self.assertEqual(outcome.code, 0)
        self.assertIn("warning: identity.duid: servers will see another client on wan", outcome.out)
