"""
Tests of the client room, module by module.
"""
