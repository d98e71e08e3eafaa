"""
The door for operators: AMP commands, the server in the daemon, the client, and C{pdleasectl}.

What the commands do is behind L{pdlease.interfaces.IDaemonControl}, in L{pdlease.service}.
"""
