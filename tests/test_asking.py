"""
Tests of L{pdlease.asking}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pdlease.asking import numbered, settings_of
from pdlease.client.settings import ExtraOption, IAWish
from pdlease.identity import Identity
from pdlease.lease import Lease, UplinkRecord
from pdlease.wire.chain import OpaqueOption
from pdlease.wire.codes import MessageType
from pdlease.wire.options import UserClass, VendorClass, VendorOptions
from tests.house import CLIENT, TWO, configuration


class NumberedTests(SynchronousTestCase):
    """Tests of L{numbered}."""

    def test_numbered(self) -> None:
        """Every delegation has an IAID, different from all others of this client (R-12-01, D25)."""
        config = configuration(TWO)
        identity, iaids = numbered(Identity(duid=CLIENT), config)
        self.assertEqual(set(iaids), {("wan", "lan0"), ("dsl", "lan1")})
        self.assertEqual(len(set(iaids.values())), 2)
        self.assertEqual(numbered(identity, config), (identity, iaids))

    def test_original(self) -> None:
        """Under the profile of the original they are counted from 0 over all uplinks that have it (D25)."""
        config = configuration(
            """
            [uplinks.wan]
            profile = "dhcp6leased"
            [[uplinks.wan.delegations]]
            downstreams = ["z"]
            [[uplinks.wan.delegations]]
            downstreams = ["a"]
            [uplinks.own]
            [[uplinks.own.delegations]]
            downstreams = ["b"]
            [[uplinks.own.delegations]]
            iaid = 2
            downstreams = ["c"]
            [uplinks.dsl]
            profile = "dhcp6leased"
            [[uplinks.dsl.delegations]]
            downstreams = ["d"]
            """
        )
        _, iaids = numbered(Identity(duid=CLIENT), config)
        self.assertEqual(
            [iaids["wan", "z"], iaids["wan", "a"], iaids["dsl", "d"], iaids["own", "c"]],
            [0, 1, 3, 2],
        )
        self.assertEqual(len(set(iaids.values())), 5)


class SettingsTests(SynchronousTestCase):
    """Tests of L{settings_of}."""

    def test_settings(self) -> None:
        """
        The session of an uplink is told what the configuration says, how much room is needed (PDX-09), and what was
        remembered.
        """
        config = configuration(
            """
            [uplinks.wan]
            rapid_commit = true
            solicit_delay = false
            reconfigure = true
            rate_limit = [5, 10]
            [[uplinks.wan.delegations]]
            iaid = 7
            hint = 48
            downstreams = ["lan0"]
            """
        )
        record = UplinkRecord(lease=Lease(), sol_max_rt=600, inf_max_rt=700)
        settings = settings_of(config.uplinks[0], CLIENT, {("wan", "lan0"): 7}, record)
        self.assertEqual((settings.uplink, settings.duid), ("wan", CLIENT))
        self.assertEqual(settings.wishes, (IAWish(iaid=7, hint_length=48, needed_length=64),))
        self.assertEqual((settings.rapid_commit, settings.solicit_delay, settings.reconfigure), (True, False, True))
        self.assertEqual(settings.rate_limit, (5, 10))
        self.assertEqual((settings.sol_max_rt, settings.inf_max_rt), (600, 700))
        self.assertEqual((settings.extra_options, settings.option_order), ((), ()))
        self.assertTrue(settings.names_lost)

    def test_added(self) -> None:
        """What the operator adds becomes options, each in the messages that it is for."""
        config = configuration(
            """
            [uplinks.wan]
            vendor_class = [{ enterprise = 1368, data = ["sagem"] }, { enterprise = 9 }]
            user_class = ["home"]
            vendor_options = { enterprise = 1, options = [{ code = 2, data = "03" }] }
            raw_options = [
                { code = 11, data = "00ff", messages = ["solicit", "information-request"] },
                { code = 12345, data = "" },
            ]
            request_options = [23, 82]
            [[uplinks.wan.delegations]]
            downstreams = ["lan0"]
            """
        )
        settings = settings_of(config.uplinks[0], CLIENT, {("wan", "lan0"): 7}, None, lambda: b"Linux 6 riscv64")
        self.assertEqual(
            settings.extra_options,
            (
                ExtraOption(option=UserClass((b"home",))),
                ExtraOption(option=VendorClass(1368, (b"sagem",))),
                ExtraOption(option=VendorClass(9, (b"Linux 6 riscv64",))),
                ExtraOption(option=VendorOptions(1, ((2, b"\3"),))),
                ExtraOption(
                    option=OpaqueOption(11, b"\0\xff"),
                    message_types=(MessageType.SOLICIT, MessageType.INFORMATION_REQUEST),
                ),
                ExtraOption(option=OpaqueOption(12345, b"")),
            ),
        )
        self.assertEqual(settings.requested_options, (82, 67, 23))
