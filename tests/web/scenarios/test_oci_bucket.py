"""The distribution API over a bucket: the same bytes, pushed, pulled, and as an image."""

from pathlib import Path

from tests.servers.running import Endpoint
from tests.web.facing import TOKEN, Served, listening
from tests.web.oci.docker_api import Pusher, digest

import holdfast
from holdfast.web import web_server
from holdfast.web.guard import LocalGuard
from holdfast.web.web_settings import WebSettings


def test_a_bucket_is_pushed_to_and_pulled_from(moto: Endpoint, tmp_path: Path) -> None:
    address = f"s3://{moto.make_bucket()}/x"
    registry = holdfast.open(address, by="ana", options=moto.options, cache=tmp_path / "cache")
    registry.init()
    app = web_server.application(WebSettings(lambda: registry), LocalGuard("ana", TOKEN))
    with listening(app) as port:
        pusher = Pusher(Served(port, app=app), "team/iris")
        files = {"config.json": b"{}", "weights.bin": b"w" * 3_000_000}
        assert pusher.push("1.0.0", files).status == 201
        raw = pusher.manifest(files)
        assert pusher.put("production", raw).status == 201

        assert pusher.ask("GET", "/manifests/production").body == raw
        whole = pusher.ask("GET", f"/blobs/{digest(files['weights.bin'])}")
        part = pusher.ask("GET", f"/blobs/{digest(files['weights.bin'])}", range="bytes=0-1")
        assert (whole.body, part.body) == (files["weights.bin"], b"ww")
        index = pusher.ask("GET", "/manifests/Image-1.0.0").json
        manifest = pusher.ask("GET", f"/manifests/{index['manifests'][0]['digest']}").json
        for layer in manifest["layers"]:
            assert digest(pusher.ask("GET", f"/blobs/{layer['digest']}").body) == layer["digest"]
    assert registry.verify().damages == ()
