"""
The rows of table C{[control.remote]}; those of all other tables, and what a row is, are L{pdlease.config.schema}.
"""

from __future__ import annotations

from pdlease.config import remote, values
from pdlease.config.schema import Key

REMOTE = (
    Key(
        "listen",
        remote.listen,
        "``ssl:port=NUMBER`` or ``ssl:port=NUMBER:interface=ADDRESS``",
        '"ssl:port=4546"',
        "Where to listen.  Colons of an IPv6 address are written ``\\:``, in single quotes.  The address need not be "
        "there yet, so it may be one that this daemon assigns.  ``tcp:port=NUMBER:interface=127.0.0.1`` (or "
        "``\\:\\:1``) is without TLS, and only there: every user of this machine has the role that ``roles`` gives to "
        '``"*"``.',
    ),
    Key(
        "certificate",
        values.absolute_path,
        "absolute path",
        '"/etc/pdlease/remote/server.pem"',
        "The daemon's certificate in PEM, followed by those between it and its CA.  It must name what clients call "
        "this machine, and with ``ssl`` it must be given.",
    ),
    Key(
        "key",
        values.absolute_path,
        "absolute path",
        '"/etc/pdlease/remote/server.key"',
        "Its key in PEM, without a passphrase.  It must belong to root, or to ``daemon.user``, and be closed to all "
        "others but the group of that user, who reads it again at a reload.",
    ),
    Key(
        "client_ca",
        values.absolute_path,
        "absolute path",
        '"/etc/pdlease/remote/clients.pem"',
        "The certificates in PEM to one of which that of every client must go back.",
    ),
    Key(
        "roles",
        remote.roles,
        "table of ``DNS:NAME``, ``email:ADDRESS``, ``URI:URI`` or ``IP:ADDRESS`` to ``admin`` or ``viewer``",
        '{ "email:alice@example.org" = "admin", "DNS:monitor.example.org" = "viewer" }',
        "Who may do what, by a subjectAltName of the client's certificate, whole and without wildcards.  Nobody else "
        "gets in, with however good a certificate.",
    ),
)
