"""The files of versions, as MLflow's clients list and get them; every byte is what was registered.

A client of MLflow checks no digest and runs what it gets, so what its version says of it is held
against what a scan finds, as before every other load.
"""

import posixpath
from typing import Any, Final
from urllib.parse import quote

from holdfast.core.manifest import File
from holdfast.core.state import Record, State
from holdfast.gateways.mlflow import entities, pair_folder, rest_paths
from holdfast.gateways.mlflow.mlflow_checks import required
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem, missing
from holdfast.http.problems import Problem
from holdfast.registry import verdicts
from holdfast.web.below import session_of
from holdfast.web.checked_blobs import CheckedBlobs
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.mlflow_rest import mlflow_fields
from holdfast.web.mlflow_rest.mlflow_uploads import MlflowUploads
from holdfast.web.mlflow_rest.served_view import ServedView

ROLE: Final = "model"
"""The artifact of a version that MLflow loads, if MLflow logged it."""
_MLMODEL: Final = "MLmodel"
Content = File | bytes
"""A stored file, or what Holdfast writes beside those of a version that MLflow did not log."""


class MlflowFiles:
    """Answers for the files of one server's versions.

    Attributes:
        uploads: Files that are to become versions.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._blobs = CheckedBlobs(desk)
        self.uploads = MlflowUploads(desk)

    async def answer(self, request: Request, path: str) -> Answer | Stream:
        """List a folder of a version, send a file of it, or take one in that is to be registered.

        Args:
            path: What stands behind `artifacts`, empty where the query has the path.
        """
        if request.method == "PUT" and path.startswith(rest_paths.UPLOADS):
            request.rights.require("upload", None)
            return await self.uploads.put(request, path.removeprefix(rest_paths.UPLOADS))
        if request.method not in ("GET", "HEAD"):
            problem = "a version never changes; register another one"
            raise Problem(405, "method_not_allowed", problem, {"Allow": "GET, HEAD"})
        if not path:
            wanted = mlflow_fields.of_query(request.query).maybe("path") or ""
            return await self._desk.work.do(lambda: self._listed(request, wanted.strip("/")))
        model, content = await self._desk.work.do(lambda: self._file(request, path))
        return await self._sent(request, model, content)

    async def of_version(self, request: Request, view: ServedView) -> Answer | Stream:
        """Send a file of a version that is named as MLflow's own pages name it."""
        fields = mlflow_fields.of_query(request.query)
        file = fields.text("path").strip("/")

        def find() -> tuple[str, Content]:
            state, record = view.find(fields.name, fields.version)
            request.values = {"model": state.model}
            request.rights.require("load", state.model)
            return state.model, self._content(state, record, file)

        model, content = await self._desk.work.do(find)
        made = await self._sent(request, model, content)
        made.headers["Content-Disposition"] = _attachment(posixpath.basename(file))
        return made

    def _listed(self, request: Request, path: str) -> Answer:
        state, record, folder = self._version(request, path)
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        files = self._files(state, record)
        for file, content in files.items():
            if file.startswith(prefix):
                name, is_folder, _ = file.removeprefix(prefix).partition("/")
                entry: dict[str, Any] = {"path": name, "is_dir": bool(is_folder)}
                size = len(content) if isinstance(content, bytes) else content.size_bytes
                entries[name] = entry if is_folder else entry | {"file_size": size}
        if not entries and folder not in files:
            raise _no_file(path)
        return answered({"files": [entries[name] for name in sorted(entries)]})

    async def _sent(self, request: Request, model: str, content: Content) -> Answer | Stream:
        if isinstance(content, bytes):
            sent = b"" if request.method == "HEAD" else content
            return Answer(content=sent, media="application/octet-stream")
        session = session_of(self._desk.registry)
        return await self._blobs.send(session, request, model, content.sha256)

    def _file(self, request: Request, path: str) -> tuple[str, Content]:
        state, record, file = self._version(request, path)
        return state.model, self._content(state, record, file)

    def _content(self, state: State, record: Record, file: str) -> Content:
        found = self._files(state, record).get(file)
        if found is None:
            raise _no_file(file)
        session = session_of(self._desk.registry)
        verdicts.of_version(session, state, record, session.manifest(record))
        return found

    def _version(self, request: Request, path: str) -> tuple[State, Record, str]:
        """Return the version that a path leads to, and the file behind it.

        Raises:
            MlflowProblem: If there is none that whoever asks may read.
        """
        named = rest_paths.parse_files(path)
        if named is None:
            raise _no_file(path)
        model, version, file = named
        request.values = {"model": model}
        may_read = request.rights.allows("read", model)
        state = self._desk.registry.catalogue.state(model) if may_read else None
        record = state.versions.get(version) if state is not None else None
        if state is None or record is None or not entities.is_seen(state, record):
            raise _no_file(path)
        request.rights.require("load", model)
        return state, record, file

    def _files(self, state: State, record: Record) -> dict[str, Content]:
        """Return what each file is that MLflow loads, by its path there."""
        if record.reference is not None:
            raise missing(f"{state.model}@{record.version} is a reference: its files are not here")
        manifest = session_of(self._desk.registry).manifest(record)
        model = manifest.artifacts.get(ROLE)
        root = f"{model.path}/" if model is not None else ""
        files = {file.path.removeprefix(root): file for file in model.files} if model else {}
        if _MLMODEL in files:
            return dict(files)
        texts = pair_folder.texts(manifest, manifest.lineage.run_id)
        return texts | {f"{pair_folder.FOLDER}/{file.path}": file for file in manifest.files}


def _no_file(path: str) -> MlflowProblem:
    return missing(f"No such artifact: {path[:200]!r}") if path else required("path")


def _attachment(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
