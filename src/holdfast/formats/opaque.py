"""Files and folders of no format that Holdfast loads: kept as they are, handed back as paths."""

from pathlib import Path

from holdfast.errors import UnsupportedError
from holdfast.formats.contract import Description


class KeptFile:
    """Any file."""

    name = "file"

    def takes(self, model: object) -> bool:
        """Take no object."""
        del model
        return False

    def recognises(self, path: Path) -> bool:
        """Recognise every file."""
        return path.is_file()

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Refuse: there is no way to write an object as just a file.

        Raises:
            UnsupportedError: Always.
        """
        del folder, stem
        raise UnsupportedError(
            f"{type(model).__name__} object", f"is not a {self.name}", "register its path instead"
        )

    def load(self, path: Path) -> object:
        """Return the path."""
        return path

    def describe(self, source: object) -> Description:
        """Say nothing, for nothing is known."""
        del source
        return Description()


class KeptFolder(KeptFile):
    """Any folder."""

    name = "folder"

    def recognises(self, path: Path) -> bool:
        """Recognise every folder."""
        return path.is_dir()
