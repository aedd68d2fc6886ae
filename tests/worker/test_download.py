"""Fetching a hub model from a hub of our own on this machine: progress, the cache, refusals in words."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = b'{"model_type": "roberta"}'
WEIGHTS = bytes(3_000_000)
SCRIPT = """
import json, sys
from nli_console.errors import ConsoleError
from nli_console.worker.download import model_folder
from nli_console.worker.stop import StopFlag
calls = []
try:
    folder = model_folder(sys.argv[1], lambda done, total: calls.append((done, total)), StopFlag())
    print(json.dumps({"files": sorted(p.name for p in folder.iterdir()), "calls": calls}))
except ConsoleError as error:
    print(json.dumps({"error": str(error)}))
"""


class Hub(BaseHTTPRequestHandler):
    """Just enough of the hub's protocol for a snapshot."""

    models = {
        "team/good": {
            "config.json": CONFIG,
            "tokenizer.json": b"{}",
            "model.safetensors": WEIGHTS,
            "pytorch_model.bin": b"pickle",
            "onnx/model.safetensors": b"elsewhere",
        },
        "team/pickled": {"config.json": CONFIG, "pytorch_model.bin": b"pickle"},
    }
    requests: list[str] = []

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0].strip("/")
        Hub.requests.append(path)
        if "team/gated" in path and "/api/" not in f"/{path}":
            self._send(403, b"gated", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, with_body)
            return
        parts = path.split("/")
        if parts[:2] == ["api", "models"]:
            self._api("/".join(parts[2:4]), parts[4:], with_body)
            return
        files = self.models.get("/".join(parts[:2]), {})
        content = files.get("/".join(parts[4:]))
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        etag = hashlib.sha1(content).hexdigest()
        self._send(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}, with_body)

    def _api(self, model: str, rest: list[str], with_body: bool) -> None:
        if model == "team/gated":
            self._send(403, b"gated", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}, with_body)
            return
        files = self.models.get(model)
        if files is None:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
            return
        if rest[:1] == ["tree"]:
            listing = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
            self._send(200, json.dumps(listing).encode(), {}, with_body)
            return
        info = {
            "id": model,
            "modelId": model,
            "sha": COMMIT,
            "siblings": [{"rfilename": name} for name in files],
        }
        self._send(200, json.dumps(info).encode(), {}, with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Callable[..., dict[str, object]]]:
    """Ask for a model in a process of its own, whose hub is the one of this test."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Hub.requests.clear()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(model: str, **environment: str) -> dict[str, object]:
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, model],
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    yield ask
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_only_what_is_needed_is_fetched_and_once(fetch: Callable[..., dict[str, object]]) -> None:
    first = fetch("team/good")
    assert first["files"] == ["config.json", "model.safetensors", "tokenizer.json"]
    calls = first["calls"]
    assert isinstance(calls, list)
    assert calls
    assert all(total is None or 0 <= done <= total for done, total in calls)
    assert not any("onnx" in request or request.endswith(".bin") for request in Hub.requests)
    Hub.requests.clear()
    assert fetch("team/good")["files"] == first["files"]
    assert Hub.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("team/unknown", "has no such model"),
        ("team/gated", "accept its licence"),
        ("team/pickled", "model.safetensors is missing"),
        ("not a model!", "neither a folder nor a hub id"),
        ("./nowhere", "there is no such folder"),
    ],
)
def test_refusals_in_words(fetch: Callable[..., dict[str, object]], model: str, words: str) -> None:
    error = fetch(model)["error"]
    assert isinstance(error, str)
    assert error.startswith(f'model "{model}": ')
    assert words in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}],
    ids=["offline", "no network"],
)
def test_without_a_network_the_next_step_is_named(
    fetch: Callable[..., dict[str, object]], environment: dict[str, str]
) -> None:
    error = fetch("team/good", **environment)["error"]
    assert isinstance(error, str)
    assert "the hub cannot be reached" in error
