"""A version's environment written out for others to install, and held against this one."""

import platform
import re
from typing import Final, Literal

from msgspec import Struct

from holdfast.core.manifest import Environment, Manifest
from holdfast.errors import InvalidInputError
from holdfast.registry import provenance

__all__ = ["EnvironmentForm", "PackageDifference", "check", "write"]

EnvironmentForm = Literal["requirements", "uv", "conda"]

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!_-]*(?:\+[A-Za-z0-9._-]+)?")


class PackageDifference(Struct, frozen=True):
    """A distribution of another version than a version of a model was registered with.

    Attributes:
        name: Of the distribution, or `python`.
        recorded: What the manifest says.
        installed: What is here, `None` if nothing is.
    """

    name: str
    recorded: str
    installed: str | None

    def __str__(self) -> str:
        """Show both versions."""
        return f"{self.name} {self.recorded} → {self.installed or 'not installed'}"


def check(manifest: Manifest) -> tuple[PackageDifference, ...]:
    """List what differs here from a version's environment, Python by its minor version."""
    differences = provenance.differing(manifest.environment)
    return tuple(PackageDifference(name, *versions) for name, versions in differences.items())


def write(manifest: Manifest, form: EnvironmentForm) -> str:
    """Write a version's environment as `requirements.txt`, `pyproject.toml` or `environment.yml`.

    What a manifest says is not believed to be a name or a number: installers read more than that
    from a line.

    Raises:
        InvalidInputError: If it records no libraries, or a name or version in it is invalid.
    """
    ref = f"{manifest.name}@{manifest.version}"
    recorded = manifest.environment
    if not recorded.packages:
        problem = "records no libraries"
        raise InvalidInputError(ref, problem, "register it with --environment NAME=VERSION")
    _check(ref, recorded)
    python = recorded.python or platform.python_version()
    lines = [_requirement(name, number) for name, number in sorted(recorded.packages.items())]
    match form:
        case "requirements":
            noted = [f"{line}{_note(recorded, line)}" for line in lines]
            return "\n".join((f"# {ref}, registered with Python {python}", *noted, ""))
        case "uv":
            return _pyproject(ref, manifest.version, python, lines)
        case "conda":
            return _conda(ref, python, lines)
    raise InvalidInputError(f"form {form!r}", "is unknown", "use requirements, uv or conda")


def _check(ref: str, recorded: Environment) -> None:
    for name, number in recorded.packages.items():
        if _NAME.fullmatch(name) is None or _VERSION.fullmatch(number) is None:
            problem = f"lists {name!r} {number!r}, which is not a library and its version"
            raise InvalidInputError(f"environment of {ref}", problem, "install it by hand")
    if recorded.python is not None and _VERSION.fullmatch(recorded.python) is None:
        problem = f"names {recorded.python!r}, which is not a version of Python"
        raise InvalidInputError(f"environment of {ref}", problem, "install it by hand")


def _requirement(name: str, number: str) -> str:
    return f"{name}=={number.partition('+')[0]}"  # builds such as +cpu have an index of their own


def _note(recorded: Environment, line: str) -> str:
    name = line.partition("==")[0]
    build = recorded.packages[name].partition("+")[2]
    return f"  # registered with the build +{build}" if build else ""


def _pyproject(ref: str, version: str, python: str, lines: list[str]) -> str:
    minor = ".".join(python.split(".")[:2])
    name = re.sub(r"[^A-Za-z0-9]+", "-", ref.partition("@")[0]).strip("-") or "model"
    listed = "".join(f'    "{line}",\n' for line in lines)
    return (
        f"# {ref}, registered with Python {python}\n[project]\n"
        f'name = "{name}-environment"\nversion = "{version.partition("-")[0].partition("+")[0]}"\n'
        f'requires-python = "=={minor}.*"\ndependencies = [\n{listed}]\n'
    )


def _conda(ref: str, python: str, lines: list[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9.]+", "-", ref)
    listed = "".join(f"      - {line}\n" for line in lines)
    return (
        f"# {ref}\nname: {name}\nchannels:\n  - conda-forge\ndependencies:\n"
        f"  - python={python}\n  - pip\n  - pip:\n{listed}"
    )
