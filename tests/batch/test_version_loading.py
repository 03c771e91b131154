"""A version is verified, and tried under restraint where that is possible, before it scores."""

from pathlib import Path

import pytest

import holdfast
from holdfast.batch import version_loading
from holdfast.errors import DamagedError, UnsupportedError, UntrustedError
from holdfast.registry import Registry
from holdfast.sandbox import chosen


def test_an_alias_is_resolved_to_a_version(registry: Registry) -> None:
    version = version_loading.ready(registry, "fraud@production", "auto")

    assert version.ref == "fraud@1.0.0"
    assert version.known_names == ("age", "income", "visits")


def test_bytes_that_changed_are_not_loaded(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    registry = holdfast.open(tmp_path / "store")
    registry.register("a", LinearRegression().fit([[1.0]], [1.0]))
    for blob in (tmp_path / "store" / "blobs" / "sha256").iterdir():
        if b"sklearn" in blob.read_bytes():
            blob.chmod(0o600)
            blob.write_bytes(b"x" + blob.read_bytes()[1:])

    with pytest.raises(DamagedError):
        version_loading.ready(registry, "a@1.0.0", "off")


@pytest.mark.skipif(chosen("auto") is None, reason="this system has no restraint")
def test_a_version_that_fails_its_trial_is_not_loaded_here(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    (tmp_path / "gone.py").write_text("class Model:\n    def predict(self, rows): return rows\n")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import gone, joblib; "
        f"joblib.dump(gone.Model(), {str(path)!r})"
    )
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", script], check=True)
    registry = holdfast.open(tmp_path / "store")
    with pytest.raises(UntrustedError):
        registry.register("a", path)
    registry.register("a", path, trust="our own")

    with pytest.raises(UnsupportedError, match="failed its trial"):
        version_loading.ready(registry, "a@1.0.0", "auto")
