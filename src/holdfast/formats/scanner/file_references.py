"""Names of files that a file or an archive refers to."""

from pathlib import PurePosixPath, PureWindowsPath


def leads_outside(location: str) -> bool:
    """Tell whether a name in a file or archive could point out of the folder it lies in."""
    windows, posix = PureWindowsPath(location), PurePosixPath(location)
    return (
        not location
        or "\0" in location
        or "\\" in location
        or bool(windows.drive or windows.root or posix.is_absolute())
        or ".." in posix.parts
    )
