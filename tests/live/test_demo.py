"""
The demonstration network and the server in it, as a newcomer runs them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jsonschema import validate
from twisted.trial.unittest import SynchronousTestCase

import twisted
from pdlease.demo.network import children
from tests.control.running import schema
from tests.live.network import TOP, until
from tests.live.require import needs, network_namespaces, root, stop_without


def traces() -> tuple[str, str]:
    """The links and the named namespaces of the machine, which the demonstration must leave alone."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    names = [line.split(":")[1] for line in links.splitlines()]
    return " ".join(names), subprocess.run(["ip", "netns"], capture_output=True, text=True, check=False).stdout


# env: setpriv itself still has root's rights when it looks for the command
ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "env")
"""The words that run a command as nobody in particular."""

READABLE = {
    # a virtual environment whose interpreter others cannot read still has packages that they can
    "PYTHONPATH": os.pathsep.join((str(TOP), str(Path(twisted.__file__).parents[1]))),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def readable_interpreter() -> str | None:
    """An interpreter of this version that ordinary users can run with our packages."""
    for path in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        done = subprocess.run(
            [*ORDINARY, path, "-c", "import pdlease, twisted"],
            cwd=TOP,
            env={**os.environ, **READABLE},
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return path
    return None


def descendants(pid: int) -> list[int]:
    """Every process below one."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


@needs(network_namespaces)
class DemonstrationTests(SynchronousTestCase):
    """
    C{pdleasectl demo}.
    """

    def start(
        self, *words: str, interpreter: tuple[str, ...] = (sys.executable,), **environment: str
    ) -> subprocess.Popen[str]:
        """Start it as a checkout's operator does."""
        process = subprocess.Popen(
            [*interpreter, "-m", "pdlease.control.cli", "demo", *words],
            cwd=TOP,
            env={**os.environ, "PYTHONPATH": str(TOP), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def shown(self, process: subprocess.Popen[str]) -> str:
        """What it shows, which must come to its end well."""
        try:
            out, err = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"it did not end; it showed:\n{''.join(process.communicate())}")
        self.assertEqual((process.returncode, err), (0, ""), out + err)
        return out

    def test_everything_is_shown(self) -> None:
        """
        Four messages, the plan as a tree, addresses on every LAN link, a Renew, a change of prefix with new addresses
        and without the old ones, and the end; the machine is as before.
        """
        before = traces()[0]
        process = self.start()
        out = self.shown(process)
        for words in (
            "SOLICIT",
            "ADVERTISE",
            "REQUEST",
            "REPLY      2001:db8:1000::/60 is yours",
            "\u251c\u2500 2001:db8:1000::/64",
            "lan0  2001:db8:1000::1/64",
            "lan1  2001:db8:1000:4::1/62",
            "RENEW",
            "2001:db8:1000::/60 is yours no more.",
            "\u251c\u2500 2001:db8:2000::/64",
            "lan0  2001:db8:2000::1/64",
            "lan1  2001:db8:2000:4::1/62",
            "Everything is taken down",
        ):
            self.assertIn(words, out)
            out = out[out.index(words) :]
        self.assertNotIn("lan0  2001:db8:1000::1/64", out)
        self.assertEqual(traces()[0], before)

    def test_json(self) -> None:
        """
        With C{--json} every line is a JSON object; the messages in it are complete, and no Release is among them.
        """
        documents: list[dict[str, Any]] = [json.loads(line) for line in self.shown(self.start("--json")).splitlines()]
        for document in documents:
            validate(document, schema("demo"))
        types = [one["message"]["type"] for one in documents if "message" in one]
        self.assertEqual(types[:4], ["SOLICIT", "ADVERTISE", "REQUEST", "REPLY"])
        self.assertEqual(types[4:], ["RENEW", "REPLY"] * (len(types[4:]) // 2))
        self.assertGreaterEqual(len(types), 8)
        renews = [one["message"]["seconds"] for one in documents if one.get("message", {}).get("type") == "RENEW"]
        replies = [one["message"]["seconds"] for one in documents if one.get("message", {}).get("type") == "REPLY"]
        self.assertLess(abs(renews[0] - replies[0] - 5.0), 0.5)

    def interrupted(self, number: int) -> None:
        """It is sent a signal while the daemon is bound, and leaves nothing."""
        before = traces()[0]
        process = self.start()
        assert process.stdout is not None
        for line in process.stdout:
            if "REPLY" in line:
                break
        below = descendants(process.pid)
        self.assertGreater(len(below), 3)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn("interrupted", err)
        self.assertNotIn("Traceback", err)
        until(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], 5, "all processes to be gone")
        self.assertEqual(traces()[0], before)

    def test_interrupted(self) -> None:
        """
        SIGINT and SIGTERM take everything down.
        """
        self.interrupted(signal.SIGINT)
        self.interrupted(signal.SIGTERM)

    def test_killed(self) -> None:
        """
        Even when the demonstration is killed none of its processes stays for long.
        """
        process = self.start()
        assert process.stdout is not None
        for line in process.stdout:
            if "REPLY" in line:
                break
        (enclosing,) = children(process.pid)
        below = descendants(enclosing)
        os.kill(enclosing, signal.SIGKILL)
        process.wait(10)
        until(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], 5, "all processes to be gone")

    def test_as_an_ordinary_user(self) -> None:
        """
        An ordinary user sees the same, where user namespaces are allowed.
        """
        stop_without(self, root())
        allowed = subprocess.run([*ORDINARY, "unshare", "--user", "--map-root-user", "true"], check=False)
        stop_without(self, "ordinary users may not make user namespaces" if allowed.returncode else None)
        interpreter = readable_interpreter()
        stop_without(self, None if interpreter else "ordinary users cannot read this interpreter or checkout")
        process = self.start(interpreter=(*ORDINARY, interpreter or ""), **READABLE)
        self.assertIn("lan1  2001:db8:2000:4::1/62", self.shown(process))


@needs(network_namespaces)
class ServerTests(SynchronousTestCase):
    """
    C{python -m pdlease.demo.server} on a link of its own.
    """

    def serve(self, *words: str) -> subprocess.Popen[str]:
        """Start the server in a namespace with a link C{sv0}, whose other end is C{sv1}."""
        script = (
            "ip link add name sv0 type veth peer name sv1 &&"
            ' ip link set dev sv0 up && ip link set dev sv1 up && exec "$@"'
        )
        process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, "-m", "pdlease.demo.server", *words],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_ready_and_end(self) -> None:
        """
        It says when it is ready, obeys its script, a FIFO and standard input, and ends with standard input if told to.
        """
        fifo = str(Path(self.mktemp()).absolute())
        process = self.serve(
            "--link", "sv0", "--script", "preference 5", "--script", "nonsense", "--control", fifo, "--end-with-stdin"
        )
        assert process.stdout is not None
        assert process.stdin is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        self.assertEqual([line["event"] for line in lines], ["command", "refused", "ready"])
        with open(fifo, "w", encoding="ascii") as control:
            control.write("silent on\n")
        self.assertEqual(json.loads(process.stdout.readline())["command"], "silent on")
        process.stdin.write("well\n")
        process.stdin.flush()
        self.assertEqual(json.loads(process.stdout.readline())["command"], "well")
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)
        process.stdin = None

    def test_link_that_is_not_there(self) -> None:
        """
        A link that is missing is one sentence and status 1.
        """
        process = self.serve("--link", "sv2")
        _, err = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(err, "sv2: cannot serve it: no interface with this name\n")

    def test_terminated(self) -> None:
        """
        SIGTERM ends it well.
        """
        process = self.serve("--link", "sv0")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.terminate()
        self.assertEqual(process.wait(10), 0)
