"""
Runs something in a child process that may give its rights away.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any


def in_child(act: Callable[[], Any]) -> tuple[Any, int]:
    """
    Call C{act} in a child process.

    @return: what it returned (plain data), or the name and text of its exception as a string, or C{None} if it was
        killed; and the signal that it ended by, 0 for none.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            result = act()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return json.loads(data) if data else None, int(signal.Signals(number)) if number else 0
