"""Files pass through a bounded memory, however large they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.running import Endpoint

STATUS = Path("/proc/self/status")

LARGE = 256 << 20
BOUND_KB = 150 << 10
PROGRAM = """
import json, re, sys
from pathlib import Path
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.locating import locate

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

url, options, source, cache = sys.argv[1:]
store = locate(url, json.loads(options), cache=Cache(Path(cache)))
blob = store.ingest(Path(source), "blobs", None)
sent = peak_kb()
path = store.fetch(f"blobs/{blob.sha256}", blob.sha256, blob.size_bytes)
print(json.dumps([blob.size_bytes, path.stat().st_size, sent, peak_kb()]))
"""


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell how much was used")
def test_memory_stays_bounded(azurite: Endpoint, source: Path, tmp_path: Path) -> None:
    with source.open("wb") as file:
        file.truncate(LARGE)
    url = f"{azurite.scheme}://{azurite.make_bucket()}/a"
    arguments = (url, json.dumps(dict(azurite.options)), str(source), str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], check=True, capture_output=True, text=True
    )
    *sizes, sent, fetched = json.loads(done.stdout)

    assert sizes == [LARGE, LARGE]
    assert max(sent, fetched) < BOUND_KB
