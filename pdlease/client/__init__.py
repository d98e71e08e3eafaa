"""
The protocol's mind: what to send, when, and what to make of an answer.

Pure: no socket, no clock, no Twisted; time and chance come in as arguments.  Who holds a session and feeds it:
L{pdlease.client.session} (the value, C{step}), L{pdlease.client.settings} (what it is told before),
L{pdlease.client.occurrences} (what can happen to it, what it wants done), L{pdlease.client.reasons} (why).  Where the
bytes go is L{pdlease.udp}, who holds the session L{pdlease.uplink}.
"""
