"""Tests of L{pdlease.demo}."""
