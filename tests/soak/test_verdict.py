"""Whatever is wrong becomes a reason, and so the exit status of a soak."""

from tests.soak.report import Run, text
from tests.soak.verdict import Verdict


def _run(verdict: Verdict) -> Run:
    return Run(
        minutes=2,
        rate=300,
        seed=1,
        posted=10,
        answered=10,
        loaded_s=20,
        took_s=21.0,
        repeated="503 2",
        actions=(),
        times=(),
        waited_s=1.0,
        scrapes=3,
        load_mib=1.0,
        memory_mib=1.0,
        verdict=verdict,
    )


def test_a_count_is_a_reason_unless_it_is_0() -> None:
    verdict = Verdict()
    verdict.must_be_0("dead letters", 0)
    assert verdict.reasons == []
    assert "Result: clean" in text(_run(verdict))
    verdict.must_be_0("lost", 2)
    assert verdict.reasons == ["lost: 2"]
    assert "Result: **not clean**" in text(_run(verdict))
    assert "| lost | 2 |" in text(_run(verdict))


def test_a_failure_is_a_reason_and_what_follows_is_still_looked_at() -> None:
    verdict = Verdict()
    with verdict.judging("a rebuild changes no number"):
        _differ()
    with verdict.judging("the next thing"):
        pass
    assert verdict.reasons == ["a rebuild changes no number: AssertionError 3 answers differ"]
    assert list(verdict.seconds) == ["a rebuild changes no number", "the next thing"]


def _differ() -> None:
    raise AssertionError("3 answers differ")
