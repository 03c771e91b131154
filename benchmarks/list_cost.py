"""What a list of all models costs: in a folder, and in a bucket that answers after 30 ms.

`python benchmarks/list_cost.py [MODELS]` registers and promotes so many models in a folder and in a
bucket in memory, whose every request then takes 30 ms more, and lists them as a machine does that
never saw either. The bucket's row tells the requests too.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from obstore.store import MemoryStore

import holdfast
from holdfast import Registry
from holdfast.registry.session import Session
from holdfast.store.bucket import BucketLocation
from holdfast.store.objects.cache import LIMIT_BYTES, Cache
from holdfast.store.objects.client import Bucket, Client
from holdfast.store.objects.object_store import ObjectStore

DELAY_S = 0.03


def filled(registry: Registry, folder: Path, models: int) -> None:
    """Register and promote a version of each model."""
    path = folder / "m.txt"
    for number in range(models):
        path.write_text(f"model {number}")
        registry.promote(registry.register(f"model-{number:04}", path))


def in_memory(memory: MemoryStore, home: Path) -> Registry:
    """Open a bucket in memory as a machine would that keeps its files in *home*."""
    home.mkdir()
    os.environ["HOME"] = str(home)
    bucket = Bucket("s3", "s3://memory/x", "", memory, memory)
    site = BucketLocation(ObjectStore(bucket, Cache(home / "cache", LIMIT_BYTES)))
    return Registry(Session(site, "ann", lambda: datetime.now(UTC), lambda: uuid4().hex))


def far() -> list[str]:
    """Delay each request from now on, and return the verbs as they are asked."""
    asked: list[str] = []
    ask = Client._ask

    def delayed(wire: Client, verb: str, key: str, request: Callable[[], object]) -> object:
        asked.append(verb)
        time.sleep(DELAY_S)
        return ask(wire, verb, key, request)

    Client._ask = delayed  # type: ignore[assignment, method-assign]
    return asked


def tagged_as_s3(memory: MemoryStore) -> None:
    """Have listings tag objects with their MD5, as S3 and GCS do."""
    tags = {
        metadata["path"]: hashlib.md5(
            bytes(memory.get(metadata["path"]).bytes()), usedforsecurity=False
        ).hexdigest()
        for page in memory.list()
        for metadata in page
    }
    below = Client.below

    def tagged(wire: Client, prefix: str, after: str = "") -> Iterator[Any]:
        for metadata in below(wire, prefix, after):
            yield {**metadata, "e_tag": tags[f"{metadata['path']}"]}

    Client.below = tagged  # type: ignore[assignment, method-assign]


def took(look: Callable[[], object]) -> str:
    """Return the time and the processor time of a look."""
    began, worked = time.perf_counter(), time.process_time()
    look()
    passed, used = time.perf_counter() - began, time.process_time() - worked
    return f"{passed:.2f} s, of which {used:.2f} s on the processor"


def main() -> None:
    """Print a row for the folder and one for the bucket."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder, memory = Path(name), MemoryStore()
        os.environ["HOME"] = str(folder / "writer")
        filled(holdfast.open(folder / "store"), folder, models)
        os.environ["HOME"] = str(folder / "reader")
        print(f"folder, {models} models: {took(holdfast.open(folder / 'store').models)}")
        filled(in_memory(memory, folder / "near"), folder, models)
        tagged_as_s3(memory)
        reader, asked = in_memory(memory, folder / "far"), far()
        print(f"bucket, {models} models: {took(reader.models)}")
        print(f"  {len(asked) / models:.2f} requests a model, each with {DELAY_S:g} s added")


if __name__ == "__main__":
    main()
