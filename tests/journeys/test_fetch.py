"""A lead of which a notice was acknowledged is fetched, although ingest was killed in between."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.conftest import private_folder
from tests.system import ROOT, System, until

SOURCES = """
sources:
  - id: ads
    provider: meta
    unsigned: true
    token_env: TASUKI_TOKEN_ADS
    api_url: {url}
"""
LEAD = {"created_time": "2026-11-20T03:00:00+0000", "field_data": [{"name": "email", "values": ["mei@acme.co.jp"]}]}
NOTICE = {"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {"leadgen_id": 7}}]}]}


class Graph:
    """The provider's API: it holds its first answer back until `open`."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = threading.Event()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        graph = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                graph.asked += 1
                graph.open.wait(60)
                body = json.dumps(LEAD).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # who asked was killed
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.open.set()
            server.shutdown()
            thread.join()
            server.server_close()


def configured(folder: Path, url: str) -> str:
    """The shipped configuration with these sources."""
    config = folder / "config"
    config.mkdir()
    for path in (ROOT / "config").iterdir():
        if path.name != "sources.yaml":
            (config / path.name).symlink_to(path)
    (config / "sources.yaml").write_text(SOURCES.format(url=url))
    return str(config)


def test_a_kill_between_the_acknowledgement_and_the_fetch(free_port: Callable[[], int]) -> None:
    graph = Graph()
    with private_folder() as folder, graph.serving() as url:
        environment = {"TASUKI_CONFIG_DIR": configured(folder, url), "TASUKI_TOKEN_ADS": "secret-token"}
        with System(folder / "data", free_port, environment) as system, httpx.Client() as client:
            answer = client.post(f"{system.url['ingest']}/v1/webhooks/ads", json=NOTICE)
            assert answer.status_code == 202
            until(lambda: graph.asked == 1)
            (ingest,) = system.processes("services.ingest")
            os.kill(ingest, signal.SIGKILL)
            graph.open.set()

            def leads() -> list[dict[str, object]]:
                key = {"Authorization": f"Bearer {system.key}"}
                try:
                    found = client.get(
                        f"{system.url['ingest']}/v1/leads", params={"email": "mei@acme.co.jp"}, headers=key
                    )
                except httpx.HTTPError:
                    return []
                items: list[dict[str, object]] = found.json().get("items", [])
                return items

            system.wait_for(lambda: leads() != [], within=90)
            (lead,) = leads()
            assert lead["external_ids"] == ["meta:7"]
            assert graph.asked == 2
            output = system.output()
    assert "secret-token" not in output
    assert "mei@acme.co.jp" not in output
