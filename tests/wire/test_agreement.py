"""
Another codec, scapy's, reads what L{pdlease.wire} writes, and writes what it reads, and both mean the same.

Scapy is read as an oracle only; it is in the C{tests} extra.
"""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pdlease.wire import options as simple
from pdlease.wire.codes import OptionCode
from pdlease.wire.messages import decode, encode
from pdlease.wire.prefixes import IAPD, IAPrefix
from tests import packets
from tests.wire.test_vectors import PUBLIC, vectors


class AgreementTests(SynchronousTestCase):
    """
    Agreement on all that scapy can read.
    """

    if find_spec("scapy") is None:
        skip = "scapy is not installed"

    def scapy(self) -> Any:
        """Import scapy's idea of DHCPv6; slow, so only when a test runs."""
        from scapy.layers import dhcp6

        return dhcp6

    def layers(self, data: bytes) -> list[Any]:
        """Read octets with scapy: the message and its options."""
        layer = self.scapy()._dhcp6_dispatcher(data)
        found = []
        while layer and type(layer).__name__ not in {"NoPayload", "Raw", "Padding"}:
            found.append(layer)
            layer = layer.payload
        return found

    def meaning(self, layer: Any) -> tuple[Any, ...]:
        """Tell what scapy read, as far as it concerns prefix delegation; C{()} for what it does not read."""
        match type(layer).__name__:
            case "DHCP6OptClientId" | "DHCP6OptServerId":
                return (bytes(layer.duid),)
            case "DHCP6OptOptReq":
                return tuple(layer.reqopts)
            case "DHCP6OptPref":
                return (layer.prefval,)
            case "DHCP6OptElapsedTime":
                return (layer.elapsedtime,)
            case "DHCP6OptStatusCode":
                return (layer.statuscode, bytes(layer.statusmsg))
            case "DHCP6OptIA_PD":
                return (layer.iaid, layer.T1, layer.T2, *map(self.meaning, layer.iapdopt))
            case "DHCP6OptIAPrefix":
                return (layer.preflft, layer.validlft, layer.plen, layer.prefix, *map(self.meaning, layer.iaprefopts))
            case "DHCP6OptDNSServers":
                return tuple(layer.dnsservers)
        return ()

    def ours(self, option: Any) -> tuple[Any, ...]:
        """Tell the same of what we read."""
        match option:
            case simple.ClientId() | simple.ServerId():
                return (option.duid.data,)
            case simple.OptionRequest():
                return option.codes
            case simple.Preference():
                return (option.value,)
            case simple.ElapsedTime():
                return (option.hundredths,)
            case simple.Status():
                return (option.status, option.octets)
            case IAPD():
                return (option.iaid, option.t1, option.t2, *map(self.ours, option.options))
            case IAPrefix():
                prefix = str(IPv6Address(option.prefix))
                return (option.preferred, option.valid, option.length, prefix, *map(self.ours, option.options))
            case simple.DnsServers():
                return tuple(map(str, option.addresses))
        return ()

    def check(self, data: bytes) -> None:
        """Both read these octets as the same message, and scapy writes what it read as we do."""
        message = decode(data)
        header, *options = self.layers(data)
        self.assertEqual((header.msgtype, header.trid), (message.message_type, message.transaction_id))
        self.assertEqual([layer.optcode for layer in options], [option.code for option in message.options])
        for layer, option in zip(options, message.options, strict=True):
            self.assertEqual(self.meaning(layer), self.ours(option))
        header.clear_cache()
        if not any(
            option.code == OptionCode.CLIENT_FQDN and not option.body().endswith(b"\0") for option in message.options
        ):
            # a name without an end is a part of one (RFC 4704); scapy writes an end to it
            self.assertEqual(encode(message), bytes(header))

    def test_own(self) -> None:
        """All messages of the tests mean the same to both."""
        for data in packets.EVERYTHING.values():
            self.check(data)

    def test_vectors(self) -> None:
        """All good messages of others mean the same to both, those of the public collection where it is at hand too."""
        public = [] if PUBLIC is None else vectors("message", Path(PUBLIC))
        for packet in (*vectors("message"), *public):
            data = bytes.fromhex(packet["hex"])
            # content that is malformed by design means nothing to either
            if "problem" not in packet and data[0] in range(1, 12) and not decode(data).malformed:
                self.check(data)

    def test_scapy_writes(self) -> None:
        """What scapy writes is read as what it was told to write."""
        scapy = self.scapy()
        data = bytes(
            scapy.DHCP6_Reply(trid=0xA1B2C4)
            / scapy.DHCP6OptServerId(duid=scapy.DUID_LL(lladdr="66:77:88:99:aa:bb"))
            / scapy.DHCP6OptIA_PD(
                iaid=9,
                T1=10,
                T2=20,
                iapdopt=[
                    scapy.DHCP6OptIAPrefix(prefix="2001:db8:1::", plen=48, preflft=30, validlft=40),
                    scapy.DHCP6OptStatusCode(statuscode=0, statusmsg="fine"),
                ],
            )
            / scapy.DHCP6OptStatusCode(statuscode=6, statusmsg="none")
            / scapy.DHCP6OptRapidCommit()
        )
        message = decode(data)
        self.assertEqual(message.server_id, simple.DUID(packets.SERVER_DUID))
        self.assertEqual(
            message.ia_pds,
            (
                IAPD(
                    9,
                    10,
                    20,
                    (
                        IAPrefix(30, 40, 48, IPv6Address("2001:db8:1::").packed),
                        simple.Status(0, "fine"),
                    ),
                ),
            ),
        )
        self.assertEqual(message.status, simple.Status(6, "none"))
        self.assertIs(message.rapid_commit, True)
        self.assertEqual(encode(message), data)
