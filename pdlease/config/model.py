"""
The configuration as frozen values, already checked.

How a file becomes this is L{pdlease.config.toml}; what each key means, its type and its default is
L{pdlease.config.schema}; what is laid out by it is L{pdlease.config.plan}; what differs between two of these is
L{pdlease.config.compare}.  Nothing here reads a file or looks at the machine: whether a link or a user exists is found
out elsewhere.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from attrs import field, frozen

from pdlease.config.packets import RawOption, VendorClass, VendorOptions
from pdlease.config.remote import Remote
from pdlease.subnets import Downstream, GuestShare, needed_length, requested_length

# The metric of the on-link route of a subnet.  Not the kernel's 256: when a foreign address of the subnet goes, the
# kernel deletes the first route of the subnet on that link, whoever made it; with a higher metric that is its own.
ON_LINK_METRIC = 512

# The routing table that a link in no VRF looks into.
MAIN_TABLE = 254

# Space for local addresses: what is shared by carriers (RFC 6598), as in vmd.
LOCAL_PREFIX = IPv4Network("100.64.0.0/10")

# Global and unique local addresses.
ALLOWED_PREFIXES = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))


@frozen(kw_only=True)
class Daemon:
    """
    Settings of the daemon itself, table C{[daemon]}.

    @ivar state: absolute path of the state folder.
    @ivar control: absolute path of the control socket.
    @ivar control_group: name of the group that may use the control socket.
    @ivar control_users: names of further users who may.
    @ivar control_viewers: names of groups that may look there, and change nothing.
    @ivar privileges: the privilege provider, C{name} or C{name:argument}.
    @ivar store: the lease store, C{name} or C{name:argument}.
    @ivar user: the user that the daemon becomes.
    @ivar helper_user: the user that the helper becomes.
    @ivar on_stop: C{"keep"} or C{"remove"}: what becomes of addresses and routes when the daemon is stopped.
    @ivar route_protocol: the number that marks our routes and addresses, 1 to 255.
    @ivar sandbox: C{"require"}, C{"try"} or C{"off"}.
    @ivar sandbox_action: C{"errno"} or C{"kill"}: what a forbidden system call leads to.
    """

    state: str = "/var/lib/pdlease"
    control: str = "/run/pdlease/control.sock"
    control_group: str = "pdlease"
    control_users: tuple[str, ...] = ()
    control_viewers: tuple[str, ...] = ()
    privileges: str = "helper"
    store: str = "file"
    user: str = "pdlease"
    helper_user: str = "pdlease-helper"
    on_stop: str = "keep"
    route_protocol: int = 154
    sandbox: str = "try"
    sandbox_action: str = "errno"


@frozen(kw_only=True)
class IdentitySettings:
    """
    Table C{[identity]}.

    @ivar duid: how the DUID comes to be, as text; L{pdlease.config.duidform.parse_form} takes it apart.
    """

    duid: str = "uuid"


@frozen(kw_only=True)
class Delegation:
    """
    One IA_PD of an uplink.

    @ivar key: what it is remembered by: the name of its first downstream link, or C{#N} (N counted from 0 within the
        uplink) for one without any.
    @ivar iaid: the configured IAID, or C{None} for a derived one.
    @ivar hint: C{"nibble"}, C{"exact"}, C{"none"}, a prefix length, or several to be tried one after the other.
    @ivar split: whether this is one of those that a table made of its downstreams, one of each.
    @ivar downstreams: what it is carved into, in file order.
    @ivar excluded_host: the host part of the address that the uplink's link gets out of the excluded part of the prefix
        (RFC 6603); C{None} for no address.
    @ivar guests: how many guest NICs want a /64 of it.
    """

    key: str
    iaid: int | None = None
    hint: str | int | tuple[int, ...] = "nibble"
    split: bool = False
    excluded_host: int | None = None
    downstreams: tuple[Downstream, ...] = ()
    guests: int = 0

    @property
    def needed_length(self) -> int:
        """The longest prefix length that has room for everything (L{pdlease.subnets.needed_length})."""
        return needed_length(self.downstreams, self.guests)

    @property
    def requested_length(self) -> int | None:
        """The length that servers are asked for, at first; C{None} for no hint."""
        hint = self.hint[0] if isinstance(self.hint, tuple) else self.hint
        return requested_length(hint, self.needed_length)

    @property
    def further_lengths(self) -> tuple[int, ...]:
        """The lengths that servers are asked for next, one after the other, when they have nothing of the first."""
        return self.hint[1:] if isinstance(self.hint, tuple) else ()

    @property
    def links(self) -> tuple[str, ...]:
        """The downstream links, in file order."""
        return tuple(downstream.link for downstream in self.downstreams if downstream.link is not None)


@frozen(kw_only=True)
class Uplink:
    """
    One uplink, table C{[uplinks.NAME]}.

    @ivar name: the table's name.
    @ivar link: name of the network link.
    @ivar rapid_commit: whether to ask for the two-message exchange (RFC 9915 section 18.2.1).
    @ivar solicit_delay: whether the first Solicit waits a random time of up to a second.
    @ivar start: what starts the client: C{"link"} (the link is up), C{"ra"} or C{"p-flag"}.
    @ivar rate_limit: at most so many messages in so many seconds (RFC 9915 section 14.1).
    @ivar renumbering_silence: seconds of silence that end a lease where there are signs of another upstream.
    @ivar reconfigure: whether servers may reconfigure this client.
    @ivar duid: a DUID for this uplink only, in the form of C{identity.duid}; empty for the client's own.
    @ivar profile: name of a packet profile; empty for none.
    @ivar vendor_class: what made the client, for each vendor one.
    @ivar user_class: kinds of user that the client serves; empty for none told.
    @ivar vendor_options: options that vendors defined, for each vendor one.
    @ivar raw_options: options written out.
    @ivar request_options: codes that are requested from servers besides those that the client needs.
    @ivar dscp: differentiated services code point of our packets, 0 to 63.
    @ivar priority: priority of our packets in the kernel, 0 to 6; a VLAN makes its own of it.
    @ivar vrf: name of the VRF that the link is put into; empty for none.
    @ivar route_table: routing table for on-link and unreachable routes; C{None} for that of the VRF, or main.
    @ivar route_metric: metric of the unreachable route of a delegated prefix.
    @ivar delegations: one for each IA_PD, in file order.
    """

    name: str
    link: str
    rapid_commit: bool = False
    solicit_delay: bool = True
    start: str = "link"
    rate_limit: tuple[int, float] = (20, 20.0)
    renumbering_silence: int = 60
    reconfigure: bool = False
    duid: str = ""
    profile: str = ""
    vendor_class: tuple[VendorClass, ...] = ()
    user_class: tuple[bytes, ...] = ()
    vendor_options: tuple[VendorOptions, ...] = ()
    raw_options: tuple[RawOption, ...] = ()
    request_options: tuple[int, ...] = ()
    dscp: int = 0
    priority: int = 0
    vrf: str = ""
    route_table: int | None = None
    route_metric: int = 4096
    delegations: tuple[Delegation, ...] = ()

    @property
    def links(self) -> tuple[str, ...]:
        """The downstream links of all delegations, in file order."""
        return tuple(link for delegation in self.delegations for link in delegation.links)

    @property
    def table(self) -> int | str:
        """The routing table of the routes of its prefixes: a number, or the VRF whose table it is, by name."""
        return self.route_table if self.route_table is not None else self.vrf or MAIN_TABLE


@frozen(kw_only=True)
class Switch:
    """
    A bridge that is made ready, table C{[switches.NAME]} (vmd's switch).

    @ivar name: the table's name.
    @ivar link: name of the bridge.
    @ivar group: link group for its ports, a number or a name of the system's group table, or C{None}.
    @ivar vrf: name of the VRF that the bridge belongs to; empty for none.
    @ivar up: whether it is put up or down.
    """

    name: str
    link: str
    group: int | str | None = None
    vrf: str = ""
    up: bool = True


@frozen(kw_only=True)
class NIC:
    """
    One NIC of a guest, as the host sees it.

    What a NIC leaves out its switch gives, by value (W10): L{Config.group_of}, L{Config.vrf_of}.

    @ivar link: name of the link on this host.
    @ivar switch: name of the switch that it becomes a port of; empty for none.
    @ivar group: its own link group, or C{None}.
    @ivar vrf: its own VRF; empty for none.
    @ivar up: whether it is put up or down.
    @ivar local: whether it gets the host's side of a /31 and a /96 (L{pdlease.local}).
    @ivar delegate: name of the uplink whose first delegation gives it a /64; empty for none.
    @ivar mac: the link-layer address of the link on this host; C{"derived"} for one that follows from the guest's id
        and name, empty to leave it alone.
    """

    link: str
    switch: str = ""
    group: int | str | None = None
    vrf: str = ""
    up: bool = True
    local: bool = False
    delegate: str = ""
    mac: str = ""


@frozen(kw_only=True)
class Guest:
    """
    A virtual machine or container, table C{[guests.NAME]}.

    @ivar name: the table's name.
    @ivar id: its number, from 1; local addresses follow from it.
    @ivar nics: its NICs, in file order.
    """

    name: str
    id: int
    nics: tuple[NIC, ...] = ()


@frozen(kw_only=True)
class Local:
    """
    What local addresses of guests are made from, table C{[local]}.

    @ivar prefix: IPv4 prefix.
    @ivar inet6: IPv6 prefix, at most /64, or C{None} for no local IPv6 addresses.
    """

    prefix: IPv4Network = LOCAL_PREFIX
    inet6: IPv6Network | None = None


@frozen(kw_only=True)
class Policy:
    """
    What the helper allows at all, table C{[policy]}.

    @ivar prefixes: addresses and routes must be inside one of these.
    """

    prefixes: tuple[IPv6Network, ...] = ALLOWED_PREFIXES


@frozen(kw_only=True)
class Config:
    """
    A whole configuration.

    @ivar daemon: settings of the daemon.
    @ivar identity: who the client is.
    @ivar uplinks: in file order.
    @ivar switches: in file order.
    @ivar guests: in file order.
    @ivar local: what local addresses are made from.
    @ivar policy: what is allowed at all.
    @ivar remote: remote control, or C{None} for none.
    @ivar remote_lacks: the keys that the table C{[control.remote]} lacks, for which remote control is off.
    """

    daemon: Daemon = Daemon()
    identity: IdentitySettings = IdentitySettings()
    uplinks: tuple[Uplink, ...] = ()
    switches: tuple[Switch, ...] = ()
    guests: tuple[Guest, ...] = ()
    local: Local = Local()
    policy: Policy = Policy()
    remote: Remote | None = None
    remote_lacks: tuple[str, ...] = field(default=(), eq=False)

    @property
    def remote_problem(self) -> str:
        """Why there is no remote control although there is a table for it, as a sentence; or the empty string."""
        lacks = ", ".join(self.remote_lacks)
        return f"remote control is off: [control.remote] lacks {lacks}" if lacks else ""

    def uplink(self, name: str) -> Uplink | None:
        """The uplink of that name, or C{None}."""
        return next((uplink for uplink in self.uplinks if uplink.name == name), None)

    def switch(self, name: str) -> Switch | None:
        """The switch of that name, or C{None}."""
        return next((switch for switch in self.switches if switch.name == name), None)

    def group_of(self, nic: NIC) -> int | str | None:
        """The link group of a NIC: its own, else its switch's, else none (one group a link)."""
        switch = self.switch(nic.switch)
        return nic.group if nic.group is not None or switch is None else switch.group

    def vrf_of(self, nic: NIC) -> str:
        """The VRF of a NIC: its own, else its switch's, else none; the value is inherited, not a flag (W10)."""
        switch = self.switch(nic.switch)
        return nic.vrf if nic.vrf or switch is None else switch.vrf

    def address_link(self, nic: NIC) -> str:
        """
        The link that bears this host's addresses for a NIC: its switch's bridge, else its own link.  On a port of a
        bridge Linux answers nobody, since what comes in there belongs to the bridge.
        """
        switch = self.switch(nic.switch)
        return nic.link if switch is None else switch.link

    def guest_shares(self, uplink: str) -> tuple[GuestShare, ...]:
        """The guest NICs that want a /64 of an uplink's first delegation, in order of guest id and NIC index."""
        return tuple(
            GuestShare(guest=guest.name, nic=index, link=nic.link)
            for guest in sorted(self.guests, key=lambda guest: guest.id)
            for index, nic in enumerate(guest.nics)
            if nic.delegate == uplink
        )
