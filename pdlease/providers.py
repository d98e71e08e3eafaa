"""
Which provider goes by which name: C{privileges = "name:argument"} and C{store = "name:argument"} of the configuration.

A built-in name leads straight to one module, and nothing else is imported.  Any other name is looked for with
L{twisted.plugin} among the modules in L{pdlease.plugins}.  That imports all of them, and unpickles a cache beside them,
as root where the daemon is started as root: folders and files that others than root may write are refused then.

What providers do is in L{pdlease.interfaces}.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Literal, cast, overload

from pdlease.interfaces import (
    ILeaseStore,
    ILeaseStoreFactory,
    IPrivilege,
    IPrivilegeFactory,
    PrivilegeContext,
    StoreContext,
)

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "privileges": {
        "helper": "pdlease.privilege.helper",
        "inprocess": "pdlease.privilege.inprocess",
        "dryrun": "pdlease.privilege.dryrun",
    },
    "store": {
        "file": "pdlease.stores.file",
        "memory": "pdlease.stores.memory",
    },
}
"""Key of the configuration, and name, to the module that exposes C{factory}."""


class NoSuchProvider(Exception):
    """
    No provider goes by the name that the configuration gives.

    @ivar kind: the key of the configuration, C{privileges} or C{store}.
    @ivar name: the name asked for.
    @ivar known: the names there are, in order.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        return f"[daemon] {self.kind}: there is no {self.name!r}; there are {', '.join(self.known)}"


class UnsafePlugins(NoSuchProvider):
    """
    A name that is not built in, and plugins that must not be imported as root.

    @ivar path: the file or folder that others may write.
    """

    def __init__(self, kind: str, name: str, path: str) -> None:
        super().__init__(kind, name, BUILT_IN[kind])
        self.path = path

    def __str__(self) -> str:
        return f"{super().__str__()} built in, and plugins are not loaded: others than root may write {self.path}"


@overload
def resolve(kind: Literal["privileges"], chosen: str, context: PrivilegeContext) -> IPrivilege: ...


@overload
def resolve(kind: Literal["store"], chosen: str, context: StoreContext) -> ILeaseStore: ...


def resolve(
    kind: Literal["privileges", "store"], chosen: str, context: PrivilegeContext | StoreContext
) -> IPrivilege | ILeaseStore:
    """
    Make the provider that the configuration chose.

    @param kind: the key of the configuration.
    @param chosen: its value, C{name} or C{name:argument}.
    @raise NoSuchProvider: when no provider has this name, or those that there are may not be loaded.
    @raise ValueError: when the provider does not understand its argument; the text is for the operator.
    """
    name, _, argument = chosen.partition(":")
    if isinstance(context, StoreContext):
        return cast(ILeaseStoreFactory, find(kind, name)).build(argument, context)
    return cast(IPrivilegeFactory, find(kind, name)).build(argument, context)


def find(kind: str, name: str) -> ILeaseStoreFactory | IPrivilegeFactory:
    """
    The factory of a name.

    @raise NoSuchProvider: see there.
    """
    module = BUILT_IN[kind].get(name)
    if module is not None:
        return cast("ILeaseStoreFactory | IPrivilegeFactory", import_module(module).factory)
    plugins = _plugins(kind, name)
    for plugin in plugins:
        if plugin.name == name:
            return plugin
    raise NoSuchProvider(kind, name, {*BUILT_IN[kind], *(plugin.name for plugin in plugins)})


def _plugins(kind: str, name: str) -> tuple[ILeaseStoreFactory | IPrivilegeFactory, ...]:
    """
    What other packages brought, of one kind.

    @raise UnsafePlugins: when this process is root and others may write what would be imported.
    """
    import pdlease.plugins

    if os.geteuid() == 0:
        unsafe = first_unsafe(pdlease.plugins.__path__)
        if unsafe is not None:
            raise UnsafePlugins(kind, name, unsafe)

    from twisted.plugin import getPlugins

    wanted = IPrivilegeFactory if kind == "privileges" else ILeaseStoreFactory
    return tuple(getPlugins(wanted, pdlease.plugins))


def first_unsafe(folders: Iterable[str], owner: int = 0) -> str | None:
    """
    The first file or folder that somebody else than C{owner} may write, among folders, all that is in them, and what is
    above them; C{None} when there is none.

    A folder above with the sticky bit (such as C{/tmp}) lets nobody replace what belongs to another.
    """
    for folder in folders:
        for path in _within(os.path.realpath(folder)):
            status = os.stat(path)
            others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            sticky = status.st_mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode) and path != os.path.realpath(folder)
            if status.st_uid != owner or (others and not sticky):
                return path
    return None


def _within(folder: str) -> Iterator[str]:
    """A folder's parents, itself, and everything in it; nothing where it does not exist."""
    if not os.path.isdir(folder):
        return
    above = folder
    while above != os.path.dirname(above):
        above = os.path.dirname(above)
        yield above
    yield folder
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.exists(os.path.join(path, name)):
                yield os.path.join(path, name)
