"""
Tests of L{pdlease.config.plan}.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pdlease.config.plan import in_file_order, plan_document
from pdlease.config.toml import parse

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pdlease.toml"


class PlanDocumentTests(SynchronousTestCase):
    """
    The document of C{pdleasectl plan --json}.
    """

    def test_example(self) -> None:
        """
        The plan of the example file with 2001:db8::/56 is the one that the design shows.
        """
        config = parse(EXAMPLE.read_bytes(), str(EXAMPLE))
        document = plan_document(config, in_file_order(config, [IPv6Network("2001:db8::/56")]))
        self.assertEqual(
            document,
            {
                "schema": 1,
                "uplinks": {
                    "wan": [
                        {
                            "iaid": 1,
                            "needed_length": 58,
                            "requested_length": 56,
                            "prefix": "2001:db8::/56",
                            "assignments": [
                                {"link": "lan0", "subnet": "2001:db8::/64", "address": "2001:db8::1"},
                                {"link": "lan1", "subnet": "2001:db8:0:10::/60", "address": "2001:db8:0:10::1"},
                                {"link": "lan2", "subnet": "2001:db8:0:21::/64", "address": "2001:db8:0:21::1"},
                            ],
                            "unassigned": [],
                        }
                    ]
                },
                "guests": {
                    "web1": [
                        {
                            "link": "tap0",
                            "ipv4": "100.64.1.2/31",
                            "ipv6": "fd12:3456:789a:bcde:6440:103:0:1/96",
                            "delegated": "2001:db8:0:1::/64",
                        }
                    ]
                },
                "switches": {"lab": {"link": "br0", "group": 7, "vrf": "blue", "up": True}},
            },
        )
