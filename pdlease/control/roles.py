"""
What a connection may do, and which users, groups and holders of certificates may do it.

Small, since it is imported before the first Solicit.  How the kernel is asked who a peer is, and names are looked up,
is L{pdlease.control.peers}; which command needs which role, L{pdlease.control.vocabulary}.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import inf

from attrs import frozen


class Role(IntEnum):
    """What a connection may do; a higher role may do all that a lower one may."""

    VIEWER = 1
    ADMIN = 2


@frozen(kw_only=True)
class Peer:
    """
    A local client, as the kernel tells of it.

    @ivar pid: process id when it connected, for the log only.
    @ivar uid: effective user id.
    @ivar gids: effective group id and supplementary groups.
    """

    pid: int
    uid: int
    gids: frozenset[int]

    def __str__(self) -> str:
        return f"uid {self.uid} (process {self.pid})"


@frozen(kw_only=True)
class Certified:
    """
    A remote client, as its certificate tells of it.

    @ivar names: its subjectAltNames in the form of C{control.remote.roles}.
    @ivar address: where it connects from, for the log only.
    @ivar good_for: seconds for which the certificate is good.
    """

    names: frozenset[str]
    address: str
    good_for: float = inf

    def __str__(self) -> str:
        return f"{' '.join(sorted(self.names))[:200] or 'a certificate without names'} at {self.address}"


@frozen(kw_only=True)
class Roles:
    """
    Who has which role.

    @ivar admin_uids: users who may do everything: root, whoever started the daemon, C{control_users}.
    @ivar admin_gids: groups whose members may do everything (C{control_group}).
    @ivar viewer_gids: groups whose members may look (C{control_viewers}).
    @ivar names: the role of each name in certificates (C{control.remote.roles}).
    """

    admin_uids: frozenset[int] = frozenset()
    admin_gids: frozenset[int] = frozenset()
    viewer_gids: frozenset[int] = frozenset()
    names: Mapping[str, Role] = {}

    def role_of(self, peer: Peer | Certified) -> Role | None:
        """The highest role of a peer; C{None} when it has none."""
        if isinstance(peer, Certified):
            return max((self.names[name] for name in peer.names if name in self.names), default=None)
        if peer.uid in self.admin_uids or peer.gids & self.admin_gids:
            return Role.ADMIN
        if peer.gids & self.viewer_gids:
            return Role.VIEWER
        return None
