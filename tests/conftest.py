"""What holds for all tests: servers run once a session, and none is judged by how long it takes."""

from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
