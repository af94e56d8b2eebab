"""A company's own KPIs: entries of kpis.yaml, and the engine with a configuration that has them."""

import shutil
from pathlib import Path

from shared.config import Config, load_config
from tests.metrics.numbers import Numbers

CONFIG = Path(__file__).parents[2] / "config"
"""The shipped configuration."""


def entry(kpi: str, unit: str, kind: str, own: str) -> str:
    """An entry that differs from others in what it is made of alone."""
    words = "\n".join(
        f"    {part}: {{ja: 自社の指標。, en: One of our own.}}" for part in ("name", "definition", "purpose")
    )
    rest = f"    unit: {unit}\n    class: result\n    kind: {kind}\n    owner: inside_sales\n    good: up\n    {own}"
    return f"\n  - id: {kpi}\n{words}\n{rest}\n"


def folder_with(folder: Path, entries: str) -> Path:
    """The shipped configuration in a folder of that name, with entries at the end of kpis.yaml."""
    made = Path(shutil.copytree(CONFIG, folder))
    with (made / "kpis.yaml").open("a", encoding="utf-8") as file:
        file.write(entries)
    return made


def config_with(folder: Path, entries: str) -> Config:
    """That configuration."""
    return load_config(folder_with(folder, entries))


def with_config(numbers: Numbers, config: Config) -> Numbers:
    """What a service that starts on the same database with this configuration makes of it."""
    return Numbers(numbers.engine, config, numbers.settings)
