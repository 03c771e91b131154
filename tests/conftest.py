"""Fixtures for every test: servers that run once a session."""

pytest_plugins = ["tests.servers.fixtures"]
