"""What versions keep of their training, and the word that one failed."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.test_figure_content import DRAWN, SVG, png

from holdfast import Registry
from holdfast.core import curves, training_commands, training_record
from holdfast.core.curves import Curve, Curves
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError
from holdfast.registry.training_verbs import CURVES_FILE

LOSS = Curve((1.0, 2.0), (0.5, 0.25), 2)
FAILED = training_commands.failure("ValueError", "no rows", 2.0)

Text = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    """Return artifacts as a run makes them."""
    (tmp_path / CURVES_FILE).write_bytes(curves.packed(Curves(curves={"loss": LOSS, "a": LOSS})))
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "a%2Fb.svg").write_bytes(DRAWN)
    (figures / "roc.png").write_bytes(png())
    (figures / "data.csv").write_text("a\n")
    return {"curves": tmp_path / CURVES_FILE, "figures": figures}


def test_curves_and_figures_are_read_back(
    registry: Registry, text: Text, made: dict[str, Path]
) -> None:
    facts: Any = {"metadata": {"training": {"took_s": 1.5}}}
    registry.register("iris", text("iris"), artifacts=made, **facts)
    record = registry.trainings.record("iris@latest")
    figure, raw = registry.trainings.figure("iris@latest", "a/b")

    assert (record.ref, record.facts) == ("iris@1.0.0", {"took_s": 1.5})
    assert list(record.curves.items()) == [("a", LOSS), ("loss", LOSS)]
    assert [(one.name, one.kind) for one in record.figures] == [("a/b", "svg"), ("roc", "png")]
    assert (figure.kind, raw) == ("svg", DRAWN)
    with pytest.raises(NotFoundError, match="roc"):
        registry.trainings.figure("iris@latest", "rok")


def test_a_notebook_shows_curves_and_figures_of_a_version(
    registry: Registry, text: Text, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register("iris", text("iris"), artifacts=made)
    info = registry.resolve("iris@latest")
    html = info._repr_html_()

    assert html.count("<svg") == 2
    assert f"data:image/png;base64,{base64.b64encode(png()).decode()}" in html
    assert 'alt="Figure a/b"' in html
    assert "data:image/svg+xml;base64," in html
    assert info == registry.versions("iris")[0]
    assert "<svg" not in registry.versions("iris")[0]._repr_html_()
    monkeypatch.setattr(training_record, "_MOST_SHOWN_BYTES", 10)
    assert "data:image" not in info._repr_html_()


def test_a_notebook_is_told_of_what_cannot_be_read(
    registry: Registry, text: Text, made: dict[str, Path]
) -> None:
    registry.register("iris", text("iris"), artifacts=made)
    info = registry.resolve("iris@latest")
    manifest = registry.manifest(info)
    for role, files in (("figures", made["figures"].glob("*")), ("curves", [made["curves"]])):
        for file in manifest.artifacts[role].files:
            blob = Path(registry.location) / "blobs" / "sha256" / file.sha256
            os.chmod(blob, 0o600)
            blob.write_bytes(b"damaged")
        assert files
        html = info._repr_html_()
        assert "data:image" not in html
        assert ("figure roc" in html) == (role == "figures")
    assert "its bytes changed" in info._repr_html_()


def test_a_version_without_them_keeps_nothing(registry: Registry, text: Text) -> None:
    registry.register("iris", text("iris"), metadata={"training": "by hand"})
    record = registry.trainings.record("iris@latest")

    assert (record.facts, record.curves, record.figures) == ({}, {}, ())


def test_what_else_has_their_roles_is_let_alone(
    registry: Registry, text: Text, tmp_path: Path
) -> None:
    (tmp_path / "curves.pdf").write_bytes(b"%PDF")
    (tmp_path / "figures.txt").write_text("none")
    artifacts = {"curves": tmp_path / "curves.pdf", "figures": tmp_path / "figures.txt"}
    registry.register("iris", text("iris"), artifacts=artifacts)
    record = registry.trainings.record("iris@latest")

    assert (record.curves, record.figures) == ({}, ())


def test_what_was_purged_is_gone(registry: Registry, text: Text, made: dict[str, Path]) -> None:
    registry.register("iris", text("iris"), artifacts=made)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    assert registry.trainings.record("iris@1.0.0").curves == {}
    with pytest.raises(NotFoundError, match="it was purged"):
        registry.trainings.figure("iris@1.0.0", "roc")


def test_what_is_not_what_it_should_be_is_refused(
    registry: Registry, text: Text, made: dict[str, Path]
) -> None:
    made["curves"].write_bytes(b"no curves")
    (made["figures"] / "live.svg").write_bytes(SVG % b"<script>alert(1)</script>")
    registry.register("iris", text("iris"), artifacts=made)

    with pytest.raises(DamagedError, match="are not learning curves"):
        registry.trainings.record("iris@latest")
    with pytest.raises(InvalidInputError, match="is not a PNG or a harmless SVG"):
        registry.trainings.figure("iris@latest", "live")


def test_bytes_that_changed_are_not_shown(
    registry: Registry, text: Text, made: dict[str, Path]
) -> None:
    registry.register("iris", text("iris"), artifacts=made)
    figure, _ = registry.trainings.figure("iris@latest", "roc")
    for path in Path(registry.location).rglob("*"):
        if path.is_file() and path.read_bytes() == png():
            os.chmod(path, 0o600)
            path.write_bytes(png(wide=2))

    assert figure.kind == "png"
    with pytest.raises(DamagedError, match="bytes changed"):
        registry.trainings.figure("iris@latest", "roc")


def test_a_failure_is_told_once_it_is_checked(registry: Registry) -> None:
    done = registry.trainings.fail("iris", FAILED, reason="nightly")
    with pytest.raises(InvalidInputError, match="model name"):
        registry.trainings.fail("../iris", FAILED)
    (past,) = registry.history("iris")

    assert done.changed
    assert past.what == "training failed after 2 s: ValueError: no rows"
    assert past.reason == "nightly"
    assert registry.status("iris").live is None
