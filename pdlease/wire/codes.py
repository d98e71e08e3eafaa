"""
The numbers of DHCPv6: message types, option codes, status codes, ports, and the group that servers listen to.

Values and names come from the IANA registry C{dhcpv6-parameters}, names spelled out.  Only numbers live here; what
an option looks like is L{pdlease.wire.options} and L{pdlease.wire.prefixes}.
"""

from __future__ import annotations

from enum import IntEnum, unique

CLIENT_PORT = 546
"""UDP port that clients listen on (RFC 9915 section 7.2)."""

SERVER_PORT = 547
"""UDP port that servers and relays listen on (RFC 9915 section 7.2)."""

ALL_AGENTS_AND_SERVERS = "ff02::1:2"
"""The link-local group All_DHCP_Relay_Agents_and_Servers (RFC 9915 section 7.1)."""

INFINITY = 0xFFFFFFFF
"""A lifetime, T1 or T2 that never ends (RFC 9915 section 7.7)."""


@unique
class MessageType(IntEnum):
    """
    Types of message (RFC 9915 section 7.3).  Others are unknown to a client, who discards them.
    """

    SOLICIT = 1
    ADVERTISE = 2
    REQUEST = 3
    CONFIRM = 4
    RENEW = 5
    REBIND = 6
    REPLY = 7
    RELEASE = 8
    DECLINE = 9
    RECONFIGURE = 10
    INFORMATION_REQUEST = 11
    RELAY_FORWARD = 12
    RELAY_REPLY = 13


@unique
class OptionCode(IntEnum):
    """
    Codes of the options that a client, or somebody who reads its debug log, may meet.
    """

    CLIENT_ID = 1
    SERVER_ID = 2
    IA_NA = 3
    IA_TA = 4
    IA_ADDRESS = 5
    OPTION_REQUEST = 6
    PREFERENCE = 7
    ELAPSED_TIME = 8
    RELAY_MESSAGE = 9
    AUTHENTICATION = 11
    UNICAST = 12
    STATUS_CODE = 13
    RAPID_COMMIT = 14
    USER_CLASS = 15
    VENDOR_CLASS = 16
    VENDOR_OPTIONS = 17
    INTERFACE_ID = 18
    RECONFIGURE_MESSAGE = 19
    RECONFIGURE_ACCEPT = 20
    SIP_SERVER_NAMES = 21
    SIP_SERVERS = 22
    DNS_SERVERS = 23
    DOMAIN_LIST = 24
    IA_PD = 25
    IA_PREFIX = 26
    SNTP_SERVERS = 31
    INFORMATION_REFRESH_TIME = 32
    CLIENT_FQDN = 39
    POSIX_TIMEZONE = 41
    TZDB_TIMEZONE = 42
    NTP_SERVER = 56
    BOOTFILE_URL = 59
    AFTR_NAME = 64
    PD_EXCLUDE = 67
    CLIENT_LINK_LAYER_ADDRESS = 79
    SOL_MAX_RT = 82
    INF_MAX_RT = 83
    PCP_SERVERS = 86
    DHCP4_O_DHCP6_SERVERS = 88
    S46_RULE = 89
    S46_BR = 90
    S46_DMR = 91
    S46_V4V6BIND = 92
    S46_PORT_PARAMETERS = 93
    S46_CONTAINER_MAPE = 94
    S46_CONTAINER_MAPT = 95
    S46_CONTAINER_LIGHTWEIGHT = 96
    CAPTIVE_PORTAL = 103
    S46_PRIORITY = 111
    MUD_URL = 112
    PREFIX64 = 113
    ENCRYPTED_DNS = 144
    ADDRESS_REGISTRATION_ENABLE = 148


@unique
class StatusCode(IntEnum):
    """
    Status codes that concern a client (RFC 9915 section 21.13).  Other numbers occur and are kept as plain integers.
    """

    SUCCESS = 0
    UNSPEC_FAIL = 1
    NO_ADDRS_AVAIL = 2
    NO_BINDING = 3
    NOT_ON_LINK = 4
    USE_MULTICAST = 5
    NO_PREFIX_AVAIL = 6
