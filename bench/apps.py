"""What ingest is compared with: `python -m bench.apps echo|transactions <port>`.

echo: Starlette, stores nothing. transactions: what most would write, FastAPI with pydantic, SQLAlchemy's ORM, and a
transaction for each request that stores the event and its outbox row. Both under the settings of uvicorn that the
services have.
"""

import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import JSON, ForeignKey, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shared.db import connect
from shared.settings import Settings

PATH = "/v1/activities"


def echo() -> ASGIApp:
    """Answers each body with itself."""

    async def answer(request: Request) -> Response:
        return Response(await request.body(), 202, media_type="application/json")

    return Starlette(routes=[Route(PATH, answer, methods=["POST"])])


class Base(DeclarativeBase):
    """Tables of the schema `bench`."""


class StoredEvent(Base):
    """An event under its identity."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("source", "id"), {"schema": "bench"})
    n: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    id: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    lead_id: Mapped[str] = mapped_column(Text, index=True)
    occurred_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class OutboxRow(Base):
    """What is to be told to the log."""

    __tablename__ = "outbox"
    __table_args__ = {"schema": "bench"}  # noqa: RUF012 - SQLAlchemy's form
    n: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[int] = mapped_column(ForeignKey(StoredEvent.n))
    message: Mapped[dict[str, Any]] = mapped_column(JSON)


class Activity(BaseModel):
    """The body."""

    id: str
    source: str
    type: str
    occurred_at: datetime
    lead_id: str
    rep: str
    direction: str
    outcome: str
    duration_s: int | None = None


class Receipt(BaseModel):
    """The answer."""

    accepted: int
    event_id: str


def transactions() -> ASGIApp:
    """Stores each body in a transaction of its own."""
    engine = connect(Settings(), "transactions")
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with session_of() as opened:
            yield opened

    @app.post(PATH, status_code=202)
    async def post(activity: Activity, db: Annotated[AsyncSession, Depends(session)]) -> Receipt:
        content = activity.model_dump(mode="json")
        stored = StoredEvent(
            source=activity.source,
            id=activity.id,
            type=activity.type,
            lead_id=activity.lead_id,
            occurred_at=activity.occurred_at,
            data=content,
        )
        db.add(stored)
        await db.flush()
        db.add(OutboxRow(event=stored.n, message=content))
        await db.commit()
        return Receipt(accepted=1, event_id=activity.id)

    return app


if __name__ == "__main__":
    app = {"echo": echo, "transactions": transactions}[sys.argv[1]]()
    uvicorn.run(
        app,
        port=int(sys.argv[2]),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="httptools",
        loop="uvloop",
    )
