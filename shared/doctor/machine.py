"""The machine, the settings, the configuration and the data folder."""

import difflib
import os
import platform
import resource
import shutil
import stat
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from shared.config import Config, ConfigError, load_config, unread
from shared.doctor.finding import Finding, judged
from shared.settings import Settings

_LEAST_FREE_BYTES = 1 << 30
_LEAST_OPEN_FILES = 1024
_PREFIX = "TASUKI_"
_OF_MAKE = ("TASUKI_REQUIRE_", "TASUKI_KEEP_")
"""How variables begin that are for `make` and the tests."""


def machine() -> Iterator[Finding]:
    """What runs here, and on what."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield judged("machine", f"tasuki {version('tasuki')}, Python {platform.python_version()}, {platform.platform()}")
    yield judged("machine", f"{os.cpu_count()} cores, {memory:.1f} GiB of memory")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judged(
        "machine",
        f"{files:,} files may be open in a process",
        watch=files < _LEAST_OPEN_FILES,
        do=f"every connection is one: raise the limit to {_LEAST_OPEN_FILES:,} or more (ulimit -n, LimitNOFILE=)",
    )


def settings_seen(settings: Settings, environment: Mapping[str, str], config: Config | None) -> Iterator[Finding]:
    """Which settings are set (names alone: values may be secret), and variables that look like some but are none."""
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    there = sorted(name for name in environment if name.startswith(_PREFIX) and not name.startswith(_OF_MAKE))
    yield judged("settings", f"set: {', '.join(name for name in there if name in known) or 'none'}")
    for name in there:
        if name not in known and name not in _named_in(config):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            meant = f"did you mean {near[0]}? " if near else ""
            yield judged(
                "settings", f"{name} is no setting", watch=True, do=f"{meant}docs/settings.md has all; it has no effect"
            )
    yield judged(
        "settings", f"business time zone {settings.timezone}, fiscal year from month {settings.fiscal_year_start}"
    )


def secrets_named(config: Config, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the variables that sources and webhooks name as holders of their secrets are there."""
    missing = sorted(name for name in _named_in(config) if not environment.get(name))
    yield judged(
        "configuration",
        f"secrets that are not in this environment: {', '.join(missing)}" if missing else "all named secrets are set",
        watch=bool(missing),
        do="whoever sends or is told by them is refused where the services lack them too",
    )


def _named_in(config: Config | None) -> set[str]:
    """Variables of the environment that the configuration names as holders of secrets."""
    if config is None:
        return set()
    named = [*config.sources.values(), *config.webhooks.values()]
    said = [msgspec.structs.asdict(one) for one in named]
    return {value for fields in said for key, value in fields.items() if key.endswith("_env") and value}


def configuration(settings: Settings) -> tuple[Config | None, Finding]:
    """The configuration where it can be read, and what is to be said of it."""
    where = settings.config_dir.resolve()
    try:
        config = load_config(settings.config_dir)
    except ConfigError as error:
        return None, judged("configuration", str(error), wrong=True, do="mend it: services refuse to start with it")
    return config, judged("configuration", f"{where} can be read")


def files_without_effect(settings: Settings) -> Iterator[Finding]:
    """What lies in the configuration's folder for nobody."""
    for file in unread(settings.config_dir):
        yield judged("configuration", str(file), watch=True, do="rename it, or take it away")


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Its place, its room, and whether its secrets are private."""
    folder = settings.data_dir.resolve()
    if not folder.is_dir():
        needed = settings.database_url is None
        yield judged(
            "data folder",
            f"{folder} is not there",
            wrong=needed,
            do="start Tasuki from the folder where you started it first, or set TASUKI_DATA_DIR",
        )
        return
    free = shutil.disk_usage(folder).free
    yield judged(
        "data folder",
        f"{folder} has {free / 2**30:.1f} GiB free",
        watch=free < _LEAST_FREE_BYTES,
        do="make room: on a full disk nothing is taken any more (what was acknowledged stays)",
    )
    for name in ("admin.key", "console.secret", "database.url"):
        yield from _privacy(folder / name)


def _privacy(path: Path) -> Iterator[Finding]:
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
        yield judged(
            "data folder",
            f"{path.name} may be read by its owner alone" if not mode & 0o077 else f"{path.name} may be read by others",
            wrong=bool(mode & 0o077),
            do=f"chmod 600 {path}, and make its secret anew if strangers use this machine",
        )
