"""Tests of L{pdlease.client}."""
