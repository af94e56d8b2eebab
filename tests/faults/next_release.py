"""The release after this one, made of this tree: each table has one more column, in which every row that this release
writes says so, and the busiest tables one more index."""

import shutil
from pathlib import Path

from shared.schemas import SCHEMAS, newest
from tests.faults.inside import rows
from tests.system import ROOT

BUSIEST = {
    "log": "records",
    "access": "idempotency",
    "ingest": "events",
    "handoff": "activities",
    "metrics": "events",
}
"""Schema -> table. The column is `made_by`: 'next' in rows of the next release, null in ours."""

_CONNECTION = '"application_name": f"tasuki-{name}",'
_REVISION = '''"""Only adds."""

from shared.migrate import make_index, run_sql

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    {work}
'''
_COLUMN = """run_sql('''
        alter table {table} add column made_by text;
        alter table {table} alter column made_by set default nullif(current_setting('tasuki.release', true), '');
    ''')"""


def make_next_release(folder: Path, url: str) -> Path:
    """Make it in a folder, which services can then be started from. url: a database that ours has migrated."""
    for part in ("config", "services", "shared"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    connecting = folder / "shared/db.py"
    code = connecting.read_text()
    assert code.count(_CONNECTION) == 1
    connecting.write_text(code.replace(_CONNECTION, f'{_CONNECTION} "tasuki.release": "next",'))
    for schema, busiest in BUSIEST.items():
        columns = [_COLUMN.format(table=f"{schema}.{table}") for table in _tables(url, schema)]
        index = f'make_index("{schema}", "{busiest}_made_by", "{busiest} (made_by)")'
        ours = int(newest(schema))
        for revision, work in enumerate((*columns, index), ours + 1):
            path = folder / SCHEMAS[schema].relative_to(ROOT) / f"{revision:04}_next.py"
            path.write_text(_REVISION.format(revision=f"{revision:04}", before=f"{revision - 1:04}", work=work))
    return folder


def _tables(url: str, schema: str) -> list[str]:
    """Those of a schema that are not about its migration."""
    found = rows(url, "select tablename from pg_tables where schemaname = $1 order by tablename", schema)
    return [row[0] for row in found if row[0] not in ("alembic_version", "runs_with")]
