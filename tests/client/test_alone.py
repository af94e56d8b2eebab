"""tasuki-client: the wheel holds the client, needs httpx and msgspec alone, and does what its README says."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from shared import settings
from shared.client import operation
from tests.system import System

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "deploy/client"
ALONE = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(f"the client alone has no {{name}}")
sys.meta_path.insert(0, Refused())
sys.path.insert(0, {wheel!r})
key = {key!r}
"""
REFUSED = (
    "shared",
    "services",
    "pydantic",
    "pydantic_settings",
    "sqlalchemy",
    "structlog",
    "prometheus_client",
    "starlette",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    done = subprocess.run([*command, str(folder), str(PROJECT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("tasuki_client-*.whl")
    return made


def test_the_wheel_holds_the_client_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    client = ROOT / "shared/client"
    sources = (path.relative_to(client) for path in client.rglob("*") if path.is_file())
    assert held == {f"tasuki_client/{path}" for path in sources if "__pycache__" not in path.parts}
    assert "tasuki_client/py.typed" in held


def test_it_has_the_version_of_tasuki_and_asks_for_no_more_than_it_uses() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == ours["version"] == version("tasuki")
    assert set(project["dependencies"]) <= set(ours["dependencies"])


def test_it_knows_the_services_that_there_are() -> None:
    assert operation.SERVICES == settings.SERVICES


def test_its_readme_works_with_the_wheel_alone(wheel: Path, system: System) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    for port, service in ((8001, "ingest"), (8002, "handoff"), (8003, "metrics"), (8004, "outreach")):
        code = code.replace(f"localhost:{port}", f"127.0.0.1:{system.port[service]}")  # type: ignore[index]
    alone = ALONE.format(refused=REFUSED, wheel=str(wheel), key=system.key)
    ran = subprocess.run([sys.executable, "-I", "-c", alone + code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    made, found = ran.stdout.splitlines()
    assert made.endswith(" 350")
    assert found == f"{made.split()[0]} Awareness"
