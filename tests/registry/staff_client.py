"""The staff's room, asked without a socket."""

import asyncio
from typing import Any

import httpx
import jinja2
from fastapi import FastAPI

from cloud.portal.house import House
from cloud.portal.settings import Settings
from cloud.portal.staff.routes import ROOT, room


class Client:
    """Asks an app without a socket."""

    def __init__(self, app: FastAPI, token: str = "") -> None:
        self._app = app
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer; `path` is below ROOT."""

        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
                headers = self._headers | more.pop("headers", {})
                return await client.request(method, f"{ROOT}/{path}", headers=headers, **more)

        return asyncio.run(answer())

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.ask("GET", path, **more)


def client(settings: Settings, token: str = "") -> Client:
    """The room alone: the rest of the portal needs areas, and this room no templates."""
    app = FastAPI()
    app.include_router(room(House(settings, jinja2.Environment(autoescape=True))).router)
    return Client(app, token)
