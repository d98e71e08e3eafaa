"""
Tells twistd that there is a C{pdlease} to run; imports nothing of it.
"""

from twisted.application.service import ServiceMaker

pdlease = ServiceMaker(
    "pdlease",
    "pdlease.tap",
    "A DHCPv6 prefix-delegation client: asks for prefixes on uplinks and puts them on downstream links.",
    "pdlease",
)
