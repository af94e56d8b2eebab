"""`make bench`, or `make bench ARGS=--quick`."""

import argparse

from bench import ingest


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Speed, as ratios inside one run.")
    parser.add_argument("--quick", action="store_true", help="small sizes: about a minute, rough figures")
    parser.add_argument("--only", choices=("ingest", "metrics", "freshness"), help="one part")
    parser.add_argument("--rounds", type=int, help="rounds of the ingest part (7; quick: 3)")
    parser.add_argument("--seconds", type=float, help="length of one load (3; quick: 1)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    ingest.measure(
        rounds=given.rounds or (3 if given.quick else 7),
        seconds=given.seconds or (1.0 if given.quick else 3.0),
        seed=given.seed,
    )


if __name__ == "__main__":
    main()
