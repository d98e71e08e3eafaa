"""
What happens in the demonstration, in sentences for somebody who sees DHCPv6 for the first time.

Pure: what the server printed (L{pdlease.demo.description}) goes in, words come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any

PICTURE = """\
   provider                  your router                     your network
  [  isp  ] ------------- [wan  router  lan0] ------------- hosts
   server                 [     pdlease lan1] ------------- hosts
"""

_WORDS = {
    "SOLICIT": "Is there a server? I need {wish}.",
    "ADVERTISE": "I am one, and I can give you {offer}.",
    "REQUEST": "Then please give me {wish}.",
    "RENEW": "It is time to ask again: may I keep {wish}?",
    "REBIND": "Is anybody there who lets me keep {wish}?",
    "RELEASE": "I do not need {wish} any more.",
}


def sentence(event: Mapping[str, Any]) -> str:
    """
    One message in words: who says what.

    @param event: what the server printed of a message received or sent.
    """
    kind = event.get("type", "nothing that can be read")
    way = "router -> isp" if event["event"] == "received" else "isp -> router"
    return f"{way}  {kind:<9}  {_saying(str(kind), event)}"


def _saying(kind: str, event: Mapping[str, Any]) -> str:
    """What a message says."""
    prefixes = [prefix for ia in event.get("ia_pds", ()) for prefix in ia["prefixes"]]
    if kind == "REPLY":
        return " ".join(_granted(ia) for ia in event["ia_pds"]) or "Very well."
    return _WORDS.get(kind, "").format(wish=_wishes(prefixes), offer=_listed([one["prefix"] for one in prefixes]))


def _wishes(prefixes: Sequence[Mapping[str, Any]]) -> str:
    """What a client names."""
    return _listed([_wish(IPv6Network(one["prefix"])) for one in prefixes]) or "a prefix"


def _wish(prefix: IPv6Network) -> str:
    """A prefix, or a mere length."""
    if int(prefix.network_address) == 0:
        return f"a prefix of length {prefix.prefixlen}"
    return str(prefix)


def _granted(ia: Mapping[str, Any]) -> str:
    """What a Reply says of an association."""
    given = [one for one in ia["prefixes"] if one["valid"]]
    gone = [one["prefix"] for one in ia["prefixes"] if not one["valid"]]
    words = ""
    if given:
        first = given[0]
        words = (
            f"{_listed([one['prefix'] for one in given])} is yours for {first['valid']} s; "
            f"ask again after {ia['t1']} s."
        )
    elif "status" in ia:
        words = f"No: {ia['status']['text'] or ia['status']['code']}."
    if gone:
        words += f" {_listed(gone)} is yours no more."
    return words.strip()


def _listed(words: Sequence[str]) -> str:
    """One, or one and another."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
