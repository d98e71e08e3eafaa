"""
Print the state of every uplink, then the next event: with Twisted's AMP and nothing of pdlease, as docs/control.rst
describes the protocol.

Usage: python plain_amp.py CONTROL_SOCKET
"""

import json
import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.task import react
from twisted.protocols import amp


class Version(amp.Command):
    arguments = [(b"oldest", amp.Integer()), (b"newest", amp.Integer()), (b"software", amp.Unicode())]
    response = [(b"protocol", amp.Integer()), (b"software", amp.Unicode()), (b"role", amp.Unicode())]


class Status(amp.Command):
    arguments = [(b"uplink", amp.Unicode(optional=True))]
    response = [(b"page", amp.String()), (b"more", amp.Unicode(optional=True))]


class Page(amp.Command):
    arguments = [(b"token", amp.Unicode())]
    response = Status.response


class Watch(amp.Command):
    arguments = [(b"since", amp.Integer(optional=True))]
    response = [(b"sequence", amp.Integer()), (b"instance", amp.Unicode()), (b"missed", amp.Boolean())]


class Event(amp.Command):
    arguments = [(b"sequence", amp.Integer()), (b"event", amp.String())]
    requiresAnswer = False


class Closing(amp.Command):
    arguments = [(b"reason", amp.Unicode()), (b"text", amp.Unicode())]
    requiresAnswer = False


class Client(amp.AMP):
    """What the daemon says unasked."""

    def __init__(self):
        super().__init__()
        self.happened = Deferred()

    @Event.responder
    def event(self, sequence, event):
        if not self.happened.called:
            self.happened.callback(json.loads(event))
        return {}

    @Closing.responder
    def closing(self, reason, text):
        print("the daemon hangs up:", text, file=sys.stderr)
        return {}


async def document(client, command, **arguments):
    """Ask for a document and join its pages."""
    answer = await client.callRemote(command, **arguments)
    text = answer["page"]
    while answer.get("more") is not None:
        answer = await client.callRemote(Page, token=answer["more"])
        text += answer["page"]
    return json.loads(text)


async def main(reactor, path):
    """Greet, ask, watch."""
    client = await connectProtocol(UNIXClientEndpoint(reactor, path), Client())
    greeting = await client.callRemote(Version, oldest=1, newest=1, software="plain AMP")
    print(f"{greeting['role']} of {greeting['software'].partition(' ')[0]}")
    for name, uplink in (await document(client, Status))["uplinks"].items():
        print(name, uplink["state"])
    await client.callRemote(Watch)
    event = await client.happened
    print(event["uplink"], event["event"])


if __name__ == "__main__":
    react(main, sys.argv[1:])
