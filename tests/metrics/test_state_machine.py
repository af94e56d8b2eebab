"""Whatever happens to the engine, in any order: live == rebuild == recount, on every cell, grain and dimension."""

import asyncio
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.metrics.contributions.rules import Rules
from services.metrics.rebuild.steps import Rebuild, rebuild
from services.metrics.settling import Settling
from services.metrics.verify.recount import Recount
from shared.config import load_config
from shared.db import transaction
from shared.events import Event
from tests.metrics.compare import BOUNDED, GRAINS, LAST_DAY, assert_same, raw
from tests.metrics.numbers import Numbers, received
from tests.metrics.own import CONFIG
from tests.metrics.strategies import LEADS, correction_of, facts, make, times

merged_into = st.sampled_from([*LEADS, "lead-d", None])
"""A lead, or None for a merge that is undone."""


class Crash(Exception):
    """A process is killed: its transaction never commits, and what it remembered is gone."""


class Engine(RuleBasedStateMachine):
    """Events happen, and arrive late, again, or in the middle of a crash; the policy changes; at the end all is counted
    three times.
    """

    numbers: Numbers
    runner: asyncio.Runner
    recounts: list[Recount]
    policies: list[Rules]

    @initialize()
    def begin(self) -> None:
        self.happened: list[Event] = []
        self.waiting: list[Event] = []
        self.arrived: list[Event] = []
        self.policy = 0
        self.settling = Settling(self.numbers.engine)
        self.numbers.rules = self.policies[0]
        self.runner.run(self.numbers.reset())

    def _happen(self, event: Event) -> None:
        self.happened.append(event)
        self.waiting.append(event)

    @rule(data=st.data(), n=st.integers(1, 4))
    def facts_happen(self, data: st.DataObject, n: int) -> None:
        for _ in range(n):
            self._happen(data.draw(facts(len(self.happened))))

    @rule(
        pairs=st.lists(st.tuples(st.sampled_from(LEADS), st.sampled_from([*LEADS, "lead-d", None]), times), max_size=4)
    )
    def leads_are_merged_or_parted(self, pairs: list[tuple[str, str | None, datetime]]) -> None:
        for lead, into, at in pairs:
            name, data = ("lead-merged", {"into": into}) if into else ("lead-unmerged", {"from": "lead-d"})
            self._happen(make(name, f"e{len(self.happened)}", lead, at, data))

    @rule(lead=st.sampled_from(LEADS), at=times)
    def a_lead_is_erased(self, lead: str, at: datetime) -> None:
        self._happen(make("lead-erased", f"e{len(self.happened)}", lead, at, {"reason": "asked for"}))

    @precondition(lambda self: self.happened)
    @rule(data=st.data())
    def something_is_corrected(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(self.happened))
        self._happen(data.draw(correction_of(f"e{len(self.happened)}", target)))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), crash=st.sampled_from([False, False, False, True]))
    def a_batch_arrives(self, data: st.DataObject, crash: bool) -> None:
        batch = data.draw(st.lists(st.sampled_from(self.waiting), min_size=1, unique_by=lambda e: e.id))
        batch += data.draw(st.lists(st.sampled_from(self.arrived), max_size=2)) if self.arrived else []
        self.runner.run(self._take(batch, crash))
        if not crash:
            self.arrived += [e for e in batch if e in self.waiting]
            self.waiting = [e for e in self.waiting if e not in batch]

    async def _take(self, batch: list[Event], crash: bool) -> None:
        if crash:
            with pytest.raises(Crash):
                await self._begin_to_take(batch)
            self.numbers.restart()
        else:
            await self.numbers.take(batch)

    async def _begin_to_take(self, batch: list[Event]) -> None:
        async with transaction(self.numbers.engine) as conn:
            once = list({event.identity: event for event in batch}.values())
            fresh = await self.numbers.fold.fresh(conn, [received(event) for event in once])
            await self.numbers.fold.handle(conn, fresh.new)
            raise Crash

    @rule()
    def the_policy_changes(self) -> None:
        self.policy = 1 - self.policy
        self.numbers.rules = self.policies[self.policy]
        self.numbers.restart()
        self.runner.run(rebuild(self.numbers.engine, self.numbers.rules, only_if_stale=True))

    @rule()
    def a_day_is_settled(self) -> None:
        self.runner.run(self.settling.step())

    @rule(events=st.integers(1, 5))
    def a_rebuild_goes_on(self, events: int) -> None:
        self.runner.run(self._build(events))

    async def _build(self, events: int) -> None:
        rebuilding = Rebuild(self.numbers.engine, self.numbers.rules, events)
        await rebuilding.begin()
        await rebuilding.step()

    def teardown(self) -> None:
        if self.waiting:
            self.runner.run(self._take(self.waiting, crash=False))
        recount = self.recounts[self.policy]
        recount.forget()
        recount.learn([raw(event) for event in self.happened])
        recount.count()
        self.runner.run(self._compare(recount))

    async def _compare(self, recount: Recount) -> None:
        live = await self.numbers.cells()
        for kpi in self.numbers.catalogue:
            cuts = sorted({*kpi.dimensions} - {"currency"})  # rows of money have it anyway
            until = LAST_DAY if kpi.definition.kind in BOUNDED else None
            for grain in GRAINS:
                rows = await self.numbers.ask(kpi.id, grain, cuts, (None, until))
                assert_same(kpi.id, rows, recount.answer(kpi.id, grain, cuts, LAST_DAY))
        await self.numbers.rebuild()
        assert await self.numbers.cells() == live


def test_live_is_rebuild_is_recount(numbers: Numbers, runner: asyncio.Runner, tmp_path: Path) -> None:
    configs = [load_config(CONFIG), load_config(_smaller_companies(tmp_path / "config"))]
    Engine.numbers, Engine.runner = numbers, runner
    ranks = numbers.catalogue.rank_fields
    Engine.policies = [Rules(numbers.rules.zone, c.fields, c.policies["default"], ranks) for c in configs]
    Engine.recounts = [Recount(c, numbers.rules.zone, numbers.settings.fiscal_year_start) for c in configs]
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes with a database
        ),
    )


def _smaller_companies(folder: Path) -> Path:
    """The shipped configuration, but for segments that meet at 300 employees."""
    shutil.copytree(CONFIG, folder)
    policy = folder / "policies" / "default.yaml"
    text = policy.read_text(encoding="utf-8")
    assert "between: [1, 2000]" in text
    assert "at_least: 2001" in text
    text = text.replace("between: [1, 2000]", "between: [1, 300]").replace("at_least: 2001", "at_least: 301")
    policy.write_text(text, encoding="utf-8")
    return folder
