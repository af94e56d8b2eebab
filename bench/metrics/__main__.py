"""`make bench-metrics`, or `make bench-metrics ARGS=--quick`, or with sizes of your own."""

import argparse
import time

from bench.metrics.parts import FULL, PARTS, QUICK, REPS, REQUESTS, WHAT, measure, sizes


def main() -> None:
    """Run the parts, one after the other, and print their tables."""
    parser = argparse.ArgumentParser(
        prog="bench.metrics", description="Speed of the numbers, as ratios inside one run."
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, rough figures")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given several times)")
    for name, what in WHAT.items():
        parser.add_argument(f"--{name}", type=int, help=f"{what} ({FULL[name]:,}; quick: {QUICK[name]:,})")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"of each kind ({REQUESTS}; fewer of slow ones)")
    parser.add_argument("--reps", type=int, default=REPS, help=f"reps of the year that is asked about ({REPS})")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    begun = time.monotonic()
    measure(
        given.only or PARTS, sizes(quick=given.quick, given=vars(given)), seed=given.seed, quick=given.quick,
        requests=given.requests, reps=given.reps,
    )  # fmt: skip
    print(f"\n  {time.monotonic() - begun:,.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
