"""The private Kafka: starts without Docker, keeps what it has, says what is wrong, leaves nothing behind."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.kafka import BrokerError, Cluster
from shared.kafka.ask import ask, exchange
from shared.process import processes_marked
from tests.kafka import StartCluster, require_kafka, running_cluster
from tests.system import ROOT, until

HOST = "127.0.0.1"
TOPIC_ALREADY_EXISTS = 36
HOLDER = """
    import sys, time
    from pathlib import Path
    from shared.kafka import Cluster
    cluster = Cluster(Path(sys.argv[1]), home=Path(sys.argv[2]))
    cluster.launch_all()
    print(cluster.bootstrap, flush=True)
    time.sleep(600)
"""


def create_topic(port: int, name: str, replicas: int) -> int:
    """Kafka's error code: 0 when it is made."""
    topic = struct.pack(f">h{len(name)}sihii", len(name), name.encode(), 1, replicas, 0, 0)
    answer = exchange(HOST, port, 19, 2, struct.pack(">i", 1) + topic + struct.pack(">i?", 10_000, False), timeout=15)
    answer.int32()  # how long it asks us to wait
    assert answer.int32() == 1
    assert answer.string() == name
    return answer.int16()


def sees(port: int) -> set[int]:
    """The brokers that one of them counts as up; none when it does not answer."""
    try:
        return set(ask(HOST, port).brokers)
    except OSError:
        return set()


def test_a_restart_in_good_order_keeps_the_cluster_and_its_topics(
    empty_data_dir: Path, kafka_home: Path, free_port: Callable[[], int]
) -> None:
    with Cluster(empty_data_dir, home=kafka_home) as first:
        assert first.bootstrap == f"{HOST}:{first.port(1)}"
        assert create_topic(first.port(1), "kept", replicas=1) == 0
        before = ask(HOST, first.port(1)).cluster_id
    assert first.brokers[1].ended() == 128 + signal.SIGTERM
    assert processes_marked(str(empty_data_dir)) == []
    proxy = free_port()
    with running_cluster(empty_data_dir, kafka_home, brokers=1, advertised={1: proxy}) as second:
        assert second.bootstrap == f"{HOST}:{proxy}"  # where nobody listens yet: brokers do not need it
        assert ask(HOST, second.port(1)) == (before, {1: (HOST, proxy)})
        assert create_topic(second.port(1), "kept", replicas=1) == TOPIC_ALREADY_EXISTS


def test_three_replicate_and_any_of_them_may_fail(kafka_cluster: StartCluster) -> None:
    cluster = kafka_cluster(3, properties={"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"})
    for node in (1, 2, 3):
        until(lambda node=node: sees(cluster.port(node)) == {1, 2, 3})  # type: ignore[misc]
    assert create_topic(cluster.port(1), "kept", replicas=3) == 0

    cluster.pause(1)
    assert sees(cluster.port(1)) == set()
    cluster.resume(1)
    until(lambda: 1 in sees(cluster.port(1)))

    cluster.kill(1)
    assert cluster.brokers[1].ended() == -signal.SIGKILL
    until(lambda: sees(cluster.port(2)) == {2, 3})
    cluster.start(1)
    assert create_topic(cluster.port(1), "kept", replicas=3) == TOPIC_ALREADY_EXISTS


def test_nothing_outlives_a_killed_parent(empty_data_dir: Path, kafka_home: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(empty_data_dir), str(kafka_home.absolute())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith(HOST)
        brokers = [found for found in processes_marked(str(empty_data_dir)) if found != holder.pid]
        assert len(brokers) == 1
        holder.kill()
    until(lambda: processes_marked(str(empty_data_dir)) == [])


def test_a_taken_port_is_said(empty_data_dir: Path, kafka_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.kafka.broker._PORT_PATIENCE", 0)
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"Port {port} is taken"):
            Cluster(empty_data_dir, home=kafka_home, ports=[port]).start_all()


def test_a_broker_that_cannot_start_says_why(empty_data_dir: Path, kafka_home: Path) -> None:
    with pytest.raises(BrokerError, match=r"formatting failed:\n(.*\n)*.*no-number"):
        Cluster(empty_data_dir, home=kafka_home, properties={"num.io.threads": "no-number"}).start_all()
    cluster = Cluster(empty_data_dir, home=kafka_home)
    cluster.launch_all()
    cluster.kill_all()
    (empty_data_dir / "1/data/meta.properties").write_text("version=1\ncluster.id=another\nnode.id=2\n")
    with pytest.raises(BrokerError, match=r"ended at its start \(exit status 1\):\n(.*\n)*.*node id"):
        cluster.start_all()
    assert processes_marked(str(empty_data_dir)) == []


def test_without_kafka_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"run deploy/kafka/install\.sh"):
        Cluster(tmp_path / "data", home=tmp_path)
    (tmp_path / "missing").write_text("install Maven\n")
    with pytest.raises(BrokerError, match="install Maven"):
        Cluster(tmp_path / "data", home=tmp_path)


def test_without_kafka_its_tests_are_skipped_and_the_last_lines_say_so(tmp_path: Path) -> None:
    (tmp_path / "missing").write_text("install Maven\n")
    one = f"{Path(__file__).relative_to(ROOT)}::test_a_taken_port_is_said"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", one]
    needed = {"TASUKI_REQUIRE_KAFKA": "0", "TASUKI_KAFKA_HOME": str(tmp_path), "PYTEST_ADDOPTS": ""}
    environment = {**os.environ, **needed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search("1 skipped for want of Kafka.*install Maven", "\n".join(done.stdout.splitlines()[-3:]))


def test_where_kafka_is_required_its_tests_fail_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv("TASUKI_REQUIRE_KAFKA", "1")
    with pytest.raises(pytest.fail.Exception, match="There is no Kafka"):
        require_kafka()


def test_the_command_keeps_its_broker_running_until_it_is_asked_to_stop(
    empty_data_dir: Path, kafka_home: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port, output = free_port(), tmp_path / "output"
    environment = {**os.environ, "TASUKI_DATA_DIR": str(empty_data_dir), "TASUKI_KAFKA_HOME": str(kafka_home)}
    command = [sys.executable, "-m", "shared.cli", "kafka", "--port", str(port)]
    with (
        output.open("wb") as file,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file) as process,
        ended_by_sigkill(process),
    ):
        until(lambda: f"\nexport TASUKI_KAFKA_BOOTSTRAP_SERVERS={HOST}:{port}\n" in output.read_text())
        assert create_topic(port, "kept", replicas=1) == 0

        (broker,) = processes_marked(str(empty_data_dir))
        os.kill(broker, signal.SIGKILL)
        until(lambda: "broker 1 ended" in output.read_text())
        until(lambda: sees(port) == {1})
        assert create_topic(port, "kept", replicas=1) == TOPIC_ALREADY_EXISTS

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert processes_marked(str(empty_data_dir)) == []


@contextmanager
def ended_by_sigkill(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """For a test that fails: it shall not wait for a process that nobody has told to end."""
    try:
        yield
    finally:
        process.kill()
