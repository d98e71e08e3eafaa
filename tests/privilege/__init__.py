"""Tests of L{pdlease.privilege}."""
