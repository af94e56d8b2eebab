"""`make bench`: everything that Tasuki is held to, in one run, and its report; `make bench ARGS=--quick`: minutes."""

import argparse
import time
from pathlib import Path

from bench import freshness, ingest, report, written
from bench.metrics import parts as numbers
from bench.peers import measure as peers

PARTS = ("ingest", "freshness", "peers", *numbers.PARTS)
REPORT = Path(__file__).parent.parent / "docs" / "reports" / "bench.md"


def main() -> None:
    """Run the parts, one after the other, print their tables, and write the report when all of it was run in full."""
    parser = argparse.ArgumentParser(prog="bench", description="Speed, as ratios inside one run.")
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, rough figures, no report")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given several times)")
    parser.add_argument("--rounds", type=int, help="rounds of ingest (7; quick: 3)")
    parser.add_argument("--seconds", type=float, help="seconds of each load of ingest (3; quick: 1)")
    parser.add_argument("--fresh-seconds", type=float, help="seconds of each load of freshness (20; quick: 4)")
    parser.add_argument("--rate", type=int, action="append", help="events/s of freshness (200 and then 2,000)")
    parser.add_argument("--events", type=int, help=f"that peers take ({peers.EVENTS:,}; quick: {peers.QUICK_EVENTS:,})")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write a report there, whatever was run")
    given = parser.parse_args()
    begun, quick = time.monotonic(), given.quick
    parts = given.only or PARTS
    if "ingest" in parts:
        seconds = given.seconds or (1.0 if quick else 3.0)
        ingest.measure(rounds=given.rounds or (3 if quick else 7), seconds=seconds, seed=given.seed)
    if "freshness" in parts:
        seconds = given.fresh_seconds or (4.0 if quick else 20.0)
        freshness.measure(rates=given.rate or freshness.RATES, seconds=seconds, seed=given.seed)
    if "peers" in parts:
        peers.measure(events=given.events or (peers.QUICK_EVENTS if quick else peers.EVENTS), seed=given.seed)
    numbers.measure(parts, numbers.sizes(quick=quick, given={}), seed=given.seed, quick=quick)
    page = given.write or (REPORT if set(parts) == set(PARTS) and not quick else None)
    if page:
        written.write(page, "make bench", report.told)
        print(f"\n  written: {page}")
    print(f"\n  {time.monotonic() - begun:,.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
