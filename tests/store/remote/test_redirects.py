"""Where a server may point a download to."""

import pytest

from holdfast.store.remote.redirects import place
from holdfast.store.remote.server_address import ServerAddress

FAR = ServerAddress("https", "models.example", 443, "")
HERE = ServerAddress("http", "127.0.0.1", 8090, "")


@pytest.mark.parametrize("server", [FAR, HERE])
def test_https_leads_to_any_host(server: ServerAddress) -> None:
    found = place("https://bucket.s3.example:9000/a/b?X-Amz-Signature=0f&x=%2F", server)
    assert found == ServerAddress("https", "bucket.s3.example", 9000, "")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/models/x",
        "//bucket.example/x",
        "http://bucket.example/x",
        "http://127.0.0.1:9000/x",
        "ftp://bucket.example/x",
        "file:///etc/passwd",
        "https://ana:secret@bucket.example/x",
        "https://bucket.example/x#y",
        "https://bucket.example:port/x",
        "https://bucket.example/x y",
        "https://bucket.example/\r\nhost: x",
        "https://b\u00fccket.example/x",
        "https://",
        "https://bucket.example/" + "x" * 9000,
    ],
)
def test_nothing_is_fetched_in_the_open_or_by_what_is_no_plain_url(location: str) -> None:
    assert place(location, FAR) is None


def test_this_machine_may_point_to_itself_and_to_nobody_else_in_the_open() -> None:
    assert place("http://127.0.0.1:9000/x?y", HERE) == ServerAddress("http", "127.0.0.1", 9000, "")
    assert place("http://10.0.0.1/x", HERE) is None
    encrypted = ServerAddress("https", "127.0.0.1", 8443, "")
    assert place("http://127.0.0.1:9000/x", encrypted) is None  # it was encrypted, and stays so
