"""What an artifact may list, and what may come of it: everything a stranger could write."""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, UnsupportedError
from holdfast.gateways.wandb.artifact_entries import arrived, listed


@dataclass
class Listed:
    path: Any
    digest: Any
    ref: Any = None
    size: Any = None
    extra: Any = field(default_factory=dict)


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def entry(path: str, data: bytes = b"abc", **facts: Any) -> Listed:
    return Listed(path, **({"digest": md5(data), "size": len(data)} | facts))


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "C:/x", "a\\b", "a\x00b", "a\nb",
        "con.txt", "a.", "x" * 300, "a/./b", "\u202egnp", "~/x/..", "..",
    ],
)  # fmt: skip
def test_a_path_that_is_not_one_everywhere_is_refused_before_a_byte_comes(path: str) -> None:
    with pytest.raises(InvalidInputError):
        listed({path: entry(path)})


def test_names_that_are_one_file_on_some_system_are_refused() -> None:
    for first, other in (("a", "A"), ("\u00e9", "e\u0301"), ("a", "a/b"), ("B/x", "b")):
        with pytest.raises(InvalidInputError):
            listed({first: entry(first), other: entry(other)})


def test_a_key_that_is_not_the_entry_s_path_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="under another name"):
        listed({"model.bin": entry("../model.bin")})


@pytest.mark.parametrize(
    "facts",
    [
        {"digest": "https://h.example/model.bin"},  # of references without checksums
        {"digest": ""},
        {"digest": None},
        {"digest": "ab" * 32},
        {"digest": "kAFQmDzST7DWlj99KOF/cg"},
        {"digest": "kAFQmDzST7DWlj99KOF/cg==\n"},
        {"size": -1},
        {"size": True},
        {"size": 3.0},
        {"size": "3"},
    ],
)
def test_a_digest_or_length_that_is_not_one_is_refused(facts: Any) -> None:
    with pytest.raises(InvalidInputError):
        listed({"m": entry("m", **facts)})


@pytest.mark.parametrize(
    "ref",
    ["http://169.254.169.254/latest", "s3://b/k", "gs://b/k", "wandb-artifact://x/y", ""],
)
def test_references_without_a_digest_of_their_bytes_are_refused(ref: str) -> None:
    with pytest.raises(UnsupportedError, match="reference"):
        listed({"m": entry("m", ref=ref)})


def test_a_digest_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="BLAKE9"):
        listed({"m": entry("m", extra={"alg": "BLAKE9"})})


def test_an_artifact_without_files_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has no files"):
        listed({})


def test_what_came_has_digests_of_ours(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "m").write_bytes(b"abc")

    files = arrived(
        listed(
            {
                "deep/m": entry("deep/m"),
            }
        ),
        tmp_path,
    )

    assert files["deep/m"].sha256 == hashlib.sha256(b"abc").hexdigest()
    assert files["deep/m"].size_bytes == 3


def test_the_other_digest_of_the_sdk_is_checked_too(tmp_path: Path) -> None:
    xxhash = pytest.importorskip("xxhash", reason="the SDK brings it")
    digest = base64.b64encode(xxhash.xxh3_128(b"abc").digest()).decode()
    names = listed({"m": entry("m", digest=digest, extra={"alg": "XXH128"})})
    (tmp_path / "m").write_bytes(b"abc")

    assert arrived(names, tmp_path)["m"].size_bytes == 3
    (tmp_path / "m").write_bytes(b"abd")
    with pytest.raises(DamagedError, match="other bytes"):
        arrived(names, tmp_path)


def _spoil(place: Path, how: str) -> None:
    path = place / "m"
    match how:
        case "other bytes":
            path.write_bytes(b"abd")
        case "instead of 3":
            path.write_bytes(b"abcd")
        case "did not come":
            path.unlink()
        case "not listed":
            (place / "extra.pth").write_bytes(b"x")
        case "a link":
            path.unlink()
            path.symlink_to("/etc/hostname")
        case "link or a device":
            (place / "folder").symlink_to("/etc")
        case _:
            path.unlink()
            os.mkfifo(path)


@pytest.mark.parametrize(
    "how",
    ["other bytes", "instead of 3", "did not come", "not listed", "a link", "link or a device",
     "a device"],
)  # fmt: skip
def test_what_came_and_is_not_what_is_listed_is_refused(tmp_path: Path, how: str) -> None:
    (tmp_path / "m").write_bytes(b"abc")
    _spoil(tmp_path, how)

    with pytest.raises(DamagedError, match=how):
        arrived(listed({"m": entry("m")}), tmp_path)


def test_ten_thousand_files_are_listed(tmp_path: Path) -> None:
    names = {f"part/{number}.bin": entry(f"part/{number}.bin") for number in range(10_000)}

    assert len(listed(names)) == 10_000
    with pytest.raises(DamagedError, match="did not come"):
        arrived(listed(names), tmp_path)


def test_a_message_has_no_sign_that_steers_a_terminal() -> None:
    for key, item in (
        ("a\x1b[2J", entry("b")),
        ("m", entry("m", digest="\x1b[2J")),
        ("m", entry("m", ref="\x1b[2J://x")),
    ):
        with pytest.raises(HoldfastError) as caught:
            listed({key: item})
        assert "\x1b" not in str(caught.value)
