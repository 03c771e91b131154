"""Files of a repository as its clients see them."""

import hashlib

from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.gateways.hf.hub_tree import files_of


def file(path: str) -> File:
    return File(path, hashlib.sha256(path.encode()).hexdigest(), len(path))


def manifest(**artifacts: Artifact) -> Manifest:
    return Manifest(
        name="iris", version="1.0.0", number=1, registered_at="2026-03-03T14:00:00.000000Z",
        registered_by="ana", artifacts=artifacts,
    )  # fmt: skip


def test_a_folder_lies_at_the_top_and_a_card_beside_it() -> None:
    shown = files_of(
        manifest(
            model=Artifact("model", "folder", (file("model/a"), file("model/b/c"))),
            preprocessor=Artifact("preprocessor.pkl", "pickle", (file("preprocessor.pkl"),)),
        ),
        "0" * 64,
    )

    assert list(shown) == ["a", "b/c", "preprocessor.pkl", "README.md"]
    text = shown["README.md"].text or b""
    assert hashlib.sha256(text).hexdigest() == shown["README.md"].sha256


def test_a_card_of_ones_own_is_shown() -> None:
    shown = files_of(
        manifest(model=Artifact("model", "folder", (file("model/Readme.md"),))), "0" * 64
    )

    assert list(shown) == ["Readme.md"]
