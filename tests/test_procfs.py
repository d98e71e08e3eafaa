"""
Tests of L{pdlease.procfs}.
"""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from pdlease.procfs import port_holder, socket_inodes

REST = "07 00000000:00000000 00:00000000 00000000     0        0"
TABLE = f"""\
  sl  local_address remote_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ref pointer drops
  12: {32 * "0"}:0222 {32 * "0"}:0000 {REST} 4711 2 0000000000000000 0
  13: {32 * "0"}:0223 {32 * "0"}:0000 {REST} 4712 2 0000000000000000 0
"""


class PortHolderTests(SynchronousTestCase):
    """Tests of L{port_holder}."""

    def proc(self, comm: str | None) -> str:
        """A /proc with one process that has the socket of port 546 open."""
        root = self.mktemp()
        os.makedirs(f"{root}/net")
        os.makedirs(f"{root}/412/fd")
        with open(f"{root}/net/udp6", "w") as file:
            file.write(TABLE)
        os.symlink("/dev/null", f"{root}/412/fd/0")
        os.symlink("socket:[4711]", f"{root}/412/fd/3")
        if comm is not None:
            with open(f"{root}/412/comm", "w") as file:
                file.write(comm)
        return root

    def test_inodes_of_the_port_only(self) -> None:
        """Only sockets bound to the port that was asked for are looked for."""
        self.assertEqual(socket_inodes(TABLE, 546), {"4711"})

    def test_names_the_program(self) -> None:
        """The program that holds the port is named with its process id."""
        self.assertEqual(port_holder(546, self.proc("dhclient\n")), "dhclient (412)")

    def test_another_port_is_nobodys(self) -> None:
        """A port that no socket is bound to has no holder."""
        self.assertEqual(port_holder(5353, self.proc("dhclient\n")), "")

    def test_a_process_that_ends_meanwhile_is_left_out(self) -> None:
        """A process that is gone before its name can be read does no harm."""
        self.assertEqual(port_holder(546, self.proc(None)), "")

    def test_without_proc_nothing_is_known(self) -> None:
        """Where /proc cannot be read the answer is that nothing is known."""
        self.assertEqual(port_holder(546, self.mktemp()), "")

    def test_own_sockets_do_not_count(self) -> None:
        """The asking process is not named as holder of its own port."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own:
            own.bind(("::1", 0))
            self.assertEqual(port_holder(own.getsockname()[1]), "")
