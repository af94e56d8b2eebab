"""Sends a plan from several threads, in bursts, and records what was acknowledged."""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from shared.settings import ServiceName
from tests.faults.client import Client, InFlight
from tests.faults.plan import SOURCE, Act, Plan, Post, Story, email, make_plan
from tests.system import System, until

WORKERS = 8
_PAUSE_S = 0.1


class Load:
    """`with Load(system, size, seed) as load:` starts the workers; `release(n)` lets the n-th event out.

    Leaving waits until everything has been acknowledged. `acknowledged`: id -> activity, each of source SOURCE;
    `leads`: e-mail -> the lead ids that ingest answered for it. `part`: of a longer load, see make_plan; `ingests`:
    ports of the replicas of ingest that workers post to, by turns, instead of the system's own; `balanced`: ports of
    replicas that every worker uses by turns, another one when a connection breaks.
    """

    def __init__(
        self,
        system: System,
        size: int,
        seed: int,
        part: int = 0,
        ingests: Sequence[int] = (),
        balanced: Mapping[ServiceName, Sequence[int]] | None = None,
    ) -> None:
        self.plan: Plan = make_plan(size, seed, WORKERS, part)
        self.acknowledged: dict[str, Act] = {}
        self.leads: dict[str, set[str]] = {}
        self.results: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self._system = system
        self._ingests = ingests or [system.port["ingest"]]
        self._balanced = balanced or {}
        self._sent = self._done = self._released = 0
        self._lock = threading.Condition()
        self._broken: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(WORKERS)]

    def __enter__(self) -> "Load":
        self.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            self.give_up(error)
        else:
            self.finish()

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Send the rest and wait until everything has been acknowledged; raises what broke a worker."""
        self.release(self.size)
        for thread in self._threads:
            thread.join()
        if self._broken:
            raise self._broken[0]

    def give_up(self, why: BaseException) -> None:
        """Send no more, and wait for the workers."""
        self._fail(why)
        for thread in self._threads:
            thread.join()

    @property
    def size(self) -> int:
        """Activities that will be sent, second copies included."""
        return sum(len(step.acts) for steps in self.plan.steps for step in steps if isinstance(step, Post))

    @property
    def done(self) -> int:
        """Activities acknowledged so far, second copies included."""
        return self._done

    @property
    def sent(self) -> int:
        """Activities posted so far, acknowledged or not."""
        return self._sent

    @property
    def is_over(self) -> bool:
        """Whether all workers have ended: leaving waits for nothing."""
        return not any(thread.is_alive() for thread in self._threads)

    def release(self, upto: int) -> None:
        """Let the workers send up to this many activities in all."""
        with self._lock:
            self._released = max(self._released, upto)
            self._lock.notify_all()

    def wait_done(self, n: int) -> None:
        """Wait until so many are acknowledged; raises what broke a worker."""

        def reached() -> bool:
            if self._broken:
                raise self._broken[0]
            return self._done >= n

        until(reached, 180, lambda: f"{self._done} of {n} acknowledged")

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._broken.append(error)
            self._lock.notify_all()

    def _work(self, number: int) -> None:
        client = Client(self._system, {"ingest": self._ingests[number % len(self._ingests)], **self._balanced})
        waiting = deque(self.plan.steps[number])
        try:
            put_off = 0
            while waiting and not self._broken:
                step = waiting.popleft()
                if self._try(client, step):
                    put_off = 0
                    continue
                waiting.append(step)
                put_off += 1
                if put_off >= len(waiting):  # nothing can be done just now
                    time.sleep(_PAUSE_S)
        except BaseException as error:  # handed to the test
            self._fail(error)
        finally:
            client.close()
            with self._lock:
                self.repeated += client.repeated

    def _try(self, client: Client, step: Story | Post) -> bool:
        """Whether the step is done; if not, it is to be tried again later."""
        try:
            return self._tell(client, step) if isinstance(step, Story) else self._post(client, step)
        except InFlight:
            return False

    def _post(self, client: Client, post: Post) -> bool:
        if any(act.story is not None and act.story.lead_id is None for act in post.acts):
            return False
        with self._lock:
            self._lock.wait_for(lambda: self._broken or self._sent < self._released)
            self._sent += len(post.acts)
        try:
            return self._posted(client, post)
        except InFlight:
            with self._lock:
                self._sent -= len(post.acts)
            raise

    def _posted(self, client: Client, post: Post) -> bool:
        bodies = [act.body() for act in post.acts]
        reply = client.send("ingest", "POST", "/v1/activities", bodies if len(bodies) > 1 else bodies[0], post.key)
        assert reply.status == 202, reply
        results = reply.body["results"]
        assert [result["index"] for result in results] == list(range(len(bodies)))
        with self._lock:
            for act, result in zip(post.acts, results, strict=True):
                assert result["status"] in ("accepted", "duplicate"), result
                self._acknowledge(act, result)
            self._done += len(bodies)
        return True

    def _acknowledge(self, act: Act, result: dict[str, Any]) -> None:
        self.results[result["status"]] += 1
        act.event_id = result["event_id"]
        assert act.identity == result["event_id"]
        self.acknowledged[act.identity] = act
        if act.data["type"] != "correction":
            self.leads.setdefault(email(act.lead), set()).add(result["lead_id"])

    def _tell(self, client: Client, story: Story) -> bool:
        """The next step of a lead's story; whether that was the last."""
        steps = (self._form, self._hearing, self._handoff, self._accept)
        if steps[story.step](client, story):
            story.step += 1
        return story.step == (4 if story.accepted else 3)

    def _form(self, client: Client, story: Story) -> bool:
        fields = {"email": email(story.number), "company_name": f"Firm {story.number}", "employees": 350}
        reply = client.send("ingest", "POST", "/v1/leads", {"fields": fields}, self._key("form", story))
        assert reply.status in (200, 201), reply
        with self._lock:
            self.leads.setdefault(email(story.number), set()).add(reply.body["lead_id"])
        story.lead_id = reply.body["lead_id"]
        return True

    def _hearing(self, client: Client, story: Story) -> bool:
        answers = {"needs": {"status": "confirmed", "quote": "yes"}, "authority": {"status": "confirmed"}}
        body = {"rep": "tanaka", "heard_at": "2026-02-03T01:00:00Z", "channel": "call", "answers": answers}
        path = f"/v1/leads/{story.lead_id}/hearings"
        reply = client.send("ingest", "POST", path, body, self._key("hearing", story))
        assert reply.status == 201, reply
        return True

    def _handoff(self, client: Client, story: Story) -> bool:
        body = {"lead_id": story.lead_id, "rep": "tanaka", "reason": "They want to see it next week."}
        key = self._key(f"handoff-{story.asked}", story)
        reply = client.send("handoff", "POST", "/v1/handoffs", body, key)
        if reply.status == 404 or (reply.status == 409 and reply.body["type"].endswith("handoff-not-ready")):
            story.asked += 1  # the hearing is still on its way; that was an answer, so the next try is a new request
            return False
        assert reply.status == 201, reply  # also when the answer to it was lost once: never 409 for one's own handoff
        story.handoff_id = reply.body["handoff_id"]
        return True

    def _accept(self, client: Client, story: Story) -> bool:
        path = f"/v1/handoffs/{story.handoff_id}/accept"
        reply = client.send("handoff", "POST", path, {"sales_rep": "sato"}, self._key("accept", story))
        assert reply.status == 200, reply
        assert reply.body["status"] == "accepted"
        return True

    def _key(self, what: str, story: Story) -> str:
        return f"{SOURCE}-{self.plan.seed}-{what}-{story.number}"
