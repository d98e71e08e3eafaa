"""
What the helper process keeps when it has read its configuration (design 7).
"""

from __future__ import annotations

import os

from pdlease.config.model import Daemon
from pdlease.privilege.execute import IPV6_SETTINGS
from pdlease.sandbox.calls import COMMON, PRIVILEGED
from pdlease.sandbox.capabilities import NET_ADMIN, NET_BIND_SERVICE
from pdlease.sandbox.closing import Closing
from pdlease.sandbox.landlock import READ, Right


def closing_of(settings: Daemon, configuration_path: str) -> Closing:
    """
    What the helper keeps: two capabilities, the configuration's folders to read it again, the IPv6 settings of links.

    @param configuration_path: absolute path of the configuration.
    """
    folders = {os.path.dirname(configuration_path), os.path.dirname(os.path.realpath(configuration_path))}
    return Closing(
        user=settings.helper_user,
        kept=frozenset((NET_ADMIN, NET_BIND_SERVICE)),
        paths={**dict.fromkeys(sorted(folders), READ), IPV6_SETTINGS: READ | Right.WRITE_FILE},
        calls=(*COMMON, *PRIVILEGED),
        mode=settings.sandbox,
        action=settings.sandbox_action,
        dies_with_parent=True,
    )
