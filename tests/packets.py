"""
DHCPv6 messages as octets, written out field by field, for every test that wants one.

Values that mean the same stand in the tests that need them; here are only octets, so that no mistake of the codec can
hide itself.  C{#} begins a remark.  All were made for this project or for the specifications it follows.
"""

from __future__ import annotations


def octets(text: str) -> bytes:
    """
    Turn annotated hexadecimal digits into octets.

    @param text: lines of digits, spaces wherever they help; the rest of a line from C{#} on is a remark.
    """
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


CLIENT_DUID = octets("0003 0001 001122334455")
"""DUID-LL of the client in these messages."""

SERVER_DUID = octets("0003 0001 66778899aabb")
"""DUID-LL of the server in these messages."""

OTHER_SERVER_DUID = octets("0002 00007ed9 0cc084d303000912")
"""DUID-EN of another server (the example of RFC 9915 section 11.3)."""

SOLICIT = octets("""
    01 a1b2c3                                   # SOLICIT, transaction a1b2c3
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0008 0002 0000                              # ELAPSED_TIME 0
    0006 0008 0052 0043 0017 0018               # OPTION_REQUEST 82, 67, 23, 24
    0019 0029 00000001 00000000 00000000        # IA_PD 1, T1 0, T2 0
      001a 0019 00000000 00000000 38            #   IA_PREFIX, lifetimes 0, /56
        00000000000000000000000000000000        #     ::
""")
"""A Solicit with the hint ::/56 (rfc-wire-format B.10)."""

ADVERTISE = octets("""
    02 a1b2c3                                   # ADVERTISE
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    0007 0001 ff                                # PREFERENCE 255
    0019 0029 00000001 00000e10 00001680        # IA_PD 1, T1 3600, T2 5760
      001a 0019 00001c20 00002a30 28            #   IA_PREFIX, preferred 7200, valid 10800, /40
        20010db8120000000000000000000000        #     2001:db8:1200::
""")
"""An Advertise that cannot be beaten (rfc-wire-format B.10)."""

REQUEST = octets("""
    03 a1b2c4                                   # REQUEST
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    0008 0002 0000                              # ELAPSED_TIME 0
    0006 0004 0052 0043                         # OPTION_REQUEST 82, 67
    0019 0029 00000001 00000000 00000000        # IA_PD 1
      001a 0019 00000000 00000000 28            #   IA_PREFIX, /40
        20010db8120000000000000000000000        #     2001:db8:1200::
""")
"""The Request that follows L{ADVERTISE}."""

REPLY = octets("""
    07 a1b2c4                                   # REPLY
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    0019 0029 00000001 00000e10 00001680        # IA_PD 1, T1 3600, T2 5760
      001a 0019 00001c20 00002a30 28            #   IA_PREFIX, preferred 7200, valid 10800, /40
        20010db8120000000000000000000000        #     2001:db8:1200::
""")
"""The Reply to L{REQUEST}."""

RAPID_REPLY = octets("""
    07 a1b2c3                                   # REPLY to L{SOLICIT}
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    000e 0000                                   # RAPID_COMMIT
    0019 0029 00000001 00000e10 00001680        # IA_PD 1, T1 3600, T2 5760
      001a 0019 00001c20 00002a30 38            #   IA_PREFIX, preferred 7200, valid 10800, /56
        20010db8120034000000000000000000        #     2001:db8:1200:3400::
""")
"""A Reply straight to a Solicit that offered Rapid Commit."""

RICH_REPLY = octets("""
    07 a1b2c4                                   # REPLY
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000e 0002 00007ed9 0cc084d303000912    # SERVER_ID, a DUID-EN
    000d 000a 0000 616c6c2077656c6c             # STATUS_CODE Success "all well"
    0014 0000                                   # RECONFIGURE_ACCEPT
    000b 001c 03 01 00 0000000000000001         # AUTHENTICATION RKAP, HMAC-MD5, counter 1
      01 000102030405060708090a0b0c0d0e0f       #   reconfigure key
    0019 0059 00000001 00000e10 00001680        # IA_PD 1, T1 3600, T2 5760
      001a 001f 00001c20 00002a30 38            #   IA_PREFIX, preferred 7200, valid 10800, /56
        20010db8000000000000000000000000        #     2001:db8::
        0043 0002 40 ff                         #     PD_EXCLUDE 2001:db8:0:ff::/64
      001a 0026 00000000 00000000 38            #   IA_PREFIX withdrawn, /56
        20010db8000001000000000000000000        #     2001:db8:0:100::
      000d 0009 0000 7468616e6b73 21            #   STATUS_CODE Success "thanks!"
    0019 001b 00000002 00000000 00000000        # IA_PD 2
      000d 000b 0006 6f7574206f662069 74        #   STATUS_CODE NoPrefixAvail "out of it"
    0017 0020                                   # DNS_SERVERS
      20010db8000000000000000000000053          #   2001:db8::53
      20010db8000000000000000000000054          #   2001:db8::54
    0018 000d 07 6578616d706c65 03 6e6574 00    # DOMAIN_LIST example.net
    0052 0004 00000e10                          # SOL_MAX_RT 3600
    0053 0004 00001c20                          # INF_MAX_RT 7200
""")
"""A Reply with much in it: two associations, an excluded prefix, a withdrawn one, a reconfigure key, name servers."""

REFUSAL = octets("""
    02 a1b2c3                                   # ADVERTISE
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    0019 0020 00000001 00000000 00000000        # IA_PD 1
      000d 0010 0006 6e6f2070726566697820 6c656674  # STATUS_CODE NoPrefixAvail "no prefix left"
    0052 0004 0000003c                          # SOL_MAX_RT 60
""")
"""An Advertise without a prefix, and with a shorter SOL_MAX_RT."""

RECONFIGURE = octets("""
    0a 000000                                   # RECONFIGURE, transaction 0
    0001 000a 0003 0001 001122334455            # CLIENT_ID
    0002 000a 0003 0001 66778899aabb            # SERVER_ID
    0013 0001 05                                # RECONFIGURE_MESSAGE Renew
    000b 001c 03 01 00 0000000000000002         # AUTHENTICATION RKAP, HMAC-MD5, counter 2
      02 00000000000000000000000000000000       #   digest (not filled in)
""")
"""A Reconfigure that asks for a Renew; its digest is all zero."""

ORIGINAL_SOLICIT = octets("""
    01 a1b2c3                                   # SOLICIT
    0001 0012 0004 00112233445566778899aabbccddeeff   # CLIENT_ID, a DUID-UUID
    0019 0029 00000000 00000000 00000000        # IA_PD 0
      001a 0019 00000000 00000000 3b            #   IA_PREFIX, /59
        00000000000000000000000000000000        #     ::
    0006 0004 0052 0053                         # OPTION_REQUEST 82, 83
    0008 0002 0000                              # ELAPSED_TIME 0
    000e 0000                                   # RAPID_COMMIT
    0010 0017 000075cb 0011                     # VENDOR_CLASS, enterprise 30155
      4f70656e42534420372e3520616d643634        #   "OpenBSD 7.5 amd64"
""")
"""What dhcp6leased(8) sends first (seed-behaviour 10)."""

ORIGINAL_REQUEST = octets("""
    03 a1b2c3                                   # REQUEST
    0001 0012 0004 00112233445566778899aabbccddeeff   # CLIENT_ID, a DUID-UUID
    0002 000a 0003 0001 525400123456            # SERVER_ID
    0019 0029 00000000 00000000 00000000        # IA_PD 0
      001a 0019 00000000 00000000 3b            #   IA_PREFIX, /59
        20010db8000000200000000000000000        #     2001:db8:0:20::
    0006 0004 0052 0053                         # OPTION_REQUEST 82, 83
    0008 0002 0064                              # ELAPSED_TIME 1 s
    0010 0017 000075cb 0011                     # VENDOR_CLASS, enterprise 30155
      4f70656e42534420372e3520616d643634        #   "OpenBSD 7.5 amd64"
""")
"""What dhcp6leased(8) asks for next (seed-behaviour 10)."""

EVERYTHING = {
    "SOLICIT": SOLICIT,
    "ADVERTISE": ADVERTISE,
    "REQUEST": REQUEST,
    "REPLY": REPLY,
    "RAPID_REPLY": RAPID_REPLY,
    "RICH_REPLY": RICH_REPLY,
    "REFUSAL": REFUSAL,
    "RECONFIGURE": RECONFIGURE,
    "ORIGINAL_SOLICIT": ORIGINAL_SOLICIT,
    "ORIGINAL_REQUEST": ORIGINAL_REQUEST,
}
"""Every message of this module by its name; all well-formed."""
