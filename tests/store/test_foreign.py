"""Names of files that systems leave in any folder."""

import pytest

from holdfast.store.foreign import is_conflict, maker_of

LEFT = {
    ".DS_Store": "macOS",
    "._0000000001.json": "macOS",
    "Thumbs.db": "Windows",
    "desktop.ini": "Windows",
    ".nfs00000000012345670000002a": "NFS, for a file that was removed while it was open",
    ".fuse_hidden0000000100000002": "FUSE, for a file that was removed while it was open",
    "0000000001.json~": "an editor",
    ".0000000001.json.swp": "an editor",
    ".syncthing.0000000001.json.tmp": "a synchroniser",
}
CONFLICTS = (
    "0000000003.sync-conflict-20260302-120000-ABCDEFG.json",
    "0000000003 (Ann's conflicted copy 2026-03-02).json",
    "0000000003 (conflicted copy).json",
    "0000000003_conf(1).json",
)


@pytest.mark.parametrize(("name", "maker"), LEFT.items())
def test_what_is_left_is_known_by_its_name(name: str, maker: str) -> None:
    assert maker_of(name) == maker
    assert not is_conflict(name)


@pytest.mark.parametrize("name", CONFLICTS)
def test_the_loser_of_a_conflict_is_known_by_its_name(name: str) -> None:
    assert is_conflict(name)
    assert maker_of(name) == "a synchroniser, for two machines wrote the file"


@pytest.mark.parametrize("name", ["0" * 64, "0000000001.json", "signed.json", "README", "nfs1"])
def test_other_names_are_nobodys(name: str) -> None:
    assert maker_of(name) is None
