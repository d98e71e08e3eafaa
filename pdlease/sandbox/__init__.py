"""
How a process gives its rights away: users, capabilities, Landlock, seccomp.

What each process must still be able to do is said by its owner, L{pdlease.service} and L{pdlease.privilege.helpermain}.
"""
