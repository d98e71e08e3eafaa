"""Where pdlease finds the provider C{audit}.  All modules here are imported to find one: what costs is in C{build}."""

from twisted.plugin import IPlugin
from zope.interface import implementer

from pdlease.interfaces import IPrivilege, IPrivilegeFactory, PrivilegeContext


@implementer(IPlugin, IPrivilegeFactory)
class AuditFactory:
    """Makes L{pdlease_audit.AuditedPrivilege}."""

    name = "audit"
    summary = "does what the provider helper does, and writes every operation and its outcome to a file"
    argument = "the absolute path of that file"

    def build(self, argument: str, context: PrivilegeContext) -> IPrivilege:
        from pdlease_audit import AuditedPrivilege

        from pdlease.clock import SystemTimes
        from pdlease.providers import resolve

        if not argument.startswith("/"):
            raise ValueError(f"the privilege provider audit takes the absolute path of a file, not {argument!r}")
        return AuditedPrivilege(resolve("privileges", "helper", context), argument, SystemTimes())


factory = AuditFactory()
