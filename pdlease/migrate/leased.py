"""
dhcp6leased: a UUID in a file of its own, and for each link a file with a line for each association (seed-behaviour
3.11).
"""

from __future__ import annotations

import os
from uuid import UUID

from pdlease.migrate.found import Association, Files, Found, NothingFound, network_of
from pdlease.wire.duid import DUID

FOLDER = "/var/db/dhcp6leased"


def read(files: Files, link: str, path: str | None = None) -> Found:
    """
    Find dhcp6leased.

    @param link: the uplink's link.
    @param path: the file C{uuid} where it is not in the usual folder; lease files are looked for beside it.
    @raise NothingFound: when there is no UUID.
    """
    where, data = files.first((path or f"{FOLDER}/uuid",))
    try:
        duid = DUID.from_uuid(UUID(data.decode("ascii").strip()).bytes)
    except ValueError:
        raise NothingFound(f"{where}: it holds no UUID") from None
    lease = f"{os.path.dirname(where)}/{link}"
    held: dict[int, Association] = {}
    for line in (files.text(lease) or "").splitlines():
        words = line.split()
        if len(words) == 4 and words[0] == "ia_pd" and words[1].isdigit() and int(words[1]) < 32:
            network = network_of(words[2], words[3])
            if network is not None:
                held[int(words[1])] = Association(iaid=int(words[1]), prefixes=(network,))
    remarks = () if held else (f"{lease} names no prefix: IAID 0 was taken, from which dhcp6leased counts",)
    # only associations with a prefix have a line, and those behind one without must keep their place
    numbers = range(max(held, default=0) + 1)
    return Found(
        duid=duid,
        associations=tuple(held.get(number) or Association(iaid=number) for number in numbers),
        files=tuple(files.read),
        remarks=remarks,
    )
