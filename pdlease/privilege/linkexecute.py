"""
Carries out what is done to the links of switches and guests: master, description, group, state, link-layer address; and
puts the links of uplinks into their VRF.

None of it can carry our mark, so that a port of somebody else's bridge is refused, not stolen.  What is undone is
undone on links of the configuration only, or on those that this process set something on, whatever they are called now,
or that still have the description that an earlier process gave them (design 5, 7).  What is allowed is
L{pdlease.privilege.linkpolicy}; addresses and routes are L{pdlease.privilege.execute}'s.  Twisted-free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pdlease.linksettings import bears_our_description
from pdlease.netlink.requests import LinkFacts
from pdlease.operations import (
    ClearMaster,
    LinkSetting,
    Operation,
    PrivilegeError,
    SetDescription,
    SetDown,
    SetGroup,
    SetLinkAddress,
    SetMaster,
    SetUp,
)
from pdlease.privilege.linkpolicy import BRIDGE, NIC_KINDS, VRF, Links, wrong_kind
from pdlease.privilege.policy import Refusal, Refused, judge_link
from pdlease.privilege.requestsocket import RequestSocket

GUEST_KINDS = NIC_KINDS | {BRIDGE}

MOST_LINKS = 65536
"""So many links that something was set on are remembered; of more, the first are forgotten."""


class LinkSetter:
    """
    Sets what can be set about a link.
    """

    def __init__(self, requests: RequestSocket, request: Callable[[Operation], object]) -> None:
        """
        @param requests: a socket for questions.
        @param request: sends the request of an operation; raises L{PrivilegeError}.
        """
        self._requests = requests
        self._request = request
        self._touched: dict[int, bool] = {}
        self._masters: dict[int, int] = {}

    def has_touched(self, operation: Operation) -> bool:
        """Whether pdlease did to this very link what an operation does, or puts back, as far as can be told."""
        if isinstance(operation, ClearMaster) and operation.index in self._masters:
            return True
        if not isinstance(operation, (ClearMaster, SetDescription, SetGroup, SetUp, SetDown, SetLinkAddress)):
            return False
        facts = self._requests.link(index=operation.index)
        if isinstance(facts, LinkFacts) and facts.kind not in GUEST_KINDS:
            return False  # hardware, say, that came out of a container with the index of a guest's link that is gone
        return operation.index in self._touched or self._is_described(operation.index)

    def _is_described(self, index: int) -> bool:
        facts = self._requests.link(index=index)
        if not isinstance(facts, LinkFacts) or facts.kind not in GUEST_KINDS:
            return False
        return bears_our_description(facts.alias, facts.kind)

    def perform(self, operation: LinkSetting, links: Links) -> None:
        """
        Do one operation, that policy allows.

        @param links: the bounds of links, of this configuration and earlier ones.
        @raise PrivilegeError: with errno and the kernel's words, or with errno 0 and the reason for refusing.
        """
        if isinstance(operation, ClearMaster):
            self._clear_master(operation, links)
            return
        facts = self._check(operation, operation.link, operation.index, links)
        if isinstance(operation, SetMaster) and not self._may_move(operation, facts, links):
            return
        self._request(operation)
        if isinstance(operation, SetMaster):
            _remember(self._masters, operation.index, operation.master_index)
        else:
            _remember(self._touched, operation.index, True)

    def _may_move(self, operation: SetMaster, facts: LinkFacts, links: Links) -> bool:
        """Whether a link is yet to be put into a bridge or VRF; refused where that is not what it should be."""
        master = self._check(operation, operation.master, operation.master_index, links)
        kind = links[operation.link].masters[operation.master]
        if master.kind != kind:
            problem = f"{master.name} is of kind {master.kind or 'none'}; it must be {kind}"
            raise Refused(str(operation), Refusal(field="master", problem=problem))
        if facts.master == operation.master_index:
            return False
        self._check_owner(operation, facts, links)
        return True

    def _clear_master(self, operation: ClearMaster, links: Links) -> None:
        facts = self._requests.link(index=operation.index)
        if not isinstance(facts, LinkFacts) or not facts.master:
            return
        if facts.name not in links and not self.has_touched(operation):
            problem = f"{operation.index} is {facts.name}, no link that is put into a bridge or VRF"
            raise Refused(str(operation), Refusal(field="index", problem=problem))
        self._check_owner(operation, facts, links)
        self._request(operation)

    def _check_owner(self, operation: SetMaster | ClearMaster, facts: LinkFacts, links: Links) -> None:
        """Refuse to take a link out of a bridge or VRF that was not ours to put it into."""
        if not facts.master or self._masters.get(facts.index) == facts.master:
            return
        owner = self._requests.link(index=facts.master)
        name = owner.name if isinstance(owner, LinkFacts) else f"link {facts.master}"
        bounds = links.get(facts.name)
        if bounds is not None and name in bounds.masters:
            return
        if isinstance(owner, LinkFacts) and self._was_put_there(facts, owner, links):
            return
        problem = f"{facts.name} belongs to {name}, and stays there"
        raise Refused(str(operation), Refusal(field="link", problem=problem))

    def _was_put_there(self, facts: LinkFacts, owner: LinkFacts, links: Links) -> bool:
        """
        Whether an earlier process may have put a link where it is: by its description it was a guest's, and what it is
        in is a switch, or was one by its description; or the link is none of the configuration's any more and in a VRF.
        """
        if facts.index not in self._touched and not self._is_described(facts.index):
            return False
        if owner.kind == VRF:
            return facts.name not in links
        bounds = links.get(owner.name)
        return (bounds is not None and BRIDGE in bounds.kinds) or self._is_described(owner.index)

    def _check(self, operation: LinkSetting, link: str, index: int, links: Links) -> LinkFacts:
        facts = self._requests.link(index=index)
        if not isinstance(facts, LinkFacts):
            raise PrivilegeError(str(operation), facts.errno, facts.reason)
        refusal = judge_link(link, facts)
        if refusal is not None:
            raise Refused(str(operation), refusal)
        wrong = wrong_kind(links, facts)
        if wrong is not None and index not in self._touched and index not in self._masters:
            raise Refused(str(operation), Refusal(field=wrong[0], problem=wrong[1]))
        return facts


Kept = TypeVar("Kept")


def _remember(memory: dict[int, Kept], index: int, value: Kept) -> None:
    """Remember something of a link, by its index."""
    memory.pop(index, None)
    memory[index] = value
    if len(memory) > MOST_LINKS:
        del memory[next(iter(memory))]
