"""
The routing socket: its bytes, the descriptor that reads it, and the table of links folded from it.

Only C{codec} knows pyroute2.  Who may change the kernel is L{pdlease.privilege}.
"""
