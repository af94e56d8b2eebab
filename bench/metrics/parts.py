"""The parts of what is measured of the numbers, and their sizes."""

from collections.abc import Iterable, Mapping

from bench.metrics import asking, consuming, cost, takeover

PARTS = ("consuming", "history", "stored", "asking", "takeover")
FULL = {"events": 1_000_000, "history": 100_000, "stored": 10_000_000, "base": 100_000, "asked": 1_000_000}
QUICK = {"events": 50_000, "history": 20_000, "stored": 300_000, "base": 30_000, "asked": 50_000}
WHAT = {
    "events": "events in the log of live consuming and rebuilding",
    "history": "events of the lead with a long history",
    "stored": "events stored where there are many",
    "base": "events stored where there are few",
    "asked": "events of the year that is asked about",
}
REQUESTS, REPS = 200, 200
_ROUND, _QUICK_ROUND = {"batch": 20_000, "alone": 200}, {"batch": 8_000, "alone": 80}
_PATIENCE_S, _QUICK_PATIENCE_S = 120.0, 4.0
_KILLS, _QUICK_KILLS = 3, 1


def sizes(*, quick: bool, given: Mapping[str, int | None]) -> dict[str, int]:
    """Those of FULL or QUICK where none is given."""
    return {name: given.get(name) or usual for name, usual in (QUICK if quick else FULL).items()}


def measure(
    parts: Iterable[str], size: Mapping[str, int], *, seed: int, quick: bool, requests: int = REQUESTS, reps: int = REPS
) -> None:
    """Run the parts, one after the other, and print their tables."""
    a_round = _QUICK_ROUND if quick else _ROUND
    if "consuming" in parts:
        consuming.measure(events=size["events"], seed=seed)
    if "takeover" in parts:
        takeover.measure(rounds=_QUICK_KILLS if quick else _KILLS)
    if "history" in parts:
        cost.measure_history(length=size["history"], events=a_round["alone"])
    if "stored" in parts:
        cost.measure_stored(stored=size["stored"], base=size["base"], seed=seed, **a_round)
    if "asking" in parts:
        patience_s = _QUICK_PATIENCE_S if quick else _PATIENCE_S
        asking.measure(events=size["asked"], reps=reps, requests=requests, seed=seed, patience_s=patience_s)
