"""The shipped configuration, changed."""

from pathlib import Path

from tests.handoff.desk import ROOT


def config_with(tmp_path: Path, **replaced: str) -> Path:
    """The shipped configuration with words of its policy replaced."""
    folder = tmp_path / "config"
    for file in (ROOT / "config").rglob("*.yaml"):
        copy = folder / file.relative_to(ROOT / "config")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    policy = folder / "policies" / "default.yaml"
    text = policy.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    policy.write_text(text)
    return folder
