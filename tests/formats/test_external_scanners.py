import importlib.util
import pickle
from pathlib import Path

import pytest
from msgspec import UNSET
from tests.registry import hostile

import holdfast
from holdfast.core.manifest import Evidence
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.formats import external_scanners


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


needs_picklescan = pytest.mark.skipif(
    not _installed("picklescan"), reason="picklescan is not installed"
)
SCANNERS = [
    pytest.param("picklescan", marks=needs_picklescan),
    pytest.param(
        "modelaudit",
        marks=[
            pytest.mark.skipif(not _installed("modelaudit"), reason="modelaudit is not installed"),
            pytest.mark.long,
        ],
    ),
]


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_scanner_tells_of_a_program_and_runs_none(scanner: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile.payload(tmp_path / "ran"))

    (report,) = external_scanners.gather(path, [scanner])

    assert report.tool == scanner
    assert report.version
    assert any("os.mkdir" in finding or "posix.mkdir" in finding for finding in report.findings)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("scanner", SCANNERS)
def test_what_a_scanner_cannot_read_is_told(scanner: str, tmp_path: Path) -> None:
    (report,) = external_scanners.gather(tmp_path / "missing.pkl", [scanner])

    assert report.problem is not None


@needs_picklescan
def test_evidence_is_kept_with_the_version_and_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "harmless.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "evil.pkl").write_bytes(hostile.payload(tmp_path / "ran"))
    registry = holdfast.open(tmp_path / "store", by="ann")

    registry.register("iris", tmp_path / "harmless.pkl", scanners=["picklescan"])
    registry.register("iris", tmp_path / "evil.pkl", scanners=["picklescan"], trust="to show it")

    harmless, evil = (registry.manifest(f"iris@v{number}").scan["model"] for number in (1, 2))
    assert harmless.evidence
    assert evil.evidence
    assert [report.findings for report in harmless.evidence] == [()]
    assert evil.evidence[0].findings
    assert (harmless.unknown, evil.trusted) == ((), "to show it")


def test_nobody_is_asked_unless_named(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(tmp_path / "store", by="ann")

    registry.register("iris", tmp_path / "model.txt")

    assert registry.manifest("iris@1.0.0").scan["model"].evidence is UNSET


def test_a_scanner_that_is_unknown_or_missing_is_refused_before_anything_is_stored(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(tmp_path / "store", by="ann")

    with pytest.raises(InvalidInputError, match="clamav"):
        registry.register("iris", tmp_path / "model.txt", scanners=["clamav"])
    if not _installed("modelaudit"):
        with pytest.raises(MissingLibraryError, match="modelaudit"):
            registry.register("iris", tmp_path / "model.txt", scanners=["modelaudit"])
    assert registry.models() == []


def test_a_tool_that_is_not_there_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(Path("/bin/false")))
    if not _installed("picklescan"):
        pytest.skip("picklescan is not installed")

    (report,) = external_scanners.gather(tmp_path, ["picklescan"])

    assert report == Evidence("picklescan", report.version, problem="failed with status 1")
