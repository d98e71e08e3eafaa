"""Tests of L{pdlease.config}."""
