"""A server with the distribution API, and a caller that speaks it plainly."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tests.web.facing import Caller, Reply

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TITLE = "org.opencontainers.image.title"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Pusher:
    """Pushes to one repository."""

    caller: Caller
    name: str

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> Reply:
        return self.caller.ask(method, f"/v2/{self.name}{path}", body, **headers)

    def blob(self, data: bytes) -> Reply:
        """Send a blob at once."""
        return self.ask("POST", f"/blobs/uploads/?digest={digest(data)}", data)

    def manifest(self, files: dict[str, bytes], **more: Any) -> bytes:
        """Write the manifest of files by title."""
        layers = [
            {
                "mediaType": "application/octet-stream",
                "digest": digest(data),
                "size": len(data),
                "annotations": {TITLE: title},
            }
            for title, data in files.items()
        ]
        config = {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": digest(b"{}"),
            "size": 2,
        }
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return json.dumps(document | more).encode()

    def put(self, tag: str, raw: bytes, media: str = MANIFEST) -> Reply:
        return self.ask("PUT", f"/manifests/{tag}", raw, content_type=media)

    def push(self, tag: str, files: dict[str, bytes], **more: Any) -> Reply:
        """Send files and what names them."""
        for data in [b"{}", *files.values()]:
            sent = self.blob(data)
            if sent.status != 201:
                return sent
        return self.put(tag, self.manifest(files, **more))


def code(reply: Reply) -> str:
    """Return the code of an error, which must have the form of one."""
    (error,) = reply.json["errors"]
    assert error["message"]
    return str(error["code"])
