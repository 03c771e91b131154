"""What batch scoring holds in memory when rows come from a bucket and scores go to one.

    python -m benchmarks.bucket_batch_cost [SERVER] [ROWS …]

SERVER is `azurite` or `moto`, on this machine and in a process of its own. Each measurement is a
process, too: a small batch from the bucket first, which loads all there is to load, then the large
one. Prints by how much memory rose above what was there between the two, of Parquet and of packed
CSV. The promises: at most 400 MB, and a peak that is flat within 20 % from a million rows to four.
"""

import gzip
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
from benchmarks import batch_cost
from pyarrow import csv, parquet
from tests.servers import amazon, azure
from tests.servers.running import Endpoint

from holdfast.datasets import data_digests
from holdfast.store.objects import bucket_files

SERVERS = {"azurite": azure.azurite, "moto": amazon.moto}
SECRETS = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
}
SMALL = 1000
FEWER = {"parquet": 1, "csv.gz": 8}  # rows by form: to write packed text takes so much longer


def packed(source: Path) -> Path:
    """Write the first rows of a Parquet file as packed CSV."""
    target = source.with_suffix(".csv.gz")
    file = parquet.ParquetFile(source)
    left = file.metadata.num_rows // FEWER["csv.gz"]
    with gzip.open(target, "wb", compresslevel=1) as text:
        for number, batch in enumerate(file.iter_batches()):
            sink = pa.BufferOutputStream()
            csv.write_csv(batch[:left], sink, csv.WriteOptions(include_header=not number))
            text.write(sink.getvalue())
            left -= min(left, batch.num_rows)
            if not left:
                break
    return target


def work(folder: Path, small: str, large: str, output: str) -> None:
    """Measure one; in a process of its own."""
    batch_cost.run(folder, small, output)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    batch_cost.run(folder, large, output)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(peak - resident)


def measured(folder: Path, secrets: Mapping[str, str], *addresses: str) -> int:
    """Return by how many bytes memory rose."""
    words = [sys.executable, "-m", "benchmarks.bucket_batch_cost", "--work", str(folder)]
    done = subprocess.run(
        [*words, *addresses], env=os.environ | secrets, check=True, stdout=subprocess.PIPE
    )
    return int(done.stdout)


def sent(folder: Path, sizes: list[int], bucket: str, options: str) -> Iterator[str]:
    """Send the files of both forms, and give back their addresses with a hole for the ending."""
    for rows in sizes:
        source = folder / f"{rows}.parquet"
        for path in (source, packed(source)):
            ending = path.name.partition(".")[2]
            file = bucket_files.at(f"{bucket}/{rows}.{ending}?{options}")
            file.replace(path, data_digests.of_file(path))
            path.unlink()
        yield f"{bucket}/{rows}.{{}}?{options}"


def main(server: Endpoint, folder: Path, sizes: list[int]) -> None:
    secrets = {SECRETS[name]: server.options[name] for name in SECRETS.keys() & server.options}
    os.environ.update(secrets)
    options = urlencode(
        {name: value for name, value in server.options.items() if name not in SECRETS}
    )
    bucket = f"{server.scheme}://{server.make_bucket()}"
    batch_cost.prepare(folder, [SMALL, *sizes])
    small, *large = sent(folder, [SMALL, *sizes], bucket, options)
    output = f"{bucket}/scores.parquet?{options}"
    for ending, fewer in FEWER.items():
        peaks = [
            measured(folder, secrets, small.format(ending), one.format(ending), output)
            for one in large
        ]
        for rows, peak in zip(sizes, peaks, strict=True):
            print(
                f"{rows // fewer:>10,} rows  {ending:<8}{peak / 1e6:6.0f} MB over start (goal 400)"
            )
        print(
            f"{'':>10} the last over the first: {peaks[-1] / peaks[0]:.2f} (goal 1.2)", flush=True
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]), *sys.argv[3:])
    else:
        chosen = sys.argv[1:2] or ["azurite"]
        with tempfile.TemporaryDirectory() as name, SERVERS[chosen[0]](Path(name, "server")) as one:
            main(one, Path(name), [int(word) for word in sys.argv[2:]] or [1_000_000, 4_000_000])
