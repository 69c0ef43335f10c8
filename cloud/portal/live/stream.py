"""Server-sent events from the feed to one listener, who may be slow but holds nobody up."""

import asyncio

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from cloud.portal.live.feed import Feed
from cloud.portal.texts import Language

SEND_WITHIN_S = 20.0  # a listener that takes nothing for so long is let go
RETRY = b"retry: 2000\n\n"


class EventStream(Response):
    """First the curves, then the newest frame whenever there is one; frames that a slow listener misses are gone."""

    def __init__(self, feed: Feed, language: Language, send_within_s: float = SEND_WITHIN_S) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed
        self._language = language
        self._send_within_s = send_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Send until the listener leaves, stalls, or the feed closes."""
        self._feed.listeners += 1
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.listeners -= 1
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(self._send_within_s):
                await send(message)

        await send_soon({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        frame = self._feed.frame
        body = RETRY + frame.curves + frame.events[self._language]
        while not self._feed.closed:
            await send_soon({"type": "http.response.body", "body": body, "more_body": True})
            frame = await self._feed.after(frame.n)
            body = frame.events[self._language]
        await send_soon({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
