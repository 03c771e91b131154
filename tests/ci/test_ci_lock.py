"""What `uv.lock` names can be installed wherever the workflows test: nothing is built there."""

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = {
    "linux": ("Linux", "x86_64", "manylinux"),
    "win32": ("Windows", "AMD64", "win_amd64"),
    "darwin": ("Darwin", "arm64", "macosx"),
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
GROUPS = ("dev", "deploy-lint")
BUILT = {("darwin", "3.11"): ["gevent"]}
"""What is built from source after all: it takes a C compiler, which is there."""


def environment(system: str, python: str) -> dict[str, str]:
    name, machine, _ = SYSTEMS[system]
    return {
        "implementation_name": "cpython",
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": name,
        "python_full_version": f"{python}.9",
        "python_version": python,
        "sys_platform": system,
    }


def holds(marker: str | None, of: dict[str, str]) -> bool:
    markers = pytest.importorskip("packaging.markers")
    return marker is None or bool(markers.Marker(marker).evaluate(of))


def packages(of: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Go through what is installed in an environment."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in lock["package"]:
        by_name.setdefault(package["name"], []).append(package)
    (own,) = by_name["holdfast"]
    wanted = [*own["dependencies"], *(d for name in GROUPS for d in own["dev-dependencies"][name])]
    seen = set()
    while wanted:
        dependency = wanted.pop()
        if not holds(dependency.get("marker"), of):
            continue
        for package in by_name[dependency["name"]]:
            key = (package["name"], package["version"])
            forks = package.get("resolution-markers", [])
            asked = dependency.get("version", package["version"]) == package["version"]
            if key in seen or not asked or (forks and not any(holds(fork, of) for fork in forks)):
                continue
            seen.add(key)
            yield package
            extras = package.get("optional-dependencies", {})
            wanted += package.get("dependencies", [])
            wanted += [d for extra in dependency.get("extra", []) for d in extras.get(extra, [])]


def fits(wheel: str, system: str, python: str) -> bool:
    tags = pytest.importorskip("packaging.utils").parse_wheel_filename(wheel)[3]
    minor = int(python.partition(".")[2])
    for tag in tags:
        here = tag.platform == "any" or SYSTEMS[system][2] in tag.platform
        here &= system != "darwin" or tag.platform == "any" or "x86" not in tag.platform
        here &= "aarch64" not in tag.platform
        exact = tag.interpreter in (f"cp3{minor}", "py3", f"py3{minor}")
        stable = tag.abi in ("abi3", "none") and tag.interpreter.startswith("cp3")
        if here and (exact or (stable and int(tag.interpreter[3:]) <= minor)):
            return True
    return False


@pytest.mark.parametrize(("system", "python"), [*itertools.product(SYSTEMS, PYTHONS)])
def test_everything_has_a_wheel_for_it(system: str, python: str) -> None:
    found = list(packages(environment(system, python)))
    without = [
        package["name"]
        for package in found
        if not any(
            fits(wheel["url"].rpartition("/")[2], system, python)
            for wheel in package.get("wheels", [])
        )
    ]

    assert len(found) > 100
    assert without == BUILT.get((system, python), [])
