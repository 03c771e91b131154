"""What a format is: the seam between the registry and everybody's libraries."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from holdfast.core.manifest import Scan


@dataclass(frozen=True, slots=True)
class Description:
    """What can be known of a model without being told.

    Attributes:
        framework: Such as `scikit-learn`, `pytorch`, `xgboost`, `onnx`.
        algorithm: The model's class, such as `RandomForestClassifier`.
        hyperparameters: Plain JSON by name.
        packages: Distributions whose version matters to the object, sorted.
    """

    framework: str | None = None
    algorithm: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packaged:
    """A source that is ready to be stored.

    Attributes:
        path: The caller's own file or folder, or what an object was written to.
        format: Name of the format that loads it.
        description: What is known of it.
    """

    path: Path
    format: str
    description: Description


class Format(Protocol):
    """One way to keep a model; `holdfast.formats` entry points add further ones.

    A format imports its library inside the methods that need it.
    """

    name: str
    """Stands in manifests for ever."""

    def takes(self, model: object) -> bool:
        """Tell whether this is the natural home of an object in memory."""
        ...

    def recognises(self, path: Path) -> bool:
        """Tell by content, and without a library, whether a file or folder is of this format."""
        ...

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write *model* into *folder* as *stem* with the format's own extension.

        Raises:
            InvalidInputError: If the object cannot be written in this format.
            MissingLibraryError: If the format's library is not installed.
        """
        ...

    def load(self, path: Path) -> object:
        """Read the object back.

        Raises:
            UnsupportedError: If it cannot be loaded here.
            MissingLibraryError: If the format's library is not installed.
        """
        ...

    def describe(self, source: object) -> Description:
        """Describe an object, or a `Path` from its bytes alone."""
        ...


@runtime_checkable
class Faced(Protocol):
    """A format whose objects get another face when they are loaded: a `predict` for rows."""

    def face(self, model: object) -> object:
        """Return an object in memory as `load` would give it."""
        ...


@runtime_checkable
class Judging(Protocol):
    """A format whose loader runs more than the scan of single files tells."""

    def judged(self, path: Path, scan: Scan) -> Scan:
        """Return what loading *path* runs, given what the scan found in its files.

        Raises:
            InvalidInputError: If it must not be loaded, whoever trusts it.
        """
        ...
