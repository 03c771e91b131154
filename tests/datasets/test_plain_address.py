"""Addresses are recorded without whatever lets somebody in."""

import pytest

from holdfast.datasets.plain_address import recordable


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://ann:token@host.example/team/repo.git", "https://host.example/team/repo.git"),
        ("https://token@host.example:8443/repo?key=1#x", "https://host.example:8443/repo"),
        ("https://ann:p@ss@host.example/repo", "https://host.example/repo"),
        ("git@host.example:team/repo.git", "host.example:team/repo.git"),
        ("token@host.example:repo", "host.example:repo"),
        ("ssh://git@host.example/repo", "ssh://host.example/repo"),
        ("postgresql://u:p@[::1]:5432/shop?sslpassword=x", "postgresql://[::1]:5432/shop"),
        ("/srv/git/repo.git", "/srv/git/repo.git"),
        ("../repo", "../repo"),
        ("ext::sh -c 'echo secret'", ""),
        ("secret@nowhere", ""),
        ("https://host:port:9/x", ""),
        ("sqlite:///shop.db", "sqlite:///shop.db"),
    ],
)
def test_users_passwords_and_queries_are_left_out(address: str, plain: str) -> None:
    assert recordable(address) == plain
