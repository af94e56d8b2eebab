"""The comparison with peers: what is right, how answers are read and judged, and what the table says."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.corpus import history
from bench.cpu import Spent
from bench.peers.beside import Passed, PeerFailed, run
from bench.peers.exact import Counts, Exact, by_day_and_rep, judge, read, read_rows
from bench.peers.measure import NAMES, PEERS, Found, tell
from bench.peers.programs.side import Work

EVENTS = 2_000
RIGHT = Counts({"2026-11-28T09/ito/busy": 2, "2026-11-28T10/ito/voicemail": 1, "2026-11-28T10/sato/busy": 4})


def test_each_call_is_counted_once() -> None:
    exact = Exact()
    passed = list(exact.watch(history(EVENTS, EVENTS // 10, seed=7)))
    distinct = {dict(message.headers)["ce_id"] for message in passed}
    assert len(passed) == EVENTS
    assert EVENTS * 0.95 < len(distinct) < EVENTS
    assert exact.counts.total() == len(distinct)


def test_the_same_seed_has_the_same_answer() -> None:
    first, again, other = Exact(), Exact(), Exact()
    for exact, seed in ((first, 7), (again, 7), (other, 8)):
        list(exact.watch(history(EVENTS, EVENTS // 10, seed)))
    assert first.counts == again.counts != other.counts


def test_lines_of_a_cell_add_up() -> None:
    assert read(["a/ito/busy\t2\n", "b/ito/busy\t1\n", "a/ito/busy\t40\n"]) == {"a/ito/busy": 42, "b/ito/busy": 1}


def test_metrics_tells_the_same_by_day_and_rep() -> None:
    rows = [
        {"period": "2026-11-28", "rep": "ito", "value": 3},
        {"period": "2026-11-28", "rep": "sato", "value": 4},
    ]
    assert judge(by_day_and_rep(RIGHT), read_rows(rows)) == "yes"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (RIGHT, "yes"),
        (Counts(), "no: 7 missing, 0 too many"),
        (RIGHT + Counts({"2026-11-28T10/sato/busy": 1}), "no: 0 missing, 1 too many"),
        # As many as there should be, but not where they should be.
        (Counts({"2026-11-28T09/ito/busy": 7}), "no: 5 missing, 5 too many"),
    ],
)
def test_an_answer_is_judged_cell_by_cell(found: Counts, verdict: str) -> None:
    assert judge(RIGHT, found) == verdict


def test_a_peer_learns_its_work_from_its_arguments() -> None:
    work = Work("127.0.0.1:9092", "calls", 10, Path("folder"), "group")
    assert work.arguments() == ["127.0.0.1:9092", "calls", "10", "folder", "group"]


def peer(program: str, folder: Path, within_s: float = 10.0) -> Passed:
    """Run a program as a peer."""
    return run([sys.executable, "-c", program, *(work := Work("", "", 7, folder, "")).arguments()], work, within_s)


def test_a_peer_tells_when_it_is_done_and_what_it_has_counted(tmp_path: Path) -> None:
    passed = peer(
        "from bench.peers.programs.side import begin, end\n"
        "print('what a library says')\n"
        "work = begin()\n"
        "end(work, [('a/ito/busy', work.events)])",
        tmp_path,
    )
    assert passed.counts == {"a/ito/busy": 7}
    assert passed.memory_mib > 0
    assert (tmp_path / "said").read_text() == "what a library says\n"


@pytest.mark.parametrize(
    ("program", "within_s", "why"),
    [
        ("raise SystemExit('a broken peer')", 10.0, "exit status 1: a broken peer"),
        ("print('ready'); raise SystemExit('too early')", 10.0, "exit status 1: too early"),
        ("import time; time.sleep(60)", 0.3, "not done after 0 s; .* killed by SIGKILL: it said nothing"),
    ],
)
def test_why_a_peer_did_not_run(program: str, within_s: float, why: str, tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match=why):
        peer(program, tmp_path, within_s)


def test_the_floor_is_measured_first_and_last() -> None:
    assert [peer.name for peer in PEERS].count("floor") == 2
    assert PEERS[0].name == PEERS[-1].name == "floor"
    assert Counter(NAMES).most_common(1)[0][1] == 1


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    speed = {"floor": 400_000, "kafka-streams": 50_000, "tasuki": 200_000}
    tell(
        [
            (peer, Found(speed[peer.name], Spent(1.0, 0.0, 1.0), 50.0, "yes") if peer.name in speed else "no Java")
            for peer in PEERS
        ]
    )
    table = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Tasuki / Kafka Streams 4.00 must >= 2.0, aim >= 5.0" in table
    assert "Tasuki / the floor 0.50 must >= 0.20, aim >= 0.50" in table
    assert "Quix Streams, exactly once, one count not run no Java" in table
    assert not [line for line in table if line.startswith("Tasuki / Kafka Streams in memory")]
