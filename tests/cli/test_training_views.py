"""Curves and figures of versions, as commands show them."""

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.conftest import Holdfast
from tests.core.test_figure_content import png

from holdfast.core import curves
from holdfast.core.curves import Curve, Curves
from holdfast.registry.training_verbs import CURVES_FILE

TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture
def trained(holdfast: Holdfast, model: Callable[[str], str], tmp_path: Path) -> Holdfast:
    """Have two versions that keep curves and figures, and one that keeps none."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "roc.png").write_bytes(png())
    for version, last in (("1.0.0", 0.5), ("1.1.0", 0.25)):
        kept = {"train/loss": Curve((1.0, 2.0), (1.0, last), 2_000)}
        if version == "1.1.0":
            kept["auc"] = Curve((1.0,), (None,), 1)
        (tmp_path / CURVES_FILE).write_bytes(curves.packed(Curves(curves=kept)))
        words = ("register", "churn", model(version), "--version", version)
        roles = ("--artifact", f"curves={CURVES_FILE}", "--artifact", "figures=figures")
        done = holdfast(*words, *roles)
        assert done.status == 0, done.err
    assert holdfast("register", "churn", model("three"), "--version", "1.2.0").status == 0
    return holdfast


def test_show_names_curves_and_figures(trained: Holdfast) -> None:
    lines = [line.split() for line in trained("show", "churn@1.1.0").out.splitlines()]
    data = trained("show", "churn@1.1.0", "--json").data
    bare = trained("show", "churn@1.2.0", "--json").data

    assert ["train/loss", "0.25", "last", "of", "2,000"] in lines
    assert ["auc", "–", "last", "of", "1"] in lines
    assert ["roc", "png"] in lines
    assert data["curves"]["train/loss"] == {"last": 0.25, "points": 2_000}
    assert data["figures"] == {"roc": "png"}
    assert (bare["curves"], bare["figures"]) == ({}, {})


def test_curves_that_cannot_be_read_hide_nothing_else(trained: Holdfast, tmp_path: Path) -> None:
    for path in (tmp_path / "store" / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes() == (tmp_path / CURVES_FILE).read_bytes():
            os.chmod(path, 0o600)
            path.write_bytes(b"changed")
    shown = trained("show", "churn@1.1.0")

    assert shown.status == 0
    assert "curves of churn@1.1.0" in shown.err
    assert "churn" in shown.out
    assert trained("compare", "churn@1.0.0", "churn@1.1.0").status == 0


def test_compare_sets_last_values_beside_each_other(trained: Holdfast) -> None:
    done = trained("compare", "churn@1.0.0", "churn@1.1.0")
    (row,) = trained("compare", "churn@1.0.0", "churn@1.1.0", "--json").data["curves"]

    assert "train/loss 0.5 → 0.25  ▲ better" in done.out
    assert (row["name"], row["a"], row["b"], row["verdict"]) == ("train/loss", 0.5, 0.25, "better")
    assert "curves" not in trained("compare", "churn@1.1.0", "churn@1.2.0").out.split("files")[0]


def test_a_curve_of_both_is_drawn(trained: Holdfast, tmp_path: Path) -> None:
    words = ("compare", "churn@1.0.0", "churn@1.1.0", "--plot", "loss.svg", "--curve")
    assert trained(*words, "train/loss").status == 0
    drawn = [text.text for text in ET.fromstring((tmp_path / "loss.svg").read_text()).iter(TEXT)]
    assert trained("compare", "churn@1.2.0", "churn@1.1.0", *words[3:], "train/loss").status == 0
    missing = trained(*words, "tran/loss")
    alone = trained("compare", "churn@1.0.0", "churn@1.1.0", "--curve", "train/loss")

    assert {"churn: train/loss", "1.0.0  0.5", "1.1.0  0.25"} <= set(drawn)
    assert (missing.status, alone.status) == (3, 2)
    assert "nearest: train/loss" in missing.err
    assert "give --plot FILE as well" in alone.err
