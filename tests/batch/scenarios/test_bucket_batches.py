"""Batches whose rows or scores are in buckets: the same scores, all or nothing."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.batch.conftest import Score, customers, written
from tests.servers.running import Endpoint

from holdfast.batch import bucket_output
from holdfast.batch.row_lookup import read_back
from holdfast.errors import InvalidInputError, StoreError
from holdfast.predictions import Log, open_log
from holdfast.store.objects import bucket_files, ranged_object
from holdfast.store.objects.locating import locate
from holdfast.store.objects.object_store import ObjectStore

Address = Callable[[str], str]
_SECRETS = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
    "bearer_token": "",
}


@pytest.fixture
def address(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Address:
    """Return a function that makes a key the address of an object in an empty bucket."""
    return addresses(server, monkeypatch)


def addresses(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Address:
    plain = {name: value for name, value in server.options.items() if name not in _SECRETS}
    for name in _SECRETS.keys() & server.options.keys():
        if _SECRETS[name]:
            monkeypatch.setenv(_SECRETS[name], server.options[name])
        else:  # the stand-in's, which nobody else has
            located = partial(locate, options={name: server.options[name]})
            monkeypatch.setattr(bucket_files, "locate", located)
    bucket, options = server.make_bucket(), urlencode(plain)
    return lambda key: f"{server.scheme}://{bucket}/{key}?{options}"


def put(address: str, content: bytes) -> None:
    file = bucket_files.at(address)
    file.folder.replace(file.key, content)


def content_of(address: str) -> bytes | None:
    file = bucket_files.at(address)
    return file.folder.read(file.key)


def keys(address: Address) -> list[str]:
    return [file.key for file in bucket_files.below(address(""))]


def parquet_of(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, row_group_size=400)
    return buffer.getvalue()


def test_rows_and_scores_in_buckets_are_those_of_files(
    score: Score, log: Log, address: Address, tmp_path: Path
) -> None:
    frame = customers(1000)
    content = parquet_of(frame)
    (tmp_path / "june.parquet").write_bytes(content)
    put(address("feeds/june.parquet"), content)
    score("fraud@1.0.0", "june.parquet", id_column="id")
    output = address("scores/june.parquet")
    progress: list[tuple[int, int]] = []
    done = score(
        "fraud@1.0.0",
        address("feeds/june.parquet"),
        output=output,
        id_column="id",
        progress=lambda done, total: progress.append((done, total)),
    )
    sent = content_of(output)
    assert sent is not None
    table, local = parquet.read_table(io.BytesIO(sent)).to_pydict(), written(tmp_path)

    assert table["prediction"] == local["prediction"]
    assert table["id"] == list(frame.id)
    assert log.batches.find(done.record.batch_id) == done.record
    assert (done.record.output, done.output_bytes) == (output, len(sent))
    assert done.record.input_digest == hashlib.sha256(content).hexdigest()
    assert done.record.output_digest == hashlib.sha256(sent).hexdigest()
    assert keys(address) == ["feeds/june.parquet", "scores/june.parquet"]
    assert progress[-1] == (len(content), len(content))
    row = read_back(done.record, 999)
    assert isinstance(row, dict)
    assert row["id"] == frame.id[999]
    with pytest.raises(InvalidInputError, match="exists; name another, or give --overwrite"):
        score("fraud@1.0.0", "june.parquet", output=output)
    again = score("fraud@1.0.0", "june.parquet", output=output, replacing="replace")
    assert content_of(output) != sent
    assert read_back(done.record, 0) == "the output has other bytes than were written"
    assert again.record.output_digest == hashlib.sha256(content_of(output) or b"").hexdigest()
    assert len(keys(address)) == 2
    bucket_files.at(output).remove()
    assert read_back(again.record, 0) == "the output is not there any more"


@pytest.fixture
def bucket(moto: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Address:
    return addresses(moto, monkeypatch)


def test_prefixes_patterns_and_other_forms_are_read(
    score: Score, bucket: Address, tmp_path: Path
) -> None:
    frame = customers(60)
    for place, name in enumerate(("b/2.parquet", "a.parquet", "b/c/1.parquet")):
        put(bucket(f"june/{name}"), parquet_of(frame[place * 20 :][:20]))
    put(bucket("june/_temporary/9.parquet"), b"none")
    put(bucket("june/_SUCCESS"), b"")
    put(bucket("rows.csv"), frame.to_csv(index=False).encode())
    put(bucket("rows.csv.gz"), gzip.compress(frame.to_csv(index=False).encode()))
    put(bucket("rows.jsonl"), frame.to_json(orient="records", lines=True).encode())

    def ids(source: str) -> list[str]:
        score("fraud@1.0.0", bucket(source), id_column="id", replacing="replace")
        return list(written(tmp_path)["id"])

    first, second, third = (list(frame.id[start : start + 20]) for start in (20, 0, 40))
    assert ids("june/") == ids("june") == [*first, *second, *third]
    assert ids("june/b/*.parquet") == second
    assert ids("june/[!b]*.parquet") == first
    assert ids("june/**/[12].parquet") == [*second, *third]
    assert ids("rows.csv") == ids("rows.csv.gz") == ids("rows.jsonl") == list(frame.id)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.parquet", "does not exist, and no Parquet file is below it"),
        ("none/*.parquet", "names no file"),
        ("a.txt", "has an unknown ending"),
    ],
)
def test_a_source_that_is_none_is_told(
    score: Score, bucket: Address, source: str, message: str
) -> None:
    put(bucket("a.txt"), b"1")

    with pytest.raises(InvalidInputError, match=message):
        score("fraud@1.0.0", bucket(source), output=bucket("o.parquet"))
    assert keys(bucket) == ["a.txt"]


def test_outputs_that_cannot_be_are_refused(score: Score, bucket: Address, tmp_path: Path) -> None:
    customers(3).to_csv(tmp_path / "a.csv")
    put(bucket("a.csv"), b"age\n")
    for output, message in (
        (bucket("o.txt"), "has an unknown ending"),
        (bucket(""), "names no object"),
        ("ftp://host/o.csv", "is an address, and only files are written"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            score("fraud@1.0.0", "a.csv", output=output)
    with pytest.raises(InvalidInputError, match="is one of the input's files"):
        score("fraud@1.0.0", bucket("a.csv"), output=bucket("a.csv"), replacing="replace")


def test_an_object_that_is_replaced_while_it_is_read_fails_and_leaves_nothing(
    score: Score, bucket: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged_object, "_BUFFER", 1 << 12)
    source, output = bucket("a.parquet"), bucket("o.csv")
    put(source, parquet_of(customers(4000)))

    with pytest.raises(StoreError, match="changed while it was read"):
        score(
            "fraud@1.0.0",
            source,
            output=output,
            chunk_rows=400,
            progress=lambda _done, _total: put(source, parquet_of(customers(4000, seed=2))),
        )
    assert keys(bucket) == ["a.parquet"]


def test_a_log_that_refuses_takes_the_object_back(
    score: Score, bucket: Address, tmp_path: Path
) -> None:
    customers(3).to_parquet(tmp_path / "a.parquet")
    (log_root := tmp_path / "predictions").mkdir(exist_ok=True)
    (log_root / "2026-03-03").write_text("in the way")
    put(bucket("old.parquet"), b"old")
    for name in ("new", "old"):
        with pytest.raises(StoreError):
            score("fraud@1.0.0", "a.parquet", output=bucket(f"{name}.parquet"), replacing="replace")

    assert keys(bucket) == ["old.parquet"]
    assert content_of(bucket("old.parquet")) == b"old"


def test_a_name_that_is_taken_meanwhile_is_left_alone(
    score: Score, bucket: Address, tmp_path: Path
) -> None:
    customers(3).to_parquet(tmp_path / "a.parquet")
    output = bucket("o.parquet")

    with pytest.raises(InvalidInputError, match="exists"):
        score(
            "fraud@1.0.0",
            "a.parquet",
            output=output,
            progress=lambda _done, _total: put(output, b"a rival's"),
        )
    assert content_of(output) == b"a rival's"


def test_what_a_rival_wrote_over_it_is_not_taken_back(bucket: Address) -> None:
    address = bucket("o.parquet")
    with bucket_output.opened(address, "refuse") as output:
        output.write(pa.table({"score": [0.5]}))
        output.finish({})
        output.publish()
        put(address, b"a rival's")
        output.withdraw()

        assert content_of(address) == b"a rival's"


def test_large_scores_are_sent_in_parts(bucket: Address, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(17 << 19))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = bucket_files.at(bucket("large"))
    file.create(path, digest)

    assert file.size_bytes == 17 << 19
    with pytest.raises(Exception, match="large"):
        file.create(path, digest)
    file.replace(path, digest)
    with file.opened() as held:
        held.seek(5 << 20)
        assert held.read() == path.read_bytes()[5 << 20 :]
        assert held.read() == b""


def test_an_object_that_is_gone_is_told(bucket: Address) -> None:
    with pytest.raises(InvalidInputError, match=r"none' does not exist; check the key"):
        bucket_files.at(bucket("none")).opened()


PROGRAM = """
import os, signal, sys
from datetime import UTC, datetime

import holdfast
from holdfast.batch import batch_run
from holdfast.predictions import open_log
from holdfast.predictions.ids import Mint
from holdfast.store.objects import sending

store, source, output, log = sys.argv[1:]
pieces = sending._pieces

def interrupted(*arguments):
    for number, piece in enumerate(pieces(*arguments)):
        yield piece
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)

sending.SMALL, sending._pieces = 0, interrupted  # in parts, and killed among them
sending._PIECE = 1 << 14
request = batch_run.BatchRequest("fraud@1.0.0", source, output, "id", sandbox="off")
batch_run.score(
    holdfast.open(store), request, open_log(log), Mint("a")(), lambda: datetime.now(UTC)
)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_run_that_is_killed_while_it_sends_leaves_no_object_and_no_record(
    store: Path, bucket: Address, tmp_path: Path
) -> None:
    put(bucket("a.csv"), customers(20_000).to_csv(index=False).encode())
    command = [sys.executable, "-c", PROGRAM, str(store), bucket("a.csv"), bucket("o.csv")]
    done = subprocess.run(
        [*command, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )

    assert done.returncode == -9, done.stderr
    assert keys(bucket) == ["a.csv"]
    assert open_log(tmp_path / "log").days() == []


def test_what_a_bucket_refuses_is_told(bucket: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bucket_files.at(bucket("a"))
    other = file.beside(".replaced")

    assert (other.key, str(other)) == ("a.replaced", bucket("a"))
    assert not file.copy_to(other)
    monkeypatch.setattr(ObjectStore, "size", lambda *_: None)
    assert file.size_bytes is None
