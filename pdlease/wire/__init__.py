"""
Bytes to values and back: RFC 9915 sections 8, 11 and 21.

Nothing here decides anything; whether a message is acceptable is L{pdlease.client}.
"""
