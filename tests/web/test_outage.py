"""What a database that goes away leaves behind of a request with an Idempotency-Key."""

import asyncpg
import pytest

from shared.db import DatabaseUnavailable, connect
from shared.settings import Settings
from shared.web.endpoint import Answer
from shared.web.idempotency import Idempotency, claim_of
from shared.web.problems import Problem


@pytest.mark.parametrize("how", ["released", "answered"])
async def test_a_run_that_ended_during_an_outage_is_not_waited_for(
    postgres_url: str, database_url: str, how: str
) -> None:
    engine = connect(Settings(database_url=database_url), "test")
    server = await asyncpg.connect(postgres_url)
    name = database_url.partition("?")[0].rpartition("/")[2]
    try:
        store, first = Idempotency(engine), claim_of("me", "POST /v1/things", "key", b"{}")
        assert await store.begin(first) is None
        await server.execute(f'alter database "{name}" allow_connections false')
        await server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        with pytest.raises(DatabaseUnavailable):
            await (store.release(first) if how == "released" else store.finish(first, Answer(b"{}", 201)))
        await server.execute(f'alter database "{name}" allow_connections true')

        again = claim_of("me", "POST /v1/things", "key", b"{}")
        with pytest.raises(Problem, match="in-flight"):  # another process cannot know that the run has ended
            await Idempotency(engine).begin(again)
        assert await store.begin(again) is None
        await store.finish(again, Answer(b"{}", 201))
        stored = await store.begin(claim_of("me", "POST /v1/things", "key", b"{}"))
        assert stored is not None
        assert stored.answer.status == 201
    finally:
        await server.close()
        await engine.dispose()
