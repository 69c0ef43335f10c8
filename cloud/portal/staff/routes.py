"""The staff's addresses under /api/v1/staff/registry: look at the registry, change it, and see who did.

They are there only where the portal was given a token. Every change says who makes it and why.
"""

import hmac
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from cloud.portal.house import House, Room
from cloud.registry.cells import Value
from cloud.registry.change import SNAPSHOT, Author, Outcome, Registry
from cloud.registry.checks import Contradiction
from cloud.registry.connecting import Away
from cloud.registry.editing import Setting, UnknownRow, add_outage, add_row, remove_row, set_field
from cloud.registry.looking import get_row, list_log, list_rows
from cloud.registry.opening import open_registry_later
from contract.problems import Problem, Text

ROOT = "/api/v1/staff/registry"
SOURCE = "staff api"
MIN_TOKEN = 16
MAX_ROWS = 1000
Row = dict[str, Value]
Limit = Annotated[int, Query(ge=1, le=MAX_ROWS)]
_SHAPE = ConfigDict(extra="forbid", str_max_length=100_000)


class WhoV1(BaseModel):
    """Who makes a change, and why."""

    model_config = _SHAPE
    by: str = Field(min_length=1, max_length=100)
    reason: str = Field(min_length=1, max_length=1000)


class ChangeV1(WhoV1):
    """One field's new value as it would stand in a CSV cell; `since` is a time from when on it holds."""

    field: str
    value: str
    since: str = ""


class RowV1(WhoV1):
    """A row as it would stand in a CSV file, by column."""

    cells: dict[str, str]


class DoneV1(BaseModel):
    """`act` is the change's number in the log, 0 where nothing was new; `version` that of the snapshot."""

    act: int
    version: str
    added: dict[str, int]
    changed: dict[str, int]
    removed: dict[str, int]


def room(house: House) -> Room:
    """Build the room. Raises Problem where the token's file or the registry cannot be used."""
    router = APIRouter()
    token_file = house.settings.staff_token_file
    if token_file is not None:
        settings, folder = house.settings, house.settings.registry
        registry = open_registry_later(
            folder.parent if folder.name == SNAPSHOT else folder, settings.database, settings.database_password_file
        )
        inside = APIRouter(
            prefix=ROOT, route_class=_OneLine, tags=["staff"], dependencies=[Depends(_gate(read_token(token_file)))]
        )
        _add_looking(inside, registry)
        _add_changing(inside, registry)
        router.include_router(inside)
    return Room(router=router, run=_nothing, close=lambda: None)


def read_token(path: Path) -> bytes:
    """The token. Raises Problem where the file cannot be read, others can read it, or it is too short to be one."""
    try:
        mode, token = path.stat().st_mode, path.read_bytes().strip()
    except OSError as error:
        raise Problem(
            f"--staff-token-file {path}: 읽을 수 없습니다: {error.strerror}",
            f"--staff-token-file {path}: cannot be read: {error.strerror}",
        ) from error
    if mode & 0o077:
        raise Problem(
            f"--staff-token-file {path}: 다른 사용자가 읽을 수 있습니다 (chmod 600)",
            f"--staff-token-file {path}: others can read it (chmod 600)",
        )
    if len(token) < MIN_TOKEN:
        raise Problem(
            f"--staff-token-file {path}: 토큰은 {MIN_TOKEN}자 이상이어야 합니다",
            f"--staff-token-file {path}: expected a token of at least {MIN_TOKEN} characters",
        )
    return token


async def _nothing() -> None:
    """The room does nothing by itself."""


class _OneLine(APIRoute):
    """Problems become answers with one line, and nothing of it is kept by a browser."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                response = await answer(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise HTTPException(422, f"{where}: {first['msg']}") from error
            except Problem as problem:
                raise HTTPException(_status(problem), _line(problem.text)) from problem
            response.headers["cache-control"] = "no-store"
            return response

        return guarded


def _status(problem: Problem) -> int:
    kinds = ((UnknownRow, 404), (Contradiction, 409), (Away, 503))
    return next((status for kind, status in kinds if isinstance(problem, kind)), 422)


def _line(text: Text) -> str:
    return f"{text.ko} / {text.en}"


def _gate(token: bytes) -> Callable[[str], None]:
    def check(authorization: Annotated[str, Header(include_in_schema=False)] = "") -> None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given:
            line = Text("Authorization: Bearer 토큰이 필요합니다", "expected Authorization: Bearer TOKEN")
            raise HTTPException(401, _line(line), {"www-authenticate": "Bearer"})
        if not hmac.compare_digest(given.strip().encode(), token):
            raise HTTPException(403, _line(Text("토큰이 맞지 않습니다", "the token is wrong")))

    return check


def _add_looking(router: APIRouter, registry: Registry) -> None:
    @router.get("/log")
    def log(entity: str = "", key: str = "", limit: Limit = 100) -> list[Row]:
        return list_log(registry, entity, key, limit)

    @router.get("/{entity}")
    def rows(entity: str, request: Request, limit: Limit = 100, offset: Annotated[int, Query(ge=0)] = 0) -> list[Row]:
        where = {name: value for name, value in request.query_params.items() if name not in ("limit", "offset")}
        return list_rows(registry, entity, where, limit, offset)

    @router.get("/{entity}/{key:path}")
    def row(entity: str, key: str) -> Row:
        found = get_row(registry, entity, key)
        if found is None:
            raise UnknownRow(f"{entity} '{key}': 등록부에 없습니다", f"{entity} '{key}': there is none in the registry")
        return found


def _add_changing(router: APIRouter, registry: Registry) -> None:
    @router.post("/outages", status_code=201)
    def outage(body: RowV1) -> DoneV1:
        return _done(add_outage(registry, {"reason": body.reason} | body.cells, _author(body)))

    @router.post("/{entity}", status_code=201)
    def add(entity: str, body: RowV1) -> DoneV1:
        return _done(add_row(registry, entity, body.cells, _author(body)))

    @router.patch("/{entity}/{key:path}")
    def change(entity: str, key: str, body: ChangeV1) -> DoneV1:
        setting = Setting(entity, key, body.field, body.value, body.since)
        return _done(set_field(registry, setting, _author(body)))

    @router.delete("/{entity}/{key:path}")
    def remove(entity: str, key: str, body: WhoV1) -> DoneV1:
        return _done(remove_row(registry, entity, key, _author(body)))


def _author(body: WhoV1) -> Author:
    return Author(body.by, body.reason, SOURCE)


def _done(outcome: Outcome) -> DoneV1:
    return DoneV1(
        act=outcome.act,
        version=outcome.version,
        added=dict(outcome.added),
        changed=dict(outcome.changed),
        removed=dict(outcome.removed),
    )
