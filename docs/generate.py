"""Writes the generated files of this project: `python -m docs.generate`; with `--check` it only tells which are old.

To add one, add its path and the function that returns its text to GENERATED.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy.grafana.boards import BOARDS, board_as_json
from docs.api_page import api_page
from docs.asyncapi import asyncapi
from docs.cli_page import cli_page
from docs.kpis_page import kpis_page
from docs.metrics_page import metrics_page
from docs.openapi_documents import openapi_document
from docs.settings_page import settings_page
from shared.settings import SERVICES

ROOT = Path(__file__).resolve().parent.parent

GENERATED: dict[str, Callable[[], str]] = {
    "docs/asyncapi.yaml": asyncapi,
    "docs/kpis.md": kpis_page,
    **{f"docs/openapi/{service}.json": partial(openapi_document, service) for service in SERVICES},
    "docs/reference/api.md": api_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/settings.md": settings_page,
    **{f"deploy/grafana/dashboards/{name}.json": partial(board_as_json, name) for name in BOARDS},
}


def main(arguments: list[str]) -> int:
    """Exit status 1 when `--check` finds a file that is not current."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python -m docs.generate [--check]", file=sys.stderr)
        return 2
    old = [path for path, make in GENERATED.items() if not _is_current(ROOT / path, make())]
    for path in old:
        if check:
            print(f"{path} is not current: run `make generate` and commit it", file=sys.stderr)
        else:
            (ROOT / path).write_text(GENERATED[path](), encoding="utf-8")
            print(f"wrote {path}")
    return 1 if check and old else 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
