"""reliability 14: the way to PostgreSQL is cut around a COMMIT, or falls silent."""

import random
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared.settings import ServiceName
from tests.faults.client import Client, Reply
from tests.faults.inside import logged, outlive_claims, rows, settle
from tests.faults.load import Load
from tests.faults.oracle import check
from tests.faults.proxy import TcpProxy, proxied, through
from tests.faults.services import Services, in_background, running
from tests.faults.watch import Watch
from tests.system import SERVICES, System, until

COMMIT = b"COMMIT;"
WAITING = 30  # requests, more than a pool has connections
CALL = {"source": "cut", "type": "call", "occurred_at": "2026-02-02T00:00:00Z", "rep": "ito", "direction": "outbound"}
SOON = {"TASUKI_STATEMENT_TIMEOUT_S": "1", "TASUKI_CONSUMER_LEASE_S": "2"}


class Commit(NamedTuple):
    """A COMMIT that is cut: its connection is that of `client`, and its transaction has sent `tells`.

    In these `{id}` is the call's id, `{rep}` its rep and `{key}` its Idempotency-Key. `copies`: how often the log holds
    the call in the end, by whether the COMMIT was forwarded.
    """

    client: str
    tells: tuple[str, ...]
    copies: tuple[int, int] = (1, 1)
    keyed: bool = False


COMMITS = {
    "an activity": Commit("tasuki-ingest", ("{id}",)),
    "the claim of a key": Commit("tasuki-ingest", ("{key}",), keyed=True),
    "a keyed activity": Commit("tasuki-ingest", ("{id}",), keyed=True),
    "the answer for a key": Commit("tasuki-ingest", ("{key}", '"accepted":1'), keyed=True),
    "the relay's append": Commit("tasuki-log", ("{id}",), copies=(1, 2)),
    "the relay's deletion": Commit("tasuki-ingest", ("tasuki.relay.ingest", "{first row}"), copies=(2, 1)),
    "a batch of handoff": Commit("tasuki-handoff", ("{id}",)),
    "a batch of metrics": Commit("tasuki-metrics", ("{id}",)),
    "dimensions that metrics makes for a batch": Commit("tasuki-metrics", ("{rep}",)),
}


class Cut(NamedTuple):
    """Services, and the proxy between them and their database."""

    services: Services
    proxy: TcpProxy


@contextmanager
def _behind_a_proxy(folder: Path, free_port: Callable[[], int], url: str, **more: str) -> Iterator[Cut]:
    with (
        proxied(url) as proxy,
        running(folder, free_port, url, seen_as=through(proxy, url), **SOON, **more) as services,
    ):
        yield Cut(services, proxy)


@pytest.fixture(scope="module")
def cut(module_database_url: str, free_port: Callable[[], int], tmp_path_factory: Any) -> Iterator[Cut]:
    """With five partitions the relay gives rows to the log and deletes them afterwards; with twelve, as under load
    below, the log takes them in one transaction."""
    folder = tmp_path_factory.mktemp("cut")
    with _behind_a_proxy(folder, free_port, module_database_url, TASUKI_LOG_PARTITIONS="5") as running_:
        yield running_


@pytest.fixture
def own(database_url: str, free_port: Callable[[], int], tmp_path: Path) -> Iterator[Cut]:
    """For the oracle, which knows all that is in a database."""
    with _behind_a_proxy(tmp_path, free_port, database_url) as running_:
        yield running_


@pytest.mark.parametrize("forwarded", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", COMMITS)
def test_reliability_14_cut_at_the_commit_of(cut: Cut, name: str, forwarded: bool) -> None:
    services, proxy = cut
    commit, id_ = COMMITS[name], f"{name}, {'after' if forwarded else 'before'}"
    key = f"key of {id_}" if commit.keyed else None
    call = CALL | {"id": id_, "rep": f"rep of {id_}", "outcome": "conversation", "lead": {"email": "mei@cut.co.jp"}}
    trap = proxy.cut_at(
        COMMIT,
        commit.client.encode(),
        *(_bytes(services.url, tell, id_, key) for tell in commit.tells),
        forwarded=forwarded,
    )
    answer = in_background(lambda client: client.send("ingest", "POST", "/v1/activities", call, key), services.system)
    trap.wait()
    if commit.keyed:
        outlive_claims(services.url)
    reply = answer()
    assert reply.status == 202, reply

    settle(services.url)
    assert sum(event.id == id_ for event in logged(services.url)) == commit.copies[forwarded]
    for table in ("ingest.events", "handoff.activities", "metrics.events"):
        assert len(rows(services.url, f"select from {table} where source = 'cut' and id = $1", id_)) == 1, table
    with closing(Client(services.system)) as client:
        taken = len(rows(services.url, "select from ingest.events where source = 'cut'"))
        for _ in range(2):  # as they are shown, and as a rebuild makes them
            (row,) = client.get("metrics", "/v1/kpis/conversations/values?grain=all&where=source:cut")["rows"]
            assert row["value"] == taken
            assert client.send("metrics", "POST", "/v1/rebuild").status == 200
        assert client.get("metrics", "/v1/status")["dead_lettered"] == 0


def _bytes(url: str, tell: str, id_: str, key: str | None) -> bytes:
    """What is looked for on the wire."""
    if tell == "{first row}":  # of the outbox, as the binary format writes its id
        (last,) = rows(url, "select last_value from ingest.outbox_id_seq")[0]
        return struct.pack(">iq", 8, last + 1)
    return tell.format(id=id_, key=key, rep=f"rep of {id_}").encode()


def test_reliability_14_silence_is_503_and_ends(cut: Cut) -> None:
    _silence(*cut, rounds=1)


@pytest.mark.long
def test_reliability_14_silence_for_longer(cut: Cut) -> None:
    _silence(*cut, rounds=6)


def _silence(services: Services, proxy: TcpProxy, rounds: int) -> None:
    """The connections stay open and nobody answers: no request waits for ever, and no process has to be restarted."""
    pids = services.pids()
    proxy.silence()
    for _ in range(rounds):  # on the connections that were there, and on new ones
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: _is_away(services.system, service), SERVICES))
    waiting = [in_background(_posting(n), services.system) for n in range(WAITING)]
    proxy.heal()
    until(lambda: all(services.system.is_ready(service) for service in SERVICES))
    assert {answer().status for answer in waiting} == {202}
    assert services.pids() == pids
    settle(services.url)
    taken = {row["id"] for row in rows(services.url, "select id from metrics.events where source = 'cut'")}
    assert taken >= {_waiting_call(n)["id"] for n in range(WAITING)}


def _is_away(system: System, service: ServiceName) -> None:
    requests: dict[ServiceName, tuple[str, str, Any]] = {
        "ingest": ("POST", "/v1/activities", _waiting_call(0)),
        "handoff": ("GET", "/v1/handoffs", None),
        "metrics": ("GET", "/v1/status", None),
    }
    with closing(Client(system)) as client:
        reply = client.once(service, *requests[service])
        assert reply.status == 503, reply
        assert int(reply.headers["retry-after"]) > 0
        assert client.once(service, "GET", "/readyz").status == 503
        assert client.once(service, "GET", "/livez").status == 200


def _posting(n: int) -> Callable[[Client], Reply]:
    return lambda client: client.send("ingest", "POST", "/v1/activities", _waiting_call(n))


def _waiting_call(n: int) -> dict[str, Any]:
    return CALL | {"id": f"waiting {n}", "outcome": "busy", "lead": {"email": "mei@cut.co.jp"}}


def test_reliability_14_cuts_under_load(own: Cut) -> None:
    _cuts(*own, size=1_000, cuts=40, seed=14)


@pytest.mark.long
@pytest.mark.parametrize("seed", [140, 141])
def test_reliability_14_cuts_under_a_load_of_20_000_events(own: Cut, seed: int) -> None:
    _cuts(*own, size=20_000, cuts=400, seed=seed)


def _cuts(services: Services, proxy: TcpProxy, *, size: int, cuts: int, seed: int) -> None:
    """Around the COMMIT of whoever comes by next, at a random byte of an answer, and all connections at once."""
    rng, system = random.Random(seed), services.system  # noqa: S311 - no secret
    clients = [f"tasuki-{service}".encode() for service in (*SERVICES, "log")]
    with Watch(system) as watch:
        with Load(system, size, seed) as load:
            for number in range(cuts):
                load.release(number * load.size // cuts)
                load.wait_done(max(0, number - 4) * load.size // cuts)
                trap = proxy.cut_at(COMMIT, rng.choice(clients), forwarded=rng.random() < 0.5)
                trap.wait()
                if number % 10 == 0:
                    proxy.cut_after(rng.randrange(1, 20_000), "down")
                if number % 20 == 0:
                    proxy.cut()
                outlive_claims(services.url)
        figures = check(system, load, watch)
    print(f"\nseed {seed}: {cuts} cuts during {figures}")
