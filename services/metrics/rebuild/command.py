"""What `tasuki kpi rebuild` does, and how far it is meanwhile."""

import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.client import Client, Retry, metrics
from shared.client.drivers import key_of, urls_of
from shared.settings import Settings

LOOK_EVERY_S = 0.5


def run(settings: Settings) -> int:
    """Have this installation rebuild its numbers; the events gone through. Raises TasukiError.

    Broken off here, the rebuild goes on in the service.
    """
    urls, key = urls_of(settings), key_of(settings)
    with Client(urls, key, retry=Retry(tries=3)) as looking:
        looking.send(metrics.status())  # whether anybody is there is known at once
        # It may take longer than a connection is waited for: repeated with its key, the request finds the same rebuild.
        patient = Retry(tries=sys.maxsize, total_s=86_400.0, longest_s=2.0)
        with ThreadPoolExecutor(max_workers=1) as waiting, Client(urls, key, retry=patient) as asking:
            ended = waiting.submit(lambda: asking.send(metrics.rebuild()).events)
            _show_progress(looking, ended)
            return ended.result()


def _show_progress(looking: Client, ended: Future[int]) -> None:
    columns = (TextColumn("making every number anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("events", total=None)
        while not wait([ended], timeout=LOOK_EVERY_S).done:
            found = looking.send(metrics.rebuilding())
            if found.running:
                progress.update(task, completed=found.events, total=max(found.events, found.events_total))
