"""The shipped configuration, changed."""

from pathlib import Path

from tests.handoff.desk import ROOT


def config_with(tmp_path: Path, **replaced: str) -> Path:
    """The shipped configuration with words of its policy, its team or its stages replaced."""
    folder = tmp_path / "config"
    for file in (ROOT / "config").rglob("*.yaml"):
        copy = folder / file.relative_to(ROOT / "config")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    files = [folder / name for name in ("policies/default.yaml", "team.yaml", "stages.yaml")]
    for old, new in replaced.items():
        file = next(file for file in files if old in file.read_text())
        file.write_text(file.read_text().replace(old, new))
    return folder
