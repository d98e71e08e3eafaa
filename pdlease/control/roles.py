"""
What a connection may do, and which users and groups may do it.

Small, since it is imported before the first Solicit.  How the kernel is asked who a peer is, and names are looked up,
is L{pdlease.control.peers}; which command needs which role, L{pdlease.control.vocabulary}.
"""

from __future__ import annotations

from enum import IntEnum

from attrs import frozen


class Role(IntEnum):
    """What a connection may do; a higher role may do all that a lower one may."""

    VIEWER = 1
    ADMIN = 2


@frozen(kw_only=True)
class Peer:
    """
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
class Roles:
    """
    Which users and groups have which role.

    @ivar admin_uids: users who may do everything: root, and whoever started the daemon.
    @ivar admin_gids: groups whose members may do everything (C{control_group}).
    @ivar viewer_gids: groups whose members may look.
    """

    admin_uids: frozenset[int]
    admin_gids: frozenset[int] = frozenset()
    viewer_gids: frozenset[int] = frozenset()

    def role_of(self, peer: Peer) -> Role | None:
        """The highest role of a peer; C{None} when it has none."""
        if peer.uid in self.admin_uids or peer.gids & self.admin_gids:
            return Role.ADMIN
        if peer.gids & self.viewer_gids:
            return Role.VIEWER
        return None
