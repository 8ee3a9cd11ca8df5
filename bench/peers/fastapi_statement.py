"""The same job as an expert would write it with FastAPI: one statement by hand, on a pool of asyncpg.

    uvicorn --workers 2 bench.peers.fastapi_statement:app

It works on the service's own tables and does the same job without the access log.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import asyncpg
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

RECORD = """
WITH device AS (
    UPDATE devices_device
    SET num_requests = num_requests + 1, last_access = now(),
        last_access_status = CASE WHEN location_id IS NULL THEN 'Fail' ELSE 'Success' END
    WHERE mac = $1 RETURNING group_id, location_id
), handed_out AS (
    UPDATE locations_location SET last_access = now() WHERE id = (SELECT location_id FROM device)
)
SELECT l.url, g.name
FROM device JOIN accounts_group g ON g.id = device.group_id
LEFT JOIN locations_location l ON l.id = device.location_id
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The pool lives as long as the application."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=16, max_size=16) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/{mac}")
async def redirect(mac: str) -> Response:
    """302 to where the phone's configuration is, or 404."""
    mac = mac.replace(":", "").replace("-", "").upper()
    row = await app.state.pool.fetchrow(RECORD, mac)
    if row is None or row["url"] is None:
        return JSONResponse({"description": f"device MAC {mac} was not found"}, status_code=404)
    url = row["url"].replace("{MAC ADDRESS}", mac).replace("{CUSTOMER NAME}", quote(row["name"], safe=""))
    return Response(status_code=302, headers={"Location": url})
