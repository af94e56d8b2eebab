"""The private PostgreSQL: starts anywhere, survives everything, leaves nothing behind."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.postgres import PostgresError, PrivatePostgres
from shared.postgres.install import find_install, make_traversable
from shared.postgres.server import buffers_mb, memory_bytes
from shared.process import processes_marked
from tests.system import until

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
HOLDER = """
    import sys, time
    from pathlib import Path
    from shared.postgres import PrivatePostgres
    server = PrivatePostgres(Path(sys.argv[1]))
    print(server.start(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("memory_gib", "mb"), [(0.5, 128), (1, 128), (2, 256), (4, 512), (8, 768), (64, 768)])
def test_buffers_are_an_eighth_of_the_memory_within_bounds(memory_gib: float, mb: int) -> None:
    assert buffers_mb(int(memory_gib * 2**30)) == mb


def test_memory_is_that_of_the_machine_or_less() -> None:
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_bytes() <= of_machine


def ask(url: str, query: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(run())


def mark(data_dir: Path) -> str:
    return PrivatePostgres(data_dir)._mark


@pytest.fixture
def data_dir(empty_data_dir: Path) -> Path:
    return empty_data_dir


@pytest.fixture
def holder(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started the server of `data_dir`, as a supervisor does."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        yield process
        process.kill()
    until(lambda: processes_marked(mark(data_dir)) == [])


def test_a_restart_keeps_the_data_and_the_address(data_dir: Path) -> None:
    with PrivatePostgres(data_dir) as first:
        ask(first, "create table kept as select 7 as n")
        assert ask(first, "select current_database()") == "tasuki"
    assert processes_marked(mark(data_dir)) == []
    with PrivatePostgres(data_dir) as second:
        assert second == first
        assert ask(second, "select n from kept") == 7


def test_durable_private_and_in_unicode(data_dir: Path) -> None:
    with PrivatePostgres(data_dir) as url:
        assert ask(url, "show fsync") == "on"
        assert ask(url, "show data_checksums") == "on"
        assert ask(url, "show listen_addresses") == ""
        assert ask(url, "show server_encoding") == "UTF8"
        assert ask(url, "select lower('Ａ')") == "ａ"
        for name in ("postgres.password", "database.url", "postgres.log"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600
        assert (data_dir / "database.url").read_text().strip() == url
        password = (data_dir / "postgres.password").read_text().strip()
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(password, "wrong"), "select 1")


async def test_sqlalchemy_takes_the_address(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("select 1"))).scalar() == 1
    await engine.dispose()


def test_a_second_supervisor_is_told_to_go_elsewhere(data_dir: Path) -> None:
    with PrivatePostgres(data_dir) as url:
        with pytest.raises(PostgresError, match="TASUKI_DATA_DIR"):
            PrivatePostgres(data_dir).start()
        assert ask(url, "select 1") == 1


def test_a_killed_supervisor_leaves_no_server(data_dir: Path, holder: subprocess.Popen[str]) -> None:
    assert processes_marked(mark(data_dir)) != []
    holder.kill()
    until(lambda: processes_marked(mark(data_dir)) == [])


def test_the_next_supervisor_waits_for_a_killed_ones_server(data_dir: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    with PrivatePostgres(data_dir) as url:
        assert ask(url, "select 1") == 1


def test_a_killed_server_starts_again_with_what_was_committed(data_dir: Path) -> None:
    server = PrivatePostgres(data_dir)
    url = server.start()
    ask(url, "create table kept as select 7 as n")
    assert server._process is not None
    server._process.kill()
    until(lambda: server.ended() == -signal.SIGKILL)
    try:
        assert ask(server.start(), "select n from kept") == 7
    finally:
        server.stop()


def test_who_is_stopped_in_the_midst_of_a_recovery_does_not_wait_for_it(data_dir: Path) -> None:
    """PostgreSQL 18 never ends when it is told to shut down fast then."""
    server = PrivatePostgres(data_dir)
    url = server.start()
    ask(url, "create table kept as select 7 as n")
    (checkpointer,) = processes_marked(f"{mark(data_dir)}: checkpointer")
    os.kill(checkpointer, signal.SIGKILL)
    until(server._recovers, every=0.001)
    server.stop()
    told = (data_dir / "postgres.log").read_text()
    assert "immediate shutdown request" in told
    assert "fast shutdown request" not in told
    try:
        assert ask(server.start(), "select n from kept") == 7
    finally:
        server.stop()


def test_a_pid_file_that_names_another_process_is_stale(data_dir: Path) -> None:
    with PrivatePostgres(data_dir):
        pass
    with subprocess.Popen(["sleep", "600"]) as other:
        (data_dir / "postgres/data/postmaster.pid").write_text(f"{other.pid}\n{data_dir}/postgres/data\n0\n5432\n\n\n")
        with PrivatePostgres(data_dir) as url:
            assert ask(url, "select 1") == 1
            assert other.poll() is None
        other.kill()


def test_an_interrupted_first_start_is_begun_anew(data_dir: Path) -> None:
    (data_dir / "postgres/unfinished/base").mkdir(parents=True)
    with PrivatePostgres(data_dir) as url:
        assert ask(url, "select 1") == 1


def test_a_lost_password_is_made_anew(data_dir: Path) -> None:
    with PrivatePostgres(data_dir):
        pass
    (data_dir / "postgres.password").unlink()
    with PrivatePostgres(data_dir) as url:
        assert ask(url, "select 1") == 1


def test_a_path_too_long_for_a_socket(data_dir: Path) -> None:
    with PrivatePostgres(data_dir / ("long" * 30)) as url:
        assert ask(url, "select 1") == 1
        socket_folder = Path(unquote(url.partition("?host=")[2]))
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    assert not socket_folder.exists()


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    with PrivatePostgres(data_dir):
        pass
    (data_dir / "postgres/data/PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="incompatible"):
        PrivatePostgres(data_dir).start()
    with pytest.raises(PostgresError, match="incompatible"):  # and has let go of the folder
        PrivatePostgres(data_dir).start()


def test_reliability_16_files_that_cannot_be_written_are_no_end_of_it(data_dir: Path) -> None:
    """The disk is full at a restart: an error that the supervisor knows, and tries again after."""
    server = PrivatePostgres(data_dir)
    with server:
        pass
    (data_dir / "database.url.part").mkdir()  # in the way of the file; root would be stopped by no permission
    with pytest.raises(PostgresError, match="cannot be written"):
        server.start()
    assert server.ended() == 0
    (data_dir / "database.url.part").rmdir()
    with server as url:
        assert ask(url, "select 1") == 1


def test_without_the_wheel_the_path_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = find_install().bin
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(programs))
    assert find_install().program("initdb") == str(programs / "initdb")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PostgresError, match="TASUKI_DATABASE_URL"):
        find_install()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")
class TestAsRoot:
    """Root's server runs as somebody else, who gets to see nothing but his own folder."""

    def test_others_may_pass_but_not_look(self, data_dir: Path) -> None:
        closed = data_dir.parent / "closed"
        closed.mkdir(mode=0o700)
        with PrivatePostgres(closed / "data") as url:
            assert ask(url, "select 1") == 1
            assert (closed / "data/postgres").stat().st_uid != 0
        assert stat.S_IMODE(closed.stat().st_mode) == 0o701
        assert stat.S_IMODE((closed / "data/postgres").stat().st_mode) == 0o700

    @pytest.mark.usefixtures("_open_python")
    def test_an_ordinary_user_starts_it_himself_and_root_goes_on_as_him(self, data_dir: Path) -> None:
        data_dir.mkdir()
        os.chown(data_dir, NOBODY, NOBODY)
        make_traversable(data_dir.parent)
        once = textwrap.dedent(HOLDER).replace("time.sleep(600)", "server.stop()")
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        done = subprocess.run(
            [*user, sys.executable, "-c", once, str(data_dir)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert (data_dir / "postgres/data").stat().st_uid == NOBODY
        with PrivatePostgres(data_dir) as url:
            assert ask(url, "select 1") == 1
            assert (data_dir / "postgres/data").stat().st_uid == NOBODY


@pytest.fixture
def _open_python() -> Iterator[None]:
    """Lets others run this Python and import this project for one test, where they lie in a closed folder (/root)."""
    starts = [Path(sys.executable).resolve().parent, Path(sys.executable).absolute().parent, ROOT]
    before = {folder: stat.S_IMODE(folder.stat().st_mode) for start in starts for folder in (start, *start.parents)}
    for start in starts:
        make_traversable(start)
    yield
    for folder, mode in before.items():
        folder.chmod(mode)
