"""The files of `deploy/` say what the commands take, and pass the linters of their own tools."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.deploy import command_lines

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def tool(name: str) -> str:
    """Return the path of a linter, of this environment or of the machine; without it, skip."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (make linters brings what pip has)")
    return found


def lint(*command: str, **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)

    assert done.returncode == 0, done.stdout + done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_in_its_text_are_taken(path: Path) -> None:
    calls = list(command_lines.in_text(path.read_text()))

    assert [wrong for words in calls if (wrong := command_lines.problem(words))] == []
    if path.suffix in (".service", ".conf") or path.name == "Caddyfile":
        assert calls


@pytest.mark.parametrize(
    ("path", "verbs"),
    [
        ("kubernetes/web.yaml", ["web"]),
        ("kubernetes/serve.yaml", ["serve"]),
        ("kubernetes/upkeep.yaml", ["purge", "gc", "verify"]),
        ("compose.yaml", ["web"]),
    ],
)
def test_what_containers_run_is_taken(path: str, verbs: list[str]) -> None:
    calls = [
        words for document in documents(DEPLOY / path) for words in command_lines.in_image(document)
    ]

    assert [words[0] for words in calls] == verbs
    assert [wrong for words in calls if (wrong := command_lines.problem(words))] == []


def test_what_the_image_runs_is_taken() -> None:
    words = command_lines.in_containerfile(DEPLOY / "Containerfile")

    assert command_lines.problem(words) is None


@pytest.mark.parametrize(
    "text",
    [
        "ExecStart=/opt/holdfast/bin/holdfast web --no-such-option",
        "for x in $Y; do\n  holdfast purge $x --no-such-option || failed=1\ndone",
        "#   holdfast web \\\n#     --no-such-option",
        "# `holdfast web --port ninety`",
        "#   docker compose run --rm web promotee churn",
    ],
)
def test_a_wrong_command_is_seen(text: str) -> None:
    """The tests above find what they look for."""
    (words,) = command_lines.in_text(text)

    assert command_lines.problem(words) is not None


def test_the_containerfile_passes_its_linter() -> None:
    lint(tool("hadolint"), str(DEPLOY / "Containerfile"))


def test_manifests_are_what_kubernetes_takes() -> None:
    read = [str(path) for path in MANIFESTS if path.name != "kustomization.yaml"]  # kustomize's
    lint(tool("kubernetes-validate"), "--strict", *read)


def test_the_kustomization_names_every_manifest() -> None:
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    others = {path.name for path in MANIFESTS} - {"kustomization.yaml"}

    assert set(kustomization["resources"]) == others
    assert [image["name"] for image in kustomization["images"]] == [command_lines.IMAGE]
    for generator in kustomization["configMapGenerator"]:
        assert all((DEPLOY / "kubernetes" / name).is_file() for name in generator["envs"])


def test_what_kustomize_makes_of_them_is_what_kubernetes_takes(tmp_path: Path) -> None:
    built = tmp_path / "built.yaml"
    with built.open("wb") as file:
        command = [tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes")]
        subprocess.run(command, stdout=file, check=True)
    text = built.read_text()

    assert "image: holdfast\n" not in text
    assert not re.search(r"configMapRef:\s+name: holdfast\n", text)  # it names the generated one
    lint(tool("kubernetes-validate"), "--strict", str(built))


def test_every_variable_of_the_manifests_is_set() -> None:
    settings = (DEPLOY / "kubernetes" / "config.env").read_text()
    known = set(re.findall(r"^([A-Z_]+)=", settings, re.MULTILINE))
    used = {
        name
        for path in MANIFESTS
        for pair in re.findall(r"\$\(([A-Z_]+)\)|\$([A-Z_]+)", path.read_text())
        for name in pair
        if name
    }

    assert used
    assert used <= known


def test_no_container_has_rights() -> None:
    """Not root, nothing to escalate with, and nowhere to write but where a volume is."""
    pods = [pod for path in MANIFESTS for document in documents(path) for pod in _pods(document)]

    assert len(pods) == 4
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def _pods(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return [pod for part in document for pod in _pods(part)]
    if not isinstance(document, dict):
        return []
    if "containers" in document:
        return [document]
    return [pod for part in document.values() for pod in _pods(part)]


def test_the_compose_file_is_what_compose_takes() -> None:
    path = str(DEPLOY / "compose.yaml")
    lint(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path)


def test_units_are_what_systemd_takes(tmp_path: Path) -> None:
    systemd = tool("systemd-analyze")
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/holdfast/bin/holdfast", sys.executable))
        lint(systemd, "verify", str(copy))
        # 10 is bare of protection; 2 and less systemd itself calls well protected.
        lint(systemd, "security", "--offline=yes", "--threshold=20", "--no-pager", str(copy))
