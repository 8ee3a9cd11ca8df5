"""The same job as one would write it first with FastAPI: SQLAlchemy's asynchronous ORM over asyncpg.

    uvicorn --workers 2 bench.peers.fastapi_orm:app

It works on the service's own tables and does the same job without the access log.
"""

import os
from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import DateTime, ForeignKey, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1), pool_size=16, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """What all tables share."""


class Group(Base):
    """A tenant."""

    __tablename__ = "accounts_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Location(Base):
    """Where phones are redirected to."""

    __tablename__ = "locations_location"
    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    last_access: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Device(Base):
    """A phone."""

    __tablename__ = "devices_device"
    id: Mapped[int] = mapped_column(primary_key=True)
    mac: Mapped[str]
    group_id: Mapped[int] = mapped_column(ForeignKey("accounts_group.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations_location.id"))
    num_requests: Mapped[int]
    last_access: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_access_status: Mapped[str]
    group: Mapped[Group] = relationship()
    location: Mapped[Location | None] = relationship()


@app.get("/{mac}")
async def redirect(mac: str) -> Response:
    """302 to where the phone's configuration is, or 404."""
    mac = mac.replace(":", "").replace("-", "").upper()
    async with sessions() as session:
        device = await session.scalar(
            select(Device).options(joinedload(Device.group), joinedload(Device.location)).where(Device.mac == mac)
        )
        if device is None:
            return JSONResponse({"description": f"device MAC {mac} was not found"}, status_code=404)
        device.num_requests = Device.num_requests + 1  # type: ignore[assignment]
        device.last_access = datetime.now(UTC)
        device.last_access_status = "Success" if device.location else "Fail"
        if device.location is not None:
            device.location.last_access = device.last_access
        await session.commit()
    if device.location is None:
        return JSONResponse({"description": f"device MAC {mac} was not found"}, status_code=404)
    url = device.location.url.replace("{MAC ADDRESS}", mac)
    return RedirectResponse(url.replace("{CUSTOMER NAME}", quote(device.group.name, safe="")), status_code=302)
