"""Ceph's object gateway with a monitor and one disk in memory, from Debian's packages."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.servers.amazon import KEY_ID, SECRET, Amazon, endpoint
from tests.servers.running import HOST, NoServerError, free_port, running, started

_TOOLS = "ceph ceph-authtool ceph-mon ceph-osd monmaptool radosgw radosgw-admin".split()
_PATIENCE_S = 60
_CONFIG = """\
[global]
fsid = {cluster}
mon_host = [v2:{host}:{port}]
public_addr = {host}
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
mon_data = {folder}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
"""
_CALLERS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
}


@contextlib.contextmanager
def gateway() -> Iterator[Amazon]:
    """Run a cluster of one machine with its S3 gateway.

    Raises:
        NoServerError: If it is not installed, or this is not root.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        raise NoServerError("Ceph needs root and `apt-get install radosgw ceph-mon ceph-osd`")
    with contextlib.ExitStack() as stack:
        # its sockets need short paths
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ceph-", dir="/tmp")))
        config, port = folder / "ceph.conf", free_port()
        _prepare(folder, config, port)
        stack.enter_context(started(_command(config, "ceph-mon", "-i", "a", "-f"), folder / "a"))
        disk = str(uuid.uuid4())
        _run(config, "ceph", "osd", "new", disk)
        _run(config, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        stack.enter_context(started(_command(config, "ceph-osd", "-i", "0", "-f"), folder / "0"))
        user = ("--uid", "tests", "--display-name", "tests")
        keys = ("--access-key", KEY_ID, "--secret-key", SECRET)
        _run(config, "radosgw-admin", "user", "create", *user, *keys)
        web = free_port()
        front = f"beast endpoint={HOST}:{web}"
        command = _command(config, "radosgw", "-n", "client.admin", "-f", "--rgw-frontends", front)
        stack.enter_context(running(command, web, folder / "gateway"))
        yield endpoint("ceph", web)


def _prepare(folder: Path, config: Path, port: int) -> None:
    """Write what a monitor starts from: its map, its keys and an empty data folder."""
    cluster = str(uuid.uuid4())
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    config.write_text(_CONFIG.format(cluster=cluster, host=HOST, port=port, folder=folder))
    keys, chart = str(folder / "keyring"), str(folder / "monmap")
    subprocess.run(["ceph-authtool", "--create-keyring", keys], check=True, capture_output=True)
    for caller, rights in _CALLERS.items():
        pairs = zip(rights[::2], rights[1::2], strict=True)
        capability_options = [word for pair in pairs for word in ("--cap", *pair)]
        command = ["ceph-authtool", keys, "--gen-key", "-n", caller, *capability_options]
        subprocess.run(command, check=True, capture_output=True)
    address = f"[v2:{HOST}:{port}]"
    command = ["monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, chart]
    subprocess.run(command, check=True, capture_output=True)
    _run(config, "ceph-mon", "--mkfs", "-i", "a", "--monmap", chart, "--keyring", keys)


def _command(config: Path, program: str, *words: str) -> list[str]:
    return [program, "-c", str(config), *words]


def _run(config: Path, program: str, *words: str) -> None:
    command = _command(config, program, *words)
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        error_text = (error.stderr or b"").decode(errors="replace")[-300:]
        raise NoServerError(f"{program} {words[0]} failed: {error_text}") from error
