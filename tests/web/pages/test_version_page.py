"""One version's page: what was told of it, what was measured, and whether it may go live."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.web.pages.conftest import Look, Person

from holdfast.core.manifest import digest_of
from holdfast.registry.attachments import Attachment, attach
from holdfast.registry.catalogue_verbs import Labels
from holdfast.registry.session import CommitOptions
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunRequest


def test_told_metrics_are_told_apart_from_measured_ones(
    look: Look, person: Person, tmp_path: Path
) -> None:
    _, before = look("/models/risk/fraud@1.4.0")
    rows = "".join(f"{index % 2},{index % 2}\n" for index in range(40))
    (tmp_path / "june.csv").write_text(f"x,y\n{rows}")
    person.registry.evaluate(
        "risk/fraud@1.4.0", data=tmp_path / "june.csv", label="y", alone=True, sandbox="off"
    )
    _, after = look("/models/risk/fraud@1.4.0")

    assert before.count('class="origin">told') == 2
    assert "nothing here measured them" in before
    assert after.count('class="origin">told') == 1  # recall was measured, latency_ms was not
    assert 'class="origin">measured (june)' in after
    assert "nothing here checked it" in after


def test_what_a_retraining_measured_was_not_told(
    look: Look, person: Person, tmp_path: Path
) -> None:
    (tmp_path / "jobs.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "def train(context):\n"
        "    model = LogisticRegression().fit([[0], [1]], [0, 1])\n"
        "    return {'model': model, 'input_example': [[0.5]], 'metrics': {'cost': 3.0}}\n"
    )
    for name, shift in (("rows", 0), ("evaluation", 1)):
        lines = "".join(f"{(index + shift) % 7},{index % 2}\n" for index in range(40))
        (tmp_path / f"{name}.csv").write_text(f"x,label\n{lines}")
    data = {name: tmp_path / f"{name}.csv" for name in ("rows", "evaluation")}
    request = RunRequest(
        model="risk/weekly", slot="2026-11-19T00:00:00Z", folder=tmp_path, entry="jobs:train",
        environment=dict(os.environ), data=data, sandbox="off",
    )  # fmt: skip
    done = retraining_run.run(person.registry, request)
    assert done.record.outcome == "registered", done.log
    _, page = look("/models/risk/weekly@1.0.0")

    assert page.count('class="origin">measured (retraining)') == 3
    assert page.count('class="origin">told') == 1  # cost
    assert "nothing here measured them" not in page


def test_slices_of_the_last_evaluation_are_shown(
    look: Look, person: Person, tmp_path: Path
) -> None:
    assert "Slices by" not in look("/models/risk/fraud@1.4.0")[1]
    rows = "".join(f"{index % 2},{index % 2},{'north' if index < 35 else 'sea'}\n"
                   for index in range(40))  # fmt: skip
    (tmp_path / "july.csv").write_text(f"x,y,region\n{rows}")
    person.registry.evaluate(
        "risk/fraud@1.4.0", data=tmp_path / "july.csv", label="y", slice="region", alone=True,
        sandbox="off",
    )  # fmt: skip
    _, page = look("/models/risk/fraud@1.4.0")

    section = page[page.index('aria-label="Slices"') :].partition("</section>")[0]
    assert "Slices by region" in section
    assert "measured on july" in section
    assert section.index("north") < section.index("sea")
    assert "not measured" in section[section.index("sea") :]  # five rows are too few


def test_what_others_pushed_about_a_version_is_listed(look: Look, person: Person) -> None:
    assert 'aria-label="Attached"' not in look("/models/risk/fraud@1.4.0")[1]
    sbom = Attachment(b"{}", "application/spdx+json;<x>", ())
    attach(person.registry._session, "risk/fraud@1.4.0", sbom, CommitOptions())

    section = look("/models/risk/fraud@1.4.0")[1].partition('aria-label="Attached"')[2]

    assert "application/spdx+json;&lt;x&gt;" in section
    assert digest_of(b"{}")[:12] in section
    assert "nothing here checked what it says" in section


def test_a_reference_is_shown_as_one_and_offers_no_promotion(look: Look, person: Person) -> None:
    labels = Labels(lambda _state: None)
    version = person.registry.catalogue.refer("afar", "s3://bucket/<afar>", labels, {})

    _, page = look(f"/models/afar@{version}")

    assert "A reference: its bytes are said to be at" in page
    assert "s3://bucket/&lt;afar&gt;" in page
    assert "never taken in" in page
    assert "Promote…" not in page


@pytest.mark.parametrize(
    ("link", "shown"),
    [("https://mlflow.example/#/runs/1", 1), ("javascript:alert(1)", 0), ("ftp://x", 0)],
)
def test_the_run_of_a_version_is_linked_if_it_is_a_web_address(
    look: Look, person: Person, link: str, shown: int
) -> None:
    labels = Labels(lambda _state: None, texts={"run_link": link})
    facts: Any = {"lineage": {"run_id": "4f2a"}}
    version = person.registry.catalogue.refer("afar", "s3://bucket/afar", labels, facts)

    _, page = look(f"/models/afar@{version}")

    assert "4f2a" in page
    assert page.count(f'<a href="{link}" rel="noreferrer noopener">4f2a</a>') == shown
    assert page.count(link) == shown
    assert person.registry.resolve(f"afar@{version}").run_link == (link if shown else None)


def test_data_is_shown_by_name_and_digests(look: Look, person: Person, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "m.txt").write_text("m")
    person.registry.data.add("sales", str(tmp_path / "rows.csv"))
    version = person.registry.register("told", tmp_path / "m.txt", data={"train": "sales@v1"})

    _, page = look(f"/models/told@{version.version.version}")

    assert "data train" in page
    assert "sales@v1, bytes sha256:" in page
    assert "DataUse(" not in page


def test_what_turns_text_around_is_shown_as_a_mark_in_a_card_too(
    look: Look, person: Person, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text("m")
    turned = "**safe** \N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
    person.registry.register("told", tmp_path / "m.txt", description=turned, author=turned)

    _, page = look("/models/told@1.0.0")

    assert "<strong>safe</strong> \N{REPLACEMENT CHARACTER}gpj.exe" in page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page


def test_a_card_that_says_nothing_teaches_how_to_fill_it(look: Look, person: Person) -> None:
    labels = Labels(lambda _state: None)
    version = person.registry.catalogue.refer("afar", "s3://bucket/afar", labels, {})

    _, page = look(f"/models/afar@{version}")

    assert "holdfast register afar model.joblib --description" in page
    assert "holdfast show afar@1.0.0" in page
    assert "holdfast load" not in page
    assert 'aria-label="Files"' not in page
