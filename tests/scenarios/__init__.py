"""
Whole conversations on virtual time, read like the RFC's examples.
"""
