"""The shipped configuration, changed."""

from pathlib import Path

from tests.handoff.desk import ROOT


def config_with(tmp_path: Path, **replaced: str) -> Path:
    """The shipped configuration with words of its policy replaced."""
    folder = tmp_path / "config"
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "config").rglob("*.yaml"):
        (folder / file.relative_to(ROOT / "config")).write_text(file.read_text())
    policy = folder / "policies" / "default.yaml"
    text = policy.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    policy.write_text(text)
    return folder
