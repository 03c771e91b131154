"""A sender killed at any moment: everything arrives, in order, repeated at most."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from tests.notices.receiver import Receiver

from holdfast import Registry

KILLS = 6
MOVES = 60


def start(store: str, config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "holdfast", "notify", "run", "--every", "0.1s"),
            *("--store", store, "--config", str(config)),
        ],
        env=os.environ | {"OPS_SECRET": "s3cret"},
        stdout=subprocess.DEVNULL,
    )


def test_a_sender_killed_again_and_again_loses_nothing(
    registry: Registry, receiver: Receiver, tmp_path: Path
) -> None:
    config = tmp_path / "notices.toml"
    config.write_text(
        f'[[targets]]\nname = "ops"\nurl = "{receiver.url}"\nsecret_env = "OPS_SECRET"\n'
        'events = ["version.*"]\n'
    )
    standing = tmp_path / "outbox" / "ops" / "standing.json"
    store = str(registry.location)
    sender = start(store, config)
    receiver.wait_for(standing.exists)
    receiver.answers = ([204] * 7 + [503]) * 3
    moved = 0
    for round_ in range(1, KILLS + 1):
        while moved < round_ * MOVES // KILLS:
            registry.promote(f"iris@1.{moved % 2}.0", idempotency_key=f"move {moved}")
            moved += 1
        seen = len(receiver.posts)
        receiver.wait_for(lambda seen=seen: len(receiver.posts) > seen)  # type: ignore[misc]
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        sender = start(store, config)
    expected = [f"iris/{seq}/version.promoted" for seq in range(3, 3 + MOVES)]
    receiver.wait_for(lambda: set(receiver.taken) >= set(expected))
    sender.terminate()
    status = sender.wait(30)

    first = list(dict.fromkeys(receiver.taken))
    repeated = [notice_id for notice_id, other in pairwise(receiver.taken) if notice_id == other]
    assert status == 0
    assert first == expected
    assert len(receiver.taken) == MOVES + len(repeated)
    assert len(repeated) <= KILLS
