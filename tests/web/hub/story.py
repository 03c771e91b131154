"""What a user of the Hub's client does, run by the interpreter that has the client to be tried.

It is a program of its own: each generation of the client is installed apart, and the address of
the Hub is read when the client is imported. What it saw is printed as JSON.
"""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import huggingface_hub as hub

REPO = "team/tiny"


def digits(count: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(count)


def tried(task: Any, *arguments: Any, **named: Any) -> list[str] | None:
    try:
        task(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - what the client makes of it is the subject
        return [type(error).__name__, str(error)]
    return None


def main(folder: Path) -> dict[str, object]:
    api = hub.HfApi()
    seen: dict[str, object] = {"client": hub.__version__, "name": api.whoami()["name"]}
    source = folder / "source"
    (source / "deep").mkdir(parents=True)
    (source / "config.json").write_text('{"model_type": "tiny"}')
    (source / "deep" / "notes.txt").write_text("notes")
    (source / "weights.bin").write_bytes(digits(3 << 20, 1))
    (source / "empty.txt").write_bytes(b"")

    api.create_repo(REPO)
    api.create_repo(REPO, exist_ok=True)
    first = api.upload_folder(repo_id=REPO, folder_path=source)
    again = api.upload_folder(repo_id=REPO, folder_path=source)
    seen["first"], seen["unchanged"] = first.oid, again.oid
    (source / "weights.bin").write_bytes(digits(2 << 20, 1) + digits(1 << 20, 2))
    second = api.upload_file(
        repo_id=REPO, path_or_fileobj=source / "weights.bin", path_in_repo="weights.bin"
    )
    card = b"---\nlicense: mit\n---\n# Tiny\n"
    api.upload_file(repo_id=REPO, path_or_fileobj=card, path_in_repo="README.md")
    seen["second"] = second.oid

    info = api.model_info(REPO, files_metadata=True)
    seen["sha"] = info.sha
    seen["sizes"] = {file.rfilename: file.size for file in info.siblings or []}
    seen["listed"] = [model.id for model in api.list_models(search="tiny")]
    seen["files"] = api.list_repo_files(REPO, revision="1.0.0")
    seen["top"] = sorted(entry.path for entry in api.list_repo_tree(REPO))
    seen["deep"] = [entry.path for entry in api.list_repo_tree(REPO, "deep", recursive=True)]
    asked = api.get_paths_info(REPO, ["deep", "weights.bin", "absent"], expand=True)
    seen["paths"] = [entry.path for entry in asked]
    seen["commits"] = [commit.commit_id for commit in api.list_repo_commits(REPO)]

    api.create_tag(REPO, tag="2.0.0")
    seen["taken"] = tried(api.create_tag, REPO, tag="2.0.0")
    seen["released"] = tried(api.delete_tag, REPO, tag="1.0.0")
    api.create_branch(REPO, branch="production", revision="1.0.0")
    api.create_branch(REPO, branch="eu", revision="^1.1")
    refs = api.list_repo_refs(REPO)
    seen["branches"] = {ref.name: ref.target_commit for ref in refs.branches}
    seen["tags"] = [ref.name for ref in refs.tags]
    api.delete_branch(REPO, branch="eu")
    seen["elsewhere"] = tried(
        api.upload_file,
        repo_id=REPO, path_or_fileobj=b"x", path_in_repo="x", revision="production",
    )  # fmt: skip

    cache = folder / "cache"
    live = Path(hub.snapshot_download(REPO, revision="production", cache_dir=cache))
    seen["live"] = live.name
    seen["live_same"] = (live / "weights.bin").read_bytes() == digits(3 << 20, 1)
    newest = Path(hub.hf_hub_download(REPO, "weights.bin", revision="~1.1", cache_dir=cache))
    seen["newest_same"] = newest.read_bytes() == (source / "weights.bin").read_bytes()
    seen["absent"] = tried(hub.hf_hub_download, REPO, "absent.bin", cache_dir=cache)
    seen["no_revision"] = tried(api.model_info, REPO, revision="9.9.9")
    seen["no_repo"] = tried(api.model_info, "team/absent")
    api.delete_file("empty.txt", REPO)
    api.delete_folder("deep", REPO)
    seen["left"] = sorted(api.list_repo_files(REPO))
    return seen


if __name__ == "__main__":
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
