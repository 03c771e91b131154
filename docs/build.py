"""Build the documentation site: `make docs`.

Pages link to files beside `docs/`, as the repository shows them: those become pages of the site.
Any warning, such as a link that leads nowhere, ends the build.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "build" / "docs"
BESIDE = {"SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}


def main() -> int:
    """Write what the site is made of to build/docs, and the site to site/."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (SOURCE / page).write_text(text.replace("](docs/", "]("), encoding="utf-8")
    for path in SOURCE.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        path.write_text(_linked(text, path), encoding="utf-8")
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run(
        [str(zensical), "build", "--clean", "--strict"], cwd=ROOT, check=False
    ).returncode


def _linked(text: str, path: Path) -> str:
    """Return a page whose links to files beside `docs/` lead to their pages."""
    for name, page in BESIDE.items():
        target = os.path.relpath(SOURCE / page, path.parent).replace(os.sep, "/")
        text = re.sub(rf"\]\((?:\.\./)+{re.escape(name)}", f"]({target}", text)
    return text


if __name__ == "__main__":
    sys.exit(main())
