"""`make bench-growth`, or `make bench-growth ARGS=--quick`, or with a base of your own."""

import argparse
import time

from bench.growth.measure import measure
from bench.growth.sizes import DIMENSIONS, base_of, steps
from bench.growth.table import tell

BASE, QUICK_BASE = 100_000, 10_000


def main() -> None:
    """Grow in one dimension after the other, and print a table for each."""
    parser = argparse.ArgumentParser(prog="bench.growth", description="Cost curves, as ratios inside one run.")
    parser.add_argument("--quick", action="store_true", help="a small base: minutes, rough figures")
    parser.add_argument("--only", choices=DIMENSIONS, nargs="+", default=DIMENSIONS, help="grow in these")
    parser.add_argument("--base", type=int, help=f"calls of the base ({BASE:,}; quick: {QUICK_BASE:,})")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    begun, base = time.monotonic(), base_of(given.base or (QUICK_BASE if given.quick else BASE))
    for dimension in given.only:
        tell(dimension, base, ((step, measure(step.size, given.seed)) for step in steps(dimension, base)))
    print(f"\n  {time.monotonic() - begun:,.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
