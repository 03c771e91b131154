"""The registry against its rules in plain Python, under any order of verbs, restarts and losses."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from tests.conftest import Extent
from tests.registry import disk, rules
from tests.registry.conftest import Clock
from tests.registry.rules import Forbidden

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.core import entry as entries
from holdfast.core.state import empty, fold
from holdfast.store.local import LocalStore

CONTENTS = st.sampled_from(["one", "two", "three"])
ALIASES = st.sampled_from(["eu", "us"])
PLACES = st.integers(0, 30)


class Machine(RuleBasedStateMachine):
    """One model in one store, a second store that follows it, and the rules beside both."""

    pristine: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        """Take an empty store."""
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-machine-"))
        self.store = disk.copy(self.pristine, self.folder / "store")
        self.second = disk.copy(self.pristine, self.folder / "second")
        self.clock = Clock()
        self.law = rules.Model()
        self.registry = self.opened()
        self.exports = 0
        self.entries = 0

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def opened(self) -> Registry:
        """Open the store as a new process would."""
        return holdfast.open(self.store, by="ann", clock=self.clock)

    def version(self, index: int) -> str:
        """Return one of the versions there ever were."""
        known = list(self.law.versions)
        return known[index % len(known)]

    def agree(self, reference: Callable[[], Any], real: Callable[[], Any]) -> None:
        """Do a deed on both sides: both must allow it with the same result, or neither."""
        allowed, expected, before = True, None, disk.journals(self.store)
        try:
            expected = reference()
        except Forbidden:
            allowed = False
        if not allowed:
            with pytest.raises(HoldfastError):
                real()
            assert disk.journals(self.store) == before
            return
        actual = real()
        assert expected is None or actual == expected

    @rule(content=CONTENTS, part=st.sampled_from(["major", "minor", "patch"]))
    def register(self, content: str, part: rules.Part) -> None:
        """Register under the next version."""
        path = self.folder / "model.txt"
        path.write_text(content)
        version = self.law.next_version(part)
        self.law.register(version, content)
        made = self.registry.register("iris", path, bump=part)
        assert (made.version.version, made.created) == (version, True)

    @rule(content=CONTENTS, version=st.sampled_from(["0.1.0", "1.0.0", "1.0.1", "2.0.0"]))
    def register_exactly(self, content: str, version: str) -> None:
        """Register under an exact version, taken or not."""
        path = self.folder / "model.txt"
        path.write_text(content)
        self.agree(
            lambda: self.law.register(version, content),
            lambda: self.registry.register("iris", path, version=version).created,
        )

    def move(self, verb: str, index: int) -> None:
        """Let a verb of one version change something."""
        version = self.version(index)
        self.agree(
            lambda: getattr(self.law, verb)(version),
            lambda: getattr(self.registry, verb)(f"iris@{version}").changed,
        )

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def promote(self, index: int) -> None:
        """Promote any version."""
        self.move("promote", index)

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def stage(self, index: int) -> None:
        """Stage any version."""
        self.move("stage", index)

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def archive(self, index: int) -> None:
        """Archive any version."""
        self.move("archive", index)

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES, alias=ALIASES)
    def alias(self, index: int, alias: str) -> None:
        """Let an alias name any version."""
        version = self.version(index)
        self.agree(
            lambda: self.law.alias(alias, version),
            lambda: self.registry.alias(f"iris@{version}", alias).changed,
        )

    @precondition(lambda self: self.law.exists)
    @rule(alias=ALIASES)
    def remove_alias(self, alias: str) -> None:
        """Remove an alias, set or not."""
        self.agree(
            lambda: self.law.remove_alias(alias),
            lambda: self.registry.remove_alias("iris", alias),
        )

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def hold(self, index: int) -> None:
        """Hold any version."""
        version = self.version(index)
        self.agree(
            lambda: self.law.hold(version),
            lambda: self.registry.hold(f"iris@{version}", reason="audit").changed,
        )

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def release(self, index: int) -> None:
        """Release any version."""
        self.move("release", index)

    @precondition(lambda self: self.law.exists)
    @rule()
    def rollback(self) -> None:
        """Roll back to the version before."""
        self.agree(lambda: self.law.rollback(None), lambda: self.registry.rollback("iris").version)

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def rollback_to(self, index: int) -> None:
        """Roll back to any version."""
        version = self.version(index)
        self.agree(
            lambda: self.law.rollback(version),
            lambda: self.registry.rollback("iris", to=f"iris@{version}").version,
        )

    @precondition(lambda self: self.law.exists)
    @rule(keep=st.integers(0, 3), spared=st.booleans())
    def purge(self, keep: int, *, spared: bool) -> None:
        """Purge what is archived beyond the newest."""
        target: Any = "spared" if spared else "purged"
        planned = self.registry.purge_plan("iris", keep=keep, rollback_target=target).purged
        gone = self.law.purge(keep, target_too=spared)
        done = self.registry.purge("iris", keep=keep, rollback_target=target, grace_s=0)
        assert list(planned) == list(done.purged) == gone

    @precondition(lambda self: self.law.exists)
    @rule(index=PLACES)
    def purge_chosen(self, index: int) -> None:
        """Purge one version, if nothing spares it."""
        version = self.version(index)
        self.agree(
            lambda: self.law.purge_chosen(version),
            lambda: list(self.registry.purge("iris", versions=[version], grace_s=0).purged),
        )

    @precondition(lambda self: self.law.exists)
    @rule()
    def delete(self) -> None:
        """Delete the model; the next registration goes on in its journal."""
        self.agree(
            self.law.delete,
            lambda: self.registry.delete("iris", reason="over", force=True),
        )

    @rule()
    def gc(self) -> None:
        """Collect without grace."""
        self.registry.gc(grace_s=0)
        assert disk.leftovers(self.store) == []

    @rule()
    def reopen(self) -> None:
        """Go on as a new process would."""
        self.registry = self.opened()

    @precondition(lambda self: self.entries)
    @rule()
    def lose_derived_files(self) -> None:
        """Delete whatever is derived from the journal, and go on as a new process would."""
        folder = self.store / "models" / "iris"
        shutil.rmtree(folder / "versions")
        (folder / "active_version.json").unlink()
        self.registry = self.opened()
        self.registry.models()

    @precondition(lambda self: self.law.exists)
    @rule()
    def follow(self) -> None:
        """Let the second store take over what happened since it last did."""
        self.exports += 1
        bundle = self.folder / f"{self.exports}.tar"
        self.registry.export("iris", bundle)
        other = holdfast.open(self.second, by="zoe", clock=self.clock)
        other.import_(bundle)
        assert disk.journals(self.second) == disk.journals(self.store)
        assert other.versions("iris") == self.registry.versions("iris")
        assert other.history("iris") == self.registry.history("iris")
        assert other.verify().whole

    @invariant()
    def keep_the_rules(self) -> None:
        """Hold what the registry tells against the rules."""
        if not self.law.exists:
            assert self.registry.models() == []
            return
        infos = {info.version: info for info in self.registry.versions("iris")}
        assert {version: info.status for version, info in infos.items()} == {
            version: record.status for version, record in self.law.versions.items()
        }
        assert {version: info.number for version, info in infos.items()} == {
            version: record.number for version, record in self.law.versions.items()
        }
        assert {a: v for v, info in infos.items() for a in info.aliases} == self.law.aliases
        live = [version for version, info in infos.items() if info.status == "production"]
        assert live == ([self.law.live] if self.law.live else [])
        served = [period.version for period in self.registry.served("iris")]
        assert served == [version for version in self.law.ever_live if version]

    @invariant()
    def keep_the_journal(self) -> None:
        """Fold the journal from its first entry: it only grows, and is what the process holds."""
        raws = list(disk.journals(self.store).values())
        assert len(raws) >= self.entries
        self.entries = len(raws)
        if not raws:
            return
        state = empty("iris")
        for seq, raw in enumerate(raws, start=1):
            read = entries.read(raw, "iris", seq, state.head)
            state = fold(state, [(read, entries.digest(raw))])
        assert self.registry._session.ledger("iris").state() == state
        assert state.previous == self.law.previous
        pointer = json.loads((self.store / "models/iris/active_version.json").read_bytes())
        assert (pointer["current"], pointer["previous"]) == (self.law.live, self.law.previous)
        assert (pointer["seq"], pointer["head"]) == (state.seq, state.head)

    @invariant()
    def keep_the_bytes(self) -> None:
        """Load every version that has its bytes, and hash all there are."""
        assert not hasattr(self, "store") or self.registry.verify().whole
        if self.law.exists:
            for version in self.law.present:
                model = self.registry.load(f"iris@{version}").model
                assert model.read_text() == self.law.versions[version].content


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have folds kept at every eighth entry, so that short runs have some."""
    monkeypatch.setattr(LocalStore, "traits", replace(LocalStore.traits, fold_every=8))
    holdfast.open(tmp_path / "pristine").init()
    monkeypatch.setattr(Machine, "pristine", tmp_path / "pristine", raising=False)


@pytest.mark.usefixtures("often")
def test_the_registry_keeps_its_rules(extent: Extent) -> None:
    run_state_machine_as_test(Machine, settings=_runs(60 if extent == "whole" else 10, 40))


@pytest.mark.long
@pytest.mark.usefixtures("often")
def test_the_registry_keeps_its_rules_for_long() -> None:
    run_state_machine_as_test(Machine, settings=_runs(400, 60))


def _runs(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
