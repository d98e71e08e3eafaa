"""
What the operator wrote, as a checked model.

The meaning of a plan is L{pdlease.subnets}; what is done with it, L{pdlease.service}.
"""
