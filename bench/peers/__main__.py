"""`make bench-peers`, or `make bench-peers ARGS=--quick`, or with sizes of your own."""

import argparse

from bench.peers.measure import EVENTS, NAMES, QUICK_EVENTS, measure


def main() -> None:
    """Run the peers, one after the other, and print their table."""
    parser = argparse.ArgumentParser(prog="bench.peers", description="Tasuki and its peers, as ratios inside one run.")
    parser.add_argument("--quick", action="store_true", help="few events: two minutes, rough figures")
    parser.add_argument("--events", type=int, help=f"on the topic ({EVENTS:,}; quick: {QUICK_EVENTS:,})")
    parser.add_argument("--only", choices=NAMES, nargs="+", default=NAMES, help="these peers")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    measure(events=given.events or (QUICK_EVENTS if given.quick else EVENTS), seed=given.seed, only=given.only)


if __name__ == "__main__":
    main()
