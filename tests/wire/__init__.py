"""Tests of L{pdlease.wire}."""
