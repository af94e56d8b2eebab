"""`make bench-metrics`, or `make bench-metrics ARGS=--quick`, or with sizes of your own."""

import argparse
import time

from bench.metrics import asking, consuming, cost

PARTS = ("consuming", "history", "stored", "asking")
FULL = {"events": 1_000_000, "history": 100_000, "stored": 10_000_000, "base": 100_000, "asked": 1_000_000}
QUICK = {"events": 50_000, "history": 20_000, "stored": 300_000, "base": 30_000, "asked": 50_000}
WHAT = {
    "events": "events in the log of live consuming and rebuilding",
    "history": "events of the lead with a long history",
    "stored": "events stored where there are many",
    "base": "events stored where there are few",
    "asked": "events of the year that is asked about",
}
ROUND = {"batch": 20_000, "alone": 200}
QUICK_ROUND = {"batch": 8_000, "alone": 80}
PATIENCE_S, QUICK_PATIENCE_S = 120.0, 4.0


def main() -> None:
    """Run the parts, one after the other, and print their tables."""
    parser = argparse.ArgumentParser(
        prog="bench.metrics", description="Speed of the numbers, as ratios inside one run."
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, rough figures")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given several times)")
    for name, what in WHAT.items():
        parser.add_argument(f"--{name}", type=int, help=f"{what} ({FULL[name]:,}; quick: {QUICK[name]:,})")
    parser.add_argument("--requests", type=int, default=200, help="requests of each kind (200; fewer of slow ones)")
    parser.add_argument("--reps", type=int, default=200, help="reps of the year that is asked about (200)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    size = {name: getattr(given, name) or usual for name, usual in (QUICK if given.quick else FULL).items()}
    a_round = QUICK_ROUND if given.quick else ROUND
    begun, parts = time.monotonic(), given.only or PARTS
    if "consuming" in parts:
        consuming.measure(events=size["events"], seed=given.seed)
    if "history" in parts:
        cost.measure_history(length=size["history"], events=a_round["alone"])
    if "stored" in parts:
        cost.measure_stored(stored=size["stored"], base=size["base"], seed=given.seed, **a_round)
    if "asking" in parts:
        asking.measure(
            events=size["asked"], reps=given.reps, requests=given.requests, seed=given.seed,
            patience_s=QUICK_PATIENCE_S if given.quick else PATIENCE_S,
        )  # fmt: skip
    print(f"\n  {time.monotonic() - begun:,.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
