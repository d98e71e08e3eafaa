"""
What operators are answered, and what they may ask for: L{IDaemonControl} over the router.

Who may ask, and how it travels, is L{pdlease.control}; what the documents look like, L{pdlease.report}.  Nothing is
decided here about leases or the kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pdlease import guestreport, report
from pdlease.applier import Applier
from pdlease.client.occurrences import Request
from pdlease.config.plan import plan_document
from pdlease.config.space import space_document
from pdlease.explanation import explanation
from pdlease.identity import Identity
from pdlease.interfaces import IDaemonControl, ITimeSource, Refused, UnknownUplink
from pdlease.logs import Logger
from pdlease.pictures import Picture, Pictures
from pdlease.router import Router
from pdlease.subnets import Carving
from pdlease.uplink import Uplink

Document = dict[str, Any]

# Kept for the control channel until it begins.
EARLY_EVENTS = 200


class Journal:
    """
    Numbers events and tells them to whoever listens.

    The control channel begins after the first Solicits, and is told what happened until then as well, so that the
    history is whole.

    @ivar sequence: number of the newest event.
    """

    log = Logger()

    def __init__(self, times: ITimeSource) -> None:
        self.sequence = 0
        self._times = times
        self._listeners: list[Callable[[Document], None]] = []
        self._early: deque[Document] | None = deque(maxlen=EARLY_EVENTS)

    def record(self, uplink: str | None, event: str, fields: Document) -> None:
        """Tell an event; C{uplink} is C{None} for what concerns the daemon as a whole."""
        self.sequence += 1
        document = {"sequence": self.sequence, "time": self._times.wall(), "uplink": uplink, "event": event, **fields}
        if self._early is not None:
            self._early.append(document)
        for listener in tuple(self._listeners):
            try:
                listener(document)
            except Exception:
                self.log.failure("{event} could not be told", event=event)

    def subscribe(self, listener: Callable[[Document], None], from_start: bool = False) -> Callable[[], None]:
        """
        Call C{listener} with every event from now on.

        @param from_start: and at once with those since the start, which are kept until somebody asks for them.
        @return: what ends that.
        """
        if from_start and self._early is not None:
            early, self._early = self._early, None
            for document in early:
                listener(document)
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end


@implementer(IDaemonControl)
class Desk:
    """Answers for one daemon."""

    log = Logger()

    def __init__(
        self,
        router: Router,
        applier: Applier,
        journal: Journal,
        *,
        clock: IReactorTime,
        sandbox: Callable[[], str],
        who: Callable[[], Identity],
        reload: Callable[[bool], Coroutine[Deferred[Any], Any, Document]],
        set_log_level: Callable[[str], None],
    ) -> None:
        """
        @param clock: the boot-time clock.
        @param sandbox: what of the sandbox is in force, in words.
        @param who: the identity in use.
        @param reload: reads the configuration again; with C{True} it only tells what would be done.
        @param set_log_level: changes how much is logged.
        """
        self._router = router
        self._applier = applier
        self._journal = journal
        self._seconds = clock.seconds
        self._sandbox = sandbox
        self._who = who
        self._reload = reload
        self._set_log_level = set_log_level
        self._waiters: list[tuple[str, Deferred[Document]]] = []
        self._pictures = Pictures(clock, self._picture, self._tell_of)
        journal.subscribe(self._happened)

    def stop(self) -> None:
        """Tell nothing more of addresses and guests."""
        self._pictures.stop()

    def _picture(self) -> Picture:
        """How everything stands that is told of: addresses by uplink, guests and switches under the empty name."""
        router, applier, now = self._router, self._applier, self._seconds()
        found = {
            name: {
                # all but what changes by the mere passing of time
                f"{one['link']} {one['address']}": {key: one[key] for key in one if not key.endswith("_seconds")}
                for one in report.assignments(share, applier, now)
            }
            for name, share in router.shares.items()
        }
        wants, around = router.hosting.wants, (applier, router.table)
        guests = guestreport.guests_document(router.config, wants, router.shares, *around)
        switches = guestreport.switches_document(router.config, wants, *around)
        hosts = {f"guest {name}": {"guest": name, "nics": nics} for name, nics in guests.items()}
        return {**found, "": {**hosts, **{f"switch {name}": {"switch": name, **one} for name, one in switches.items()}}}

    def _tell_of(self, owner: str, differ: list[Any], gone: list[str]) -> None:
        self._journal.record(owner or None, "assignments" if owner else "guests", {"changed": differ, "gone": gone})

    def _happened(self, event: Document) -> None:
        """A session that moves may become one that serves, with nothing changing in the kernel."""
        if event["event"] == "state":
            self.changed()

    def changed(self) -> None:
        """Something about an uplink or its assignments changed: whoever waits for that is answered, the rest told."""
        self._pictures.changed()
        waiters, self._waiters = self._waiters, []
        for name, waiter in waiters:
            if waiter.called:
                continue
            if name not in self._router.uplinks:
                waiter.errback(UnknownUplink(name))
            elif self._is_served(name):
                waiter.callback(self.status(name))
            else:
                self._waiters.append((name, waiter))

    def _wait_is_over(self, gone: Deferred[Document]) -> None:
        """Whoever waited has gone away."""
        self._waiters = [(name, waiter) for name, waiter in self._waiters if waiter is not gone]

    def _is_served(self, name: str) -> bool:
        return report.is_served(self._router.uplinks[name], self._router.shares.get(name), self._applier)

    # IDaemonControl

    def status(self, uplink: str | None) -> Document:
        router, applier = self._router, self._applier
        chosen = router.uplinks if uplink is None else {uplink: self._named(uplink)}
        for one in chosen.values():
            one.upstream.ask_anew()
        hosted = self.guests() if uplink is None else {"guests": {}, "switches": {}}
        return report.status_document(
            chosen,
            router.shares,
            applier,
            self._seconds(),
            self._sandbox(),
            hosted["guests"],
            hosted["switches"],
            router.config.daemon.state,
        )

    def guests(self) -> Document:
        config, wants, around = self._router.config, self._router.hosting.wants, (self._applier, self._router.table)
        return {
            "schema": report.SCHEMA,
            "guests": guestreport.guests_document(config, wants, self._router.shares, *around),
            "switches": guestreport.switches_document(config, wants, *around),
        }

    def counters(self, uplink: str | None) -> Document:
        chosen = self._router.uplinks if uplink is None else {uplink: self._named(uplink)}
        return {"schema": report.SCHEMA, "uplinks": {name: report.counters(one) for name, one in chosen.items()}}

    def plan(self) -> Document:
        config, iaids = self._router.config, self._router.iaids
        carvings: dict[tuple[str, str], list[Carving]] = {}
        for share in self._router.shares.values():
            for carved in share.carvings:
                carvings.setdefault((share.uplink, carved.delegation), []).append(carved.carving)
        plan = plan_document(config, {}, iaids, carved={place: each[-1] for place, each in carvings.items()})
        return {**plan, "space": space_document(config, carvings, iaids)}

    def wait(self, uplink: str) -> Deferred[Document]:
        self._named(uplink)
        waiter: Deferred[Document] = Deferred(self._wait_is_over)
        self._waiters.append((uplink, waiter))
        self.changed()
        return waiter

    def why(self, uplink: str | None) -> list[str]:
        chosen = self._router.uplinks.values() if uplink is None else [self._named(uplink)]
        for one in chosen:
            one.upstream.ask_anew()
        shares, now = self._router.shares, self._seconds()
        sentences = [
            sentence for one in chosen for sentence in explanation(one, shares.get(one.name), self._applier, now)
        ]
        if uplink is None:
            wants, table = self._router.hosting.wants, self._router.table
            sentences += guestreport.guests_explanation(self._router.config, wants, shares, self._applier, table)
        return sentences

    def renew(self, uplink: str | None) -> dict[str, str]:
        return self._ask(uplink, Request.RENEW)

    def rebind(self, uplink: str | None) -> dict[str, str]:
        return self._ask(uplink, Request.REBIND)

    def request(self, uplink: str | None) -> dict[str, str]:
        # the original: Rebind where anything is held, else on with what is under way
        return self._ask(uplink, Request.REBIND)

    def release(self, uplink: str, force: bool) -> Deferred[dict[str, str]]:
        chosen = self._named(uplink)
        guests = [guest for guest in self._router.config.guests if any(nic.delegate == uplink for nic in guest.nics)]
        if guests and not force:
            names = ", ".join(guest.name for guest in guests)
            hold = "holds" if len(guests) == 1 else "hold"
            raise Refused(f"{names} {hold} parts of the prefixes of {uplink}; --force releases them all the same")
        released = chosen.release()
        return released.addCallback(lambda _: {uplink: "released"})

    def reload(self, dry_run: bool) -> Deferred[Document]:
        return ensureDeferred(self._reload(dry_run))

    def set_log_level(self, level: str) -> None:
        self._set_log_level(level)

    def identity(self) -> Document:
        who = self._who()
        return {
            "schema": 1,
            "duid": str(who.duid),
            "uplinks": {entry.uplink: str(entry.duid) for entry in who.duids},
            "iaids": [
                {"uplink": known.uplink, "delegation": known.delegation, "iaid": known.iaid} for known in who.iaids
            ],
        }

    def subscribe(self, listener: Callable[[Document], None]) -> Callable[[], None]:
        return self._journal.subscribe(listener, from_start=True)

    def _named(self, name: str) -> Uplink:
        try:
            return self._router.uplinks[name]
        except KeyError:
            raise UnknownUplink(name) from None

    def _ask(self, name: str | None, request: Request) -> dict[str, str]:
        chosen = list(self._router.uplinks.values()) if name is None else [self._named(name)]
        outcome = {}
        for uplink in chosen:
            if uplink.waits_for:
                outcome[uplink.name] = f"not possible now: waiting for {uplink.waits_for}"
                continue
            uplink.ask(request)
            outcome[uplink.name] = uplink.session.state.name.lower()
        return outcome
