"""The command `tasuki`: a thin table; each command's work is elsewhere, imported only when it is asked for."""

import sys
from importlib.metadata import entry_points
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from shared.terminal import fail, read_settings, to_mend, with_database

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables, secrets among them
    help="Leads, handoffs and KPIs that can be trusted.",
)


@app.command()
def run(
    services: Annotated[
        list[str] | None, typer.Argument(help="Which: ingest, handoff, metrics, outreach, console; all unless named.")
    ] = None,
) -> None:
    """Run everything: the private PostgreSQL (unless TASUKI_DATABASE_URL is set) and the services."""
    from shared.settings import PROCESSES
    from shared.supervisor import StartError, Supervisor

    if unknown := [name for name in services or () if name not in PROCESSES]:
        fail(f"there is no service {unknown[0]}: it is one of {', '.join(PROCESSES)}")
    try:
        Supervisor(read_settings(), [s for s in PROCESSES if not services or s in services]).run()
    except StartError as error:
        fail(str(error))


@app.command()
def up() -> None:
    """Run everything in the background, and return when all is ready; `tasuki down` ends it."""
    import signal

    from rich.console import Console

    from shared.background import LOG, BackgroundError
    from shared.background import up as start
    from shared.settings import PROCESSES

    settings = read_settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it breaks the start off, as Ctrl-C does
    try:
        with Console(stderr=True).status("starting") as status:
            begun = start(settings, status.update)
    except BackgroundError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("broken off; what was started has been ended")
    print("everything is ready" if begun else "everything runs already, and is ready")
    for name in PROCESSES:
        print(f"  {name:<8} http://{settings.host}:{settings.port(name)}")
    print(f"  what it says goes to {settings.data_dir / LOG}; `tasuki down` ends it")


@app.command()
def down() -> None:
    """End what `tasuki up` has started, in order."""
    from shared.background import BackgroundError
    from shared.background import down as end

    try:
        ended = end(read_settings())
    except BackgroundError as error:
        fail(str(error))
    print("stopped" if ended else "nothing that `tasuki up` has started is running")


@app.command()
def migrate() -> None:
    """Bring the database's schemas up to date (`tasuki run` does so by itself)."""
    from shared.migrate import migrate as migrate_database
    from shared.postgres import PostgresError, PrivatePostgres
    from shared.schemas import SchemaError

    settings = read_settings()
    try:
        if settings.database_url is not None:
            migrate_database(settings.database_url)
            return
        with PrivatePostgres(settings.data_dir) as url:
            migrate_database(url)
    except (PostgresError, SchemaError) as error:
        fail(str(error))


topics = typer.Typer(no_args_is_help=True, help="The topics on Apache Kafka.")
app.add_typer(topics, name="topics")


@topics.command()
def apply() -> None:
    """Make the topics that are missing, and set what is set otherwise (replicas in sync, retention, sizes)."""
    import asyncio

    from shared.eventlog.port import LogError
    from shared.eventlog.topics import apply as apply_topics

    settings = read_settings()
    if settings.kafka_bootstrap_servers is None:
        fail("TASUKI_KAFKA_BOOTSTRAP_SERVERS names no brokers; the embedded log makes its topics by itself")
    try:
        changes = asyncio.run(apply_topics(settings))
    except LogError as error:
        fail(str(error))
    for change in changes:
        print(f"{change.topic}: {change.what}")
    if not changes:
        print("all topics are as they should be")


log = typer.Typer(no_args_is_help=True, help="The log of events.")
app.add_typer(log, name="log")


@log.command()
def positions() -> None:
    """How far each service has come, partition by partition."""
    import asyncio

    from shared.seek import stands

    row = "{:<8} {:<27} {:>10} {:>10} {:>10} {:>8}".format
    found = asyncio.run(stands(str(with_database(read_settings()).database_url)))
    print(row("service", "partition", "next", "taken", "again", "dead"))
    for at in found:
        place = f"{at.topic}/{at.partition}"
        print(row(at.service, place, at.next_offset, at.processed, at.duplicates, at.dead_lettered))


@log.command("seek")
def seek_log(
    service: Annotated[str, typer.Argument(help="ingest, handoff, metrics or outreach.")],
    offset: Annotated[int, typer.Argument(min=0, max=2**63 - 1, help="The record to go on with; 0: the beginning.")],
    topic: Annotated[str | None, typer.Option(help="One topic; all unless given.")] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="One partition; all unless given.")
    ] = None,
) -> None:
    """Have a service go on elsewhere in the log: events that it has taken already have no second effect."""
    import asyncio

    from shared.eventlog.port import LogError
    from shared.seek import BeyondEnd, seek
    from shared.settings import SERVICES

    if service not in SERVICES:
        fail(f"there is no service {service}: it is one of {', '.join(SERVICES)}")
    try:
        changed = asyncio.run(seek(with_database(read_settings()), service, topic, partition, offset))
    except BeyondEnd as error:
        fail(f"{error}; give a --topic and a --partition with an offset of its own")
    except LogError as error:
        fail(str(error))
    for stand in changed:
        print(f"{service} goes on at {stand.next_offset} of {stand.topic}/{stand.partition}")
    if not changed:
        print("nothing to change: no such partition has been read, or all stand there")


@log.command("migrate")
def migrate_log() -> None:
    """Move the embedded log to Apache Kafka: every record keeps its offset, none is lost or doubled."""
    import asyncio

    from rich.console import Console
    from rich.progress import Progress

    from shared.eventlog.moving import move
    from shared.eventlog.port import LogError

    settings = with_database(read_settings())
    if settings.kafka_bootstrap_servers is None:
        fail("TASUKI_KAFKA_BOOTSTRAP_SERVERS names no brokers to move the log to")
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("copying and comparing", total=None)
            told = lambda done, total: progress.update(task, completed=done, total=total)  # noqa: E731
            moved = asyncio.run(move(settings, told))
    except LogError as error:
        fail(str(error))
    print(f"moved {moved.records:,} records of {moved.partitions} partitions; each was read back and is the same.")
    print("Start all services again with TASUKI_KAFKA_BOOTSTRAP_SERVERS; until then what they take waits unpublished.")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def keys(context: typer.Context) -> None:
    """Make, list and revoke API keys."""
    from shared.web.keys_cli import keys as commands

    commands(context.args, prog_name="tasuki keys")


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another week.")] = 1,
    leads: Annotated[int, typer.Option(min=1, max=100_000, help="How many leads.")] = 1_000,
    week: Annotated[
        str | None, typer.Option(help="A week of the past, as 2026-W47; the last one unless given.")
    ] = None,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the board, with the system if the demo began it.")
    ] = False,
) -> None:
    """Tell the running system a week of an invented team, and print a board; starts the system where none runs."""
    from shared.clock import SystemClock
    from shared.demo.command import DemoError
    from shared.demo.command import demo as tell

    try:
        tell(read_settings(), SystemClock(), seed=seed, leads=leads, week=week, leave=leave)
    except DemoError as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("tasuki: broken off; running the demo again goes on where it stopped", file=sys.stderr)
        raise SystemExit(130) from None


@app.command("import")
def import_leads(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV with a header row.")],
    source: Annotated[str, typer.Option(help="The entry of sources.yaml that says what its columns mean.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge every row, and store nothing.")] = False,
    charset: Annotated[
        str | None, typer.Option(help="utf-8, cp932 or euc-jp; found out unless given (the first two).")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of ingest; that of the settings unless given.")] = None,
    rejected: Annotated[Path | None, typer.Option(help="File to write rejected rows to, with their reasons.")] = None,
) -> None:
    """Bring in leads from a CSV file of any size; exit status 1 unless every row was taken."""
    from shared.client import TasukiError
    from shared.import_file import import_file

    try:
        every_row = import_file(
            read_settings(), file, source=source, dry_run=dry_run, charset=charset, url=url, out=rejected
        )
    except (TasukiError, OSError) as error:
        fail(str(to_mend(error)))
    except KeyboardInterrupt:
        print("tasuki: not watched any longer; what was sent whole is taken nevertheless", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(0 if every_row else 1)


@app.command()
def kafka(
    brokers: Annotated[int, typer.Option(help="One, or three that replicate.")] = 1,
    port: Annotated[int, typer.Option(min=1, max=65533, help="Port of the first broker; the others' follow.")] = 9092,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; one under TASUKI_DATA_DIR unless given.")
    ] = None,
    system: Annotated[
        bool, typer.Option("--run", help="Run everything on it: make its topics, then as `tasuki run`.")
    ] = False,
) -> None:
    """Run a private Kafka for development, which deploy/kafka/install.sh has fetched, until Ctrl-C."""
    from shared.kafka import BrokerError, Cluster
    from shared.kafka.foreground import Foreground, GivenUp

    settings = read_settings()
    if brokers not in (1, 3):
        fail("--brokers is 1 or 3")
    folder = data_dir or settings.data_dir / ("kafka" if brokers == 1 else "kafka-cluster")
    try:
        cluster = Cluster(folder, brokers, home=settings.kafka_home, ports=range(port, port + brokers))
        Foreground(cluster, with_system=system).run()
    except (BrokerError, GivenUp) as error:
        fail(str(error))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON, to send along.")] = False,
) -> None:
    """Look at everything that somebody who helps would ask about; exit status 1 when anything is wrong.

    No secret is printed, and nothing is changed.
    """
    import asyncio

    from rich.console import Console

    from shared.doctor.command import report, report_json

    settings = read_settings()
    well = asyncio.run(report_json(settings) if as_json else report(settings, Console()))
    raise SystemExit(0 if well else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(installed_version("tasuki"))


# Services are not known here: each names its commands as an entry point.
for found in entry_points(group="tasuki.commands"):
    app.add_typer(found.load(), name=found.name)


def main() -> None:
    """Entry point of the command `tasuki`."""
    try:
        app()
    except Exception as error:
        if (told := to_mend(error)) is None:
            raise
        fail(told)


if __name__ == "__main__":
    main()
