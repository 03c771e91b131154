"""Coverage-guided fuzzing by atheris: `guided.py TARGET SECONDS [FOLDER]`.

FOLDER keeps what was found worth keeping; a finding is written there as `crash-...`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["holdfast", "tarfile", "zipfile"]):
    from tests.attacks.fuzz import targets


def main() -> None:
    """Run one target until time is up or something is found."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    folder_path = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp(prefix="holdfast-corpus-")
    folder = Path(folder_path)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds()[name]):
        (folder / f"seed-{number}").write_bytes(seed)
    longest = 1 << 16 if name == "bundle" else 1 << 13
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={longest}",
        f"-artifact_prefix={folder}/",
        "-timeout=25",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], targets.TARGETS[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
