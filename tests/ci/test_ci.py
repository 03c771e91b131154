"""The workflows of this project, and what the CI of others takes from it: an action and jobs."""

import contextlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.deploy import command_lines
from tests.deploy.test_deploy import lint, tool

import holdfast

ROOT = Path(__file__).parent.parent.parent
ACTION = ROOT / "ci" / "github" / "action.yml"
STEP = ROOT / "ci" / "github" / "step.py"
JOBS = ROOT / "ci" / "gitlab" / "holdfast.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EVIL = "x'; touch evil; '$(touch evil)`touch evil`\"; touch evil #"


def document(path: Path) -> dict[Any, Any]:
    yaml = pytest.importorskip("yaml")
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return loaded


def steps(path: Path) -> list[dict[str, Any]]:
    read = document(path)
    jobs = read["jobs"].values() if "jobs" in read else [read["runs"]]
    return [step for job in jobs for step in job["steps"]]


def test_workflows_and_the_action_pass_the_auditor() -> None:
    folders = (str(ROOT / ".github"), str(ACTION.parent))
    lint(tool("zizmor"), "--offline", "--no-progress", "--persona=pedantic", *folders)


def test_workflows_pass_their_linter() -> None:
    lint(tool("actionlint"), *map(str, WORKFLOWS))


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        pytest.param("vendor.github-actions", [ACTION], marks=pytest.mark.sweep),
        pytest.param(
            "vendor.dependabot", [ROOT / ".github" / "dependabot.yml"], marks=pytest.mark.sweep
        ),
        ("vendor.gitlab-ci", [JOBS]),
    ],
)
def test_they_have_the_form_that_their_system_takes(schema: str, paths: list[Path]) -> None:
    options = ("--data-transform", "gitlab-ci") if schema == "vendor.gitlab-ci" else ()
    lint(tool("check-jsonschema"), "--builtin-schema", schema, *options, *map(str, paths))


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_other_actions_are_pinned_and_no_script_is_made_of_inputs(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    scripts = [step["run"] for step in steps(path) if "run" in step]

    assert scripts
    assert [line for line in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", line)] == []
    assert [script for script in scripts if "${{" in script] == []


def test_the_matrix_has_every_system_and_every_python_that_the_package_names() -> None:
    matrix = document(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["matrix"]["strategy"]
    project = (ROOT / "pyproject.toml").read_text()
    named = set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project))

    assert set(matrix["matrix"]["python"]) == named
    assert {name.partition("-")[0] for name in matrix["matrix"]["system"]} == {
        "ubuntu",
        "windows",
        "macos",
    }


def test_every_input_of_the_action_reaches_its_step() -> None:
    inputs = {name for name in document(ACTION)["inputs"] if name != "install"}
    (step,) = (step for step in steps(ACTION) if step.get("id") == "step")
    read = set(re.findall(r'(?:given|lines)\([\'"]([A-Z_]+)[\'"]\)', STEP.read_text()))

    assert step["env"] == {
        f"IN_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in inputs
    }
    assert {f"IN_{name}" for name in read} == set(step["env"])


@pytest.mark.parametrize("job", ["register", "compare", "promote"])
def test_the_commands_of_jobs_are_taken(job: str) -> None:
    calls = list(command_lines.in_text(script(job)))

    assert [words[0] for words in calls] == [job]
    assert command_lines.problem(calls[0]) is None


def script(job: str) -> str:
    return "\n".join(document(JOBS)[f".holdfast-{job}"]["script"])


@dataclass
class Forge:
    """What GitHub and GitLab keep: comments, by whom, and with which token they were asked."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)


@pytest.fixture
def forge() -> Iterator[Forge]:
    kept = Forge()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            token = self.headers["Authorization"] or self.headers["PRIVATE-TOKEN"]
            kept.asked.append((self.command, self.path, token))
            said: Any = kept.comments if self.path.endswith("&page=1") else []
            if self.command == "POST":
                kept.comments.append({"id": 7, "user": {"type": "Bot"}} | body)
            if self.command == "PATCH":
                kept.comments[0] |= body
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        do_GET = do_POST = do_PATCH = answer  # noqa: N815  # names of the library

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        kept.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a store: churn 1.0.0 is live, 1.1.0 is better and bears odd text."""
    registry = holdfast.open(tmp_path / "store", by="ana")
    for number, recall in enumerate((0.90, 0.92)):
        file = tmp_path / "model.txt"
        file.write_text(str(number))
        registry.register(
            "churn", file, metrics={"recall": recall}, hyperparameters={"c": "```" * number}
        )
    registry.promote("churn@1.0.0", reason="first")
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 5}}))
    (tmp_path / "metrics.json").write_text('{"recall": 0.93}')
    return tmp_path


def live(place: Path) -> str:
    version = holdfast.open(place / "store").status("churn").live
    assert version is not None
    return str(version.version)


def environment(place: Path, **named: str) -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("GITHUB_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return own | {"PATH": path, "HOLDFAST_BY": "ci", "HOLDFAST_STORE": str(place / "store")} | named


def act(place: Path, forge: Forge, **inputs: str) -> "subprocess.CompletedProcess[str]":
    """Run the action's step as a workflow does."""
    return subprocess.run(
        [sys.executable, str(STEP)],
        cwd=place,
        env=environment(
            place,
            GITHUB_API_URL=forge.url,
            GITHUB_REPOSITORY="team/models",
            GITHUB_RUN_ID="77",
            GITHUB_JOB="train",
            GITHUB_EVENT_PATH=str(place / "event.json"),
            GITHUB_OUTPUT=str(place / "output"),
            GITHUB_STEP_SUMMARY=str(place / "summary"),
            IN_GITHUB_TOKEN="a-token",
            **{f"IN_{name.upper()}": text for name, text in inputs.items()},
        ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_registers_once_and_promotes(place: Path, forge: Forge) -> None:
    (place / "model.txt").write_text("3")
    inputs = {"model": "churn", "files": "model.txt\n", "metrics": "metrics.json", "reason": EVIL}
    first = act(place, forge, command="register", **inputs)
    again = act(place, forge, command="register", **inputs)
    moved = act(place, forge, command="promote", version="churn@1.2.0", reason="ci", expect="1.0.0")

    assert [done.returncode for done in (first, again, moved)] == [0, 0, 0], moved.stderr
    assert (place / "output").read_text().splitlines() == ["ref=churn@1.2.0"] * 3
    registry = holdfast.open(place / "store")
    assert live(place) == "1.2.0"
    assert EVIL in {entry.reason for entry in registry.history("churn")}
    assert not (place / "evil").exists()


def test_the_action_comments_once_on_the_pull_request(place: Path, forge: Forge) -> None:
    done = act(place, forge, command="compare", version="churn@1.1.0", comment="true")
    failed = act(
        place,
        forge,
        command="compare",
        version="churn@1.1.0",
        comment="true",
        fail_if="recall > 5%\nrecall > 0.91\n",
    )

    assert (done.returncode, failed.returncode) == (0, 1)
    assert [asked[:2] for asked in forge.asked if asked[0] != "GET"] == [
        ("POST", "/repos/team/models/issues/5/comments"),
        ("PATCH", "/repos/team/models/issues/comments/7"),
    ]
    assert {token for _, _, token in forge.asked} == {"Bearer a-token"}
    (comment,) = (comment["body"] for comment in forge.comments)
    assert comment.startswith("### Holdfast: `churn@1.1.0` did not pass\n\n````text\n")
    assert "recall of 1.1.0 is 0.92: recall > 0.91" in comment
    assert comment.count("\n````\n") == 1  # what a version says of itself ends no block
    assert "passed" in (place / "summary").read_text()


def test_the_action_comments_on_nothing_but_pull_requests(place: Path, forge: Forge) -> None:
    (place / "event.json").write_text("{}")
    done = act(place, forge, command="compare", version="churn@1.1.0", comment="true")

    assert done.returncode == 0
    assert forge.asked == []


@pytest.mark.parametrize(
    ("inputs", "status", "message"),
    [
        ({"command": "delete"}, 2, "command must be one of register, compare, promote"),
        ({"command": "promote", "version": "--force"}, 2, "--force"),
        ({"command": "promote", "version": "churn@9.9.9"}, 3, "not found"),
        ({"command": "compare", "version": EVIL, "comment": "false"}, 3, ""),
    ],
)
def test_what_the_action_cannot_do_fails(
    inputs: dict[str, str], status: int, message: str, place: Path, forge: Forge
) -> None:
    done = act(place, forge, **inputs)

    assert done.returncode in (status, 2)
    assert message in done.stderr
    assert not (place / "evil").exists()
    assert live(place) == "1.0.0"


def run_job(place: Path, job: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a job's script as a runner does."""
    named = {"CI_PROJECT_ID": "3", "CI_PIPELINE_ID": "9", "REASON": "nightly"} | variables
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script(job)],
        cwd=place,
        env=environment(place, **named),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_jobs_register_and_promote(place: Path) -> None:
    (place / "model.txt").write_text("3")
    variables = {"MODEL": "churn", "FILES": "model.txt", "METRICS": "metrics.json"}
    done = run_job(place, "register", **variables, REASON=EVIL)
    assert done.returncode == 0, done.stderr
    assert (place / "holdfast.env").read_text() == "HOLDFAST_REF=churn@1.2.0\n"
    moved = run_job(place, "promote", VERSION="churn@1.2.0", EXPECT="1.0.0")

    assert moved.returncode == 0, moved.stderr
    assert live(place) == "1.2.0"
    assert not (place / "evil").exists()


def test_a_job_notes_on_the_merge_request(place: Path, forge: Forge) -> None:
    done = run_job(
        place,
        "compare",
        AGAINST="churn@production",
        VERSION="churn@1.1.0",
        FAIL_IF="recall > 0.91",
        CI_API_V4_URL=forge.url,
        CI_MERGE_REQUEST_IID="4",
        GITLAB_NOTE_TOKEN="a-token",
    )

    assert done.returncode == 1, done.stderr
    assert forge.asked == [("POST", "/projects/3/merge_requests/4/notes", "a-token")]
    (note,) = (comment["body"] for comment in forge.comments)
    assert "recall of 1.1.0 is 0.92" in note
    assert note.startswith("````text\n")
    with contextlib.suppress(FileNotFoundError):
        assert "a-token" not in (place / "compared.txt").read_text()
