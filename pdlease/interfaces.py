"""
Every zope interface of pdlease: what a plugin author implements, and what the rooms expect of one another.

The values that these methods speak of are in L{pdlease.operations}, L{pdlease.lease}, L{pdlease.identity}.  Which
provider goes by which name is L{pdlease.providers}; the contract tests that every provider must pass are
L{pdlease.testing}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import socket
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from pdlease.identity import Identity
from pdlease.lease import UplinkRecord
from pdlease.operations import Operation

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorCore

    from pdlease.config.model import Config


class ITimeSource(Interface):
    """The clocks of the machine, for what must be converted between them."""

    def boot() -> float:
        """Seconds since boot, suspends included (CLOCK_BOOTTIME)."""

    def wall() -> float:
        """Seconds since 1970 as the machine believes (CLOCK_REALTIME); may be wrong and may jump."""

    def boot_id() -> str:
        """What tells one boot from another (the kernel's random boot id)."""

    def wall_is_trusted() -> bool:
        """
        Whether the wall clock can be believed: the kernel says it is synchronised, or it is at least later than this
        program's release and than what it is compared with (R-12-06).
        """


class IPrivilege(Interface):
    """
    What may touch the kernel.  Every method may be called again while an earlier call is under way; operations are
    carried out in the order in which they were asked for.
    """

    def start() -> Deferred[bytes]:
        """
        Get ready: called once, as root where the daemon was started as root, before anything else.

        @return: fires with the bytes of the configuration file as this provider read them.
        @raise PrivilegeError: (as a failure) where the provider cannot do its work at all; the reason is a sentence for
            the operator.
        """

    def perform(operations: Sequence[Operation]) -> Sequence[Deferred[None]]:
        """
        Carry out operations in order; one that fails does not keep the next from being tried.  Doing the same operation
        twice is the same as doing it once.

        @return: one Deferred for each operation, in order: C{None}, or a failure with
            L{pdlease.operations.PrivilegeError}.
        """

    def open_client_socket(link: str, index: int) -> Deferred[socket]:
        """
        A non-blocking UDP socket bound to C{[::]:546} and to the device of this name and index, with IPV6_RECVPKTINFO.

        @raise PrivilegeError: (as a failure) with EADDRINUSE when another program holds the port on that link.
        """

    def open_route_socket() -> Deferred[socket]:
        """
        A non-blocking rtnetlink socket, subscribed to the groups LINK, IPV6_IFADDR, IPV6_ROUTE, IPV6_IFINFO and
        IPV6_PREFIX, with a large receive buffer where that is allowed.
        """

    def reload() -> Deferred[bytes]:
        """
        Read the configuration file again, and make the policy that follows from it ready.  It is in force only after
        L{adopt}: until then, and if that never comes, the earlier one holds.

        @return: fires with the bytes of the file.
        @raise PrivilegeError: (as a failure) when the file is unreadable, unsafe (writable by others) or wrong.
        """

    def adopt(source: bytes) -> Deferred[None]:
        """
        Put the policy in force that the latest L{reload} made ready; doing so twice is the same as doing it once.

        @param source: what that reload answered.
        @raise PrivilegeError: (as a failure) with ESTALE when the latest reload read something else, or there was none;
            the policy in force then stays.
        """

    def stop() -> Deferred[None]:
        """Come to an end and leave everything in the kernel as it is.  May be called more than once."""


class IPrivilegeFactory(Interface):
    """Makes privilege providers of one kind; found by name (C{privileges = "name:argument"})."""

    name = Attribute("The name by which the configuration chooses this provider.")
    summary = Attribute("One line for C{--help}.")
    argument = Attribute("What the part after the colon means, or the empty string if there is none.")

    def build(argument: str, context: PrivilegeContext) -> IPrivilege:
        """
        Make a provider; nothing is started yet.

        @raise ValueError: when the argument is not understood; the text is shown to the operator.
        """


@frozen(kw_only=True)
class PrivilegeContext:
    """
    What a privilege provider is given.

    @ivar reactor: the reactor of the daemon (for processes, descriptors and connections; never for time).
    @ivar configuration_path: absolute path of the configuration file.
    @ivar configuration: the configuration as parsed at start.
    @ivar ended: to be called once, with a sentence, when the provider came to an end that nobody asked for.
    """

    reactor: IReactorCore
    configuration_path: str
    configuration: Config
    ended: Callable[[str], None]


@frozen(kw_only=True)
class Stored:
    """
    All that a lease store remembers.

    @ivar identity: who we are, or C{None} if this store has never seen one.
    @ivar uplinks: pairs of uplink name and what is remembered of it.
    @ivar remarks: sentences for the operator, e.g. about a damaged file that was set aside.
    """

    identity: Identity | None = None
    uplinks: tuple[tuple[str, UplinkRecord], ...] = ()
    remarks: tuple[str, ...] = ()


class StoreError(Exception):
    """The store could not read or keep something; the text is a sentence with path and errno's words."""


class IdentityLost(StoreError):
    """
    There was an identity here once and it cannot be read (file damaged or gone).  Never answered with a new identity:
    the operator decides.
    """


class ILeaseStore(Interface):
    """
    Where identity and leases outlive the process.

    Calls do not overlap for the same uplink: the caller waits for one to finish.  A write that failed may be tried
    again.
    """

    def load() -> Deferred[Stored]:
        """
        Read everything, leases converted to this boot's clock, expired prefixes left out.

        @raise IdentityLost: (as a failure) see there.
        @raise StoreError: (as a failure) when the place itself is unusable.
        """

    def save_identity(identity: Identity) -> Deferred[None]:
        """Keep the identity; when this fires it is on stable storage (used before the first packet)."""

    def save_uplink(name: str, record: UplinkRecord) -> Deferred[None]:
        """Keep what one uplink holds, whole or not at all."""

    def forget_uplink(name: str) -> Deferred[None]:
        """Remove what is remembered of an uplink; one that is not known is success."""


class ILeaseStoreFactory(Interface):
    """Makes lease stores of one kind; found by name (C{store = "name:argument"})."""

    name = Attribute("The name by which the configuration chooses this store.")
    summary = Attribute("One line for C{--help}.")
    argument = Attribute("What the part after the colon means, or the empty string if there is none.")

    def build(argument: str, context: StoreContext) -> ILeaseStore:
        """
        Make a store; nothing is read yet.

        @raise ValueError: when the argument is not understood; the text is shown to the operator.
        """


@frozen(kw_only=True)
class StoreContext:
    """
    What a lease store is given.

    @ivar state: absolute path of the daemon's state folder.
    @ivar times: provides L{ITimeSource}.
    """

    state: str
    times: ITimeSource


class IDaemonControl(Interface):
    """
    What the control channel may ask of the daemon.  Answers are plain data (dict, list, str, int, float, bool, None) in
    the shapes of the design's C{--json} documents.

    @raise UnknownUplink: (as a failure) by every method that takes the name of an uplink.
    """

    def status(uplink: str | None) -> dict[str, Any]:
        """The status document: of all uplinks, or of one."""

    def plan() -> dict[str, Any]:
        """The plan document, with the prefixes held now."""

    def wait(uplink: str) -> Deferred[dict[str, Any]]:
        """Fires with the uplink's status once it is bound and every assignment is installed."""

    def why(uplink: str | None) -> list[str]:
        """Sentences on what each uplink does or waits for, what was dropped, and what to check."""

    def guests() -> dict[str, Any]:
        """The links of guests and switches: C{{"schema", "guests", "switches"}}, both as in the status document."""

    def counters(uplink: str | None) -> dict[str, Any]:
        """What was counted on each uplink since the start: C{{"schema", "uplinks"}}, zeros left out."""

    def renew(uplink: str | None) -> dict[str, str]:
        """Send Renew now.  Answers uplink name to what was started, in words."""

    def rebind(uplink: str | None) -> dict[str, str]:
        """Send Rebind now."""

    def request(uplink: str | None) -> dict[str, str]:
        """Ask at once: by Rebind where prefixes are held, else from Solicit on."""

    def release(uplink: str, force: bool) -> Deferred[dict[str, str]]:
        """Deprecate, remove, then Release (design 19); fires when the exchange is over."""

    def reload(dry_run: bool) -> Deferred[dict[str, Any]]:
        """
        Read the configuration again and apply what changed: C{{"changed": [...], "operations": [...]}}.

        @raise Misconfigured: (as a failure) when the file is wrong; nothing has been changed then.
        @raise Refused: (as a failure) when it asks for what only a restart can do; likewise.
        """

    def set_log_level(level: str) -> None:
        """One of C{debug}, C{verbose}, C{brief}."""

    def identity() -> dict[str, Any]:
        """DUID and IAIDs in use."""

    def subscribe(listener: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """
        Call C{listener} with every event document (C{{"sequence", "time", "uplink", "event", ...}}) from now on; the
        first to subscribe is told at once what happened since the start.

        @return: what ends the subscription.
        """


class UnknownUplink(Exception):
    """No uplink of that name is configured."""


class Refused(Exception):
    """The daemon refuses to do what was asked; the text says why."""


class Misconfigured(Refused):
    """The daemon refuses a configuration file, for what it says or for who may write it; the text has every error."""
