"""Tests of L{pdlease.stores}."""
