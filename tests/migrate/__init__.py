"""Tests of L{pdlease.migrate}."""
