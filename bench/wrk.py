"""The load by wrk, which leaves the machine to what is measured: it needs a tenth of what our own load does."""

import subprocess
from pathlib import Path

import msgspec

from bench.load import Job, Load

_SCRIPT = Path(__file__).with_name("wrk.lua")


class _Told(msgspec.Struct):
    """What the script prints at the end."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def post(job: Job) -> Load:
    """Run a job as fast as it is answered. Raises RuntimeError when anything was answered but a 2xx."""
    command = ["wrk", "-t1", f"-c{job.connections}", f"-d{max(1, round(job.seconds))}s", "--timeout=20s"]
    given = [job.prefix.replace(" ", "-"), str(job.batch), str(job.leads), str(job.seed), job.key]
    done = subprocess.run(
        [*command, "-s", str(_SCRIPT), f"http://127.0.0.1:{job.port}{job.path}", "--", *given],
        stdout=subprocess.PIPE,
        check=True,
    )
    told = msgspec.json.decode(done.stdout.strip().rpartition(b"\n")[2], type=_Told)
    if told.refused or told.broken or not told.requests:
        raise RuntimeError(f"port {job.port}: {told}")
    return Load(
        requests=told.requests,
        events_s=told.requests * job.batch / told.seconds,
        p50_ms=told.p50_ms,
        p99_ms=told.p99_ms,
        statuses={},
        sent=[],
    )
