"""Where pdlease finds the store C{sqlite}.  All modules here are imported to find one: what costs is in C{build}."""

from twisted.plugin import IPlugin
from zope.interface import implementer

from pdlease.interfaces import ILeaseStore, ILeaseStoreFactory, StoreContext


@implementer(IPlugin, ILeaseStoreFactory)
class SQLiteStoreFactory:
    """Makes L{pdlease_sqlite.SQLiteStore}."""

    name = "sqlite"
    summary = "keeps identity and leases in one SQLite file of the state folder"
    argument = "the file's name, leases.sqlite if not given"

    def build(self, argument: str, context: StoreContext) -> ILeaseStore:
        from pdlease_sqlite import SQLiteStore

        if "/" in argument:
            raise ValueError(f"the store sqlite keeps its file in the state folder: {argument!r} must be a name")
        return SQLiteStore(context.state, argument or "leases.sqlite", context.times)


factory = SQLiteStoreFactory()
