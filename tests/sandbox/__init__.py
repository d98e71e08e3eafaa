"""Tests of L{pdlease.sandbox}."""
