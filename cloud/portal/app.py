"""The portal: one process, which puts the rooms together and serves them."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from cloud.ingest import metrics as metrics_server
from cloud.portal.house import House, Room, environment, folders, rooms
from cloud.portal.metrics import Counted, Metrics
from cloud.portal.security import STATIC, SecurityHeaders
from cloud.portal.settings import Settings
from cloud.portal.texts import Language
from contract.problems import Problem

_log = logging.getLogger(__name__)

OPENAPI = "/api/openapi.json"


def create_app(settings: Settings) -> FastAPI:
    """The whole portal. Raises Problem where the registry's snapshot shows no site."""
    house = House(settings, environment())
    built = [module.room(house) for _, module in rooms()]

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.ensure_future(room.run()) for room in built]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            close_rooms(built)

    app = FastAPI(
        title="Bitgoeul",
        version="1",
        openapi_url=OPENAPI,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.rooms, app.state.metrics = built, Metrics(built)
    for room in built:
        app.include_router(room.router)
    for owner, folder in folders("static").items():
        app.mount(f"{STATIC}{owner}", StaticFiles(directory=folder))
    app.add_exception_handler(HTTPException, _error_page(house))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Counted, metrics=app.state.metrics)
    return app


def close_rooms(built: list[Room]) -> None:
    """Let every listener go."""
    for room in built:
        room.close()


def serve(settings: Settings) -> int:
    """Serve until a signal ends it; the exit status. Raises Problem where the address cannot be had."""
    app = create_app(settings)
    listening = _listen(settings)
    scraped = _open_metrics(settings, app)
    # asyncio sets it on sockets that it opened itself only; without it, an answer may wait 40 ms for its head's ACK
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    host, port = listening.getsockname()[:2]
    _log.info("event=portal-listens address=http://%s:%d/", f"[{host}]" if ":" in host else host, port)
    signal.signal(signal.SIGTERM, _end)
    with listening, scraped, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(uvicorn.Server(config), listening, app))
    return 0


@contextlib.contextmanager
def _open_metrics(settings: Settings, app: FastAPI) -> Iterator[None]:
    """Answer those who run the portal, for as long as it is up. Raises Problem where the address cannot be had."""
    if settings.metrics_port is None:
        yield
        return
    server = metrics_server.bind(
        app.state.metrics,
        lambda: [problem for room in app.state.rooms for problem in room.problems()],
        settings.metrics_host,
        settings.metrics_port,
    )
    metrics_server.start(server)
    _log.info("event=portal-metrics address=http://%s:%d/metrics", *server.server_address[:2])
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _end(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn takes the signal, ends in good order, and then raises it once more
    raise SystemExit(0)


async def _serve(server: uvicorn.Server, listening: socket.socket, app: FastAPI) -> None:
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    # uvicorn waits for open answers before it tells the app to stop, and an event stream never ends by itself
    while not (serving.done() or server.should_exit):  # noqa: ASYNC110  # there is no event to wait for
        await asyncio.sleep(0.1)
    close_rooms(app.state.rooms)
    await serving


def _listen(settings: Settings) -> socket.socket:
    where = f"{settings.host}:{settings.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem(
            f"포털 주소 {where}을(를) 열 수 없습니다: {reason} (--host, --port를 확인하십시오)",
            f"the portal's address {where} cannot be opened: {reason} (see --host and --port)",
        ) from error


def _error_page(house: House) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path
        if path.startswith("/api/"):
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)
        language: Language = "en" if path == "/en" or path.startswith("/en/") else "ko"
        text = "shell.error_404" if error.status_code == 404 else "shell.error_other"
        page = house.render("shell/error.html", language, "/", text=text)
        return HTMLResponse(page, error.status_code, error.headers)

    return answer
