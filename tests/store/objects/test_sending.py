"""Files pass through a bounded memory, however large they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.running import Endpoint

pytest.importorskip("resource", reason="the system does not tell how much memory was used")

LARGE = 300 << 20
BOUND_MB = 150
PROGRAM = """
import json, resource, sys
from pathlib import Path
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.locating import locate

url, options, source, cache = sys.argv[1:]
store = locate(url, json.loads(options), cache=Cache(Path(cache)))
blob = store.ingest(Path(source), "blobs", None)
sent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = store.fetch(f"blobs/{blob.sha256}", blob.sha256, blob.size_bytes)
fetched = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([blob.size_bytes, path.stat().st_size, sent, fetched]))
"""


def test_memory_stays_bounded(azurite: Endpoint, source: Path, tmp_path: Path) -> None:
    with source.open("wb") as file:
        file.truncate(LARGE)
    url = f"{azurite.scheme}://{azurite.make_bucket()}/a"
    given = (url, json.dumps(dict(azurite.options)), str(source), str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *given], check=True, capture_output=True, text=True
    )
    *sizes, sent, fetched = json.loads(done.stdout)
    unit = 1 if sys.platform == "darwin" else 1024

    assert sizes == [LARGE, LARGE]
    assert max(sent, fetched) * unit < BOUND_MB << 20
