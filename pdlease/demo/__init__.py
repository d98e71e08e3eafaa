"""
A delegating server of our own and the demonstration network that shows the main job.

The server is small and scriptable, for tests and for showing; it is not for real networks.
"""
