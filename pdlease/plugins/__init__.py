"""
Where other packages put their lease stores and privilege providers.

A package that brings one installs a module C{pdlease/plugins/NAME.py} of its own, without an C{__init__.py} beside it.
The module holds an instance of a factory that provides L{twisted.plugin.IPlugin} and
L{ILeaseStoreFactory<pdlease.interfaces.ILeaseStoreFactory>} or
L{IPrivilegeFactory<pdlease.interfaces.IPrivilegeFactory>}.  Nothing of pdlease itself is here: built-in providers are
found by name, without looking in this folder (L{pdlease.providers}).  What a provider must do is tested by
L{pdlease.testing}.
"""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
