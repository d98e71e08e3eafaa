"""Tests of L{pdlease.netlink}."""
