"""What a version was made from, as its manifest has it."""

from msgspec import UNSET, Struct, UnsetType


class DataUse(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Data that a version was made from.

    Attributes:
        digest: `sha256:` and 64 hex digits of its bytes.
        rows: Of its rows, whatever file they are in.
        ref: The version of data by name, `sales@v3`.
        path: Where it was, as the caller wrote it.
    """

    digest: str | None = None
    rows: str | None = None
    ref: str | None = None
    path: str | None = None


class Lineage(Struct, frozen=True, forbid_unknown_fields=True):
    """What a version was made from.

    What comes after *run_id* is not written where it is not known.

    Attributes:
        git_commit: 40 hex digits of the training code's commit.
        git_dirty: True if the work tree differed from that commit.
        code_version: Version of the training code, in its own words.
        data_window: Slice of time of the training data, such as `last_90_days` or `2026-Q3`.
        parents: Refs of the versions this one was made from (fine-tuned, distilled, ...).
        run_id: The experiment tracker's run.
        base: The version that an adapter (LoRA) is put on, `model@sha256:` and 64 hex digits.
        data: What it was trained on, by the name that the training knew it by.
        entry: `package.module:function` that trained it.
        folder: Where that ran, below the top of the repository; empty at the top.
        locks: Digests of files that fix an environment, such as `uv.lock`.
        remote: Address of the repository, without credentials.
        seed: That all generators were given.
        slot: The time that the training stood for.
    """

    git_commit: str | None = None
    git_dirty: bool | None = None
    code_version: str | None = None
    data_window: str | None = None
    parents: tuple[str, ...] = ()
    run_id: str | None = None
    base: str | UnsetType = UNSET
    data: dict[str, DataUse] | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    folder: str | UnsetType = UNSET
    locks: dict[str, str] | UnsetType = UNSET
    remote: str | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    slot: str | UnsetType = UNSET

    @property
    def used_data(self) -> dict[str, DataUse]:
        """The data, none where none was recorded."""
        return {} if self.data is UNSET else self.data
