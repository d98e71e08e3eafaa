"""
The files of other DHCPv6 clients: who they were to servers, so that a router that changes to pdlease keeps its prefix.

Each module knows one client, and only reads.  What is done with what they found is L{pdlease.becoming}.
"""
