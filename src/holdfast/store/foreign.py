"""Files that systems, editors and synchronisers leave in any folder: odd, and no damage."""

import re
from typing import Final

_KINDS: Final = (
    (re.compile(r"\.DS_Store|\._.*|\.AppleDouble|\.fseventsd|\.Spotlight-V100|\.Trashes"), "macOS"),
    (re.compile(r"thumbs\.db|ehthumbs\.db|desktop\.ini", re.IGNORECASE), "Windows"),
    (re.compile(r"\.nfs[0-9a-f]+"), "NFS, for a file that was removed while it was open"),
    (re.compile(r"\.fuse_hidden[0-9a-f]+"), "FUSE, for a file that was removed while it was open"),
    (re.compile(r".*~|\.~lock\..*#|\..*\.sw[op]|#.*#"), "an editor"),
    (
        re.compile(r"\.stfolder|\.stversions|\.syncthing\..*|~syncthing~.*|\.dropbox.*"),
        "a synchroniser",
    ),
)
_CONFLICT: Final = re.compile(
    r".*(\.sync-conflict-|\bconflicted copy\b|\bconflict copy\b|_conf\(|\[conflict).*",
    re.IGNORECASE,
)


def maker_of(name: str) -> str | None:
    """Say what leaves files of that name, `None` if it is nothing that is known here."""
    if is_conflict(name):
        return "a synchroniser, for two machines wrote the file"
    return next((maker for pattern, maker in _KINDS if pattern.fullmatch(name)), None)


def is_conflict(name: str) -> bool:
    """Tell whether a synchroniser gave that name to the loser of a conflict."""
    return _CONFLICT.fullmatch(name) is not None
