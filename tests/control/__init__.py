"""Tests of L{pdlease.control}."""
