"""
Who may touch the kernel, in which words, and three ways to hold that privilege.

When something is to be done is L{pdlease.difference} and L{pdlease.applier}; how a process gives its rights away,
L{pdlease.sandbox}.
"""
