"""InfluxDB over HTTP: `/write` and `/query`, the part that 1.x, 2.5+ and 3 have in common, and its errors.

An answer is one of four things: it is there; come again later (429, 5xx, time-out: StoreUnavailable); these
lines are refused (400, 413, 422: Refused); the settings are wrong (401, 403, 404: Problem).
"""

import gzip
import json
import logging
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.util import Retry, Timeout, parse_url

from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem

log = logging.getLogger(__name__)

# a proxy in maintenance may name hours, and be back in minutes
MAX_RETRY_AFTER_S = 60.0
# no gateway of ours ever makes such a measurement: an honest engine answers that there is none
_ABSENT = 'SELECT first("quality") FROM "bitgoeul_absent" WHERE time >= 0s AND time < 1s'


@dataclass(frozen=True)
class InfluxSettings:
    """Where InfluxDB is and who asks: `token`, or `user` and `password` (2.x and 3: any user, the token).

    `gzip` makes a seventh of the lines for 0.3 µs each here and more there: for a network, not for loopback.
    """

    url: str
    database: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    connections: int = 4
    gzip: bool = False
    timeout_s: float = 30.0


class Refused(Exception):
    """These lines, or some of them, will never be taken as they are; `dropped` is how many, where that is said.

    It is said last, in 2.7 after the oldest and the newest line: it is looked for in all of `said`.
    """

    def __init__(self, why: str, said: str) -> None:
        super().__init__(why)
        counts = re.findall(r"\bdropped=(\d{1,9})\b", said)
        self.dropped = int(counts[-1]) if counts else None


class InfluxConnection:
    """A pool of kept-alive connections; any thread may call."""

    def __init__(self, settings: InfluxSettings) -> None:
        self.settings = settings
        self._pool = _pool(settings)
        self._prefix = (parse_url(settings.url).path or "").rstrip("/")
        self._headers = _authorization(settings)
        self._checked = False

    def check(self) -> None:
        """Raise Problem if this is not an InfluxDB that we can use, and StoreUnavailable if it is away."""
        answer = self._ask(_ABSENT, "application/json")
        try:
            (result,) = json.loads(answer)["results"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._no_influxdb(answer) from error
        _raise_error_within(result, self.settings)
        if result.get("series"):
            raise self._no_influxdb(answer)
        self._checked = True

    def write(self, lines: bytes | memoryview) -> None:
        """Return once InfluxDB has all lines on disk. Raises StoreUnavailable, Refused, Problem."""
        if not self._checked:
            self.check()
        headers = dict(self._headers)
        if self.settings.gzip:
            lines, headers["Content-Encoding"] = gzip.compress(lines, 1), "gzip"
        path = "/write?" + urlencode({"db": self.settings.database, "precision": "s"})
        self._request("POST", path, headers, lines, done=(204,))

    def csv(self, query: str) -> bytes:
        """The answer as CSV, times in seconds; an empty one may hide an error, so ask `first_s` then."""
        if not self._checked:
            self.check()
        return self._ask(query, "application/csv")

    def first_s(self, query: str) -> int | None:
        """The time of the one row that `query` selects, or None. Raises StoreUnavailable, Problem."""
        (result,) = json.loads(self._ask(query, "application/json"))["results"]
        _raise_error_within(result, self.settings)
        return int(result["series"][0]["values"][0][0]) if result.get("series") else None

    def carry_out(self, statement: str) -> None:
        """One that changes something, as DELETE does. Raises StoreUnavailable, Problem."""
        answer = self._ask(statement, "application/json", "POST")
        for result in json.loads(answer).get("results", []):  # 2.x answers with {}
            _raise_error_within(result, self.settings)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _ask(self, query: str, accept: str, method: str = "GET") -> bytes:
        path = "/query?" + urlencode({"db": self.settings.database, "epoch": "s", "q": query})
        try:
            return self._request(method, path, self._headers | {"Accept": accept})
        except Refused as error:
            raise StoreUnavailable(f"{self.settings.url}: query refused: {error}") from error

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | memoryview | None = None,
        done: Sequence[int] = (200,),
    ) -> bytes:
        try:
            # urllib3 sends any bytes-like, its types know bytes only
            answer = self._pool.urlopen(method, self._prefix + path, body, headers, retries=False)  # type: ignore[arg-type]
        except urllib3.exceptions.SSLError as error:
            url = self.settings.url
            # a connection cut in the handshake, or a proxy that is starting, passes
            if not isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise StoreUnavailable(f"{url}: {error}") from error
            raise Problem(
                f"{url}: TLS 인증서를 확인할 수 없습니다: {error}", f"{url}: TLS certificate not verified: {error}"
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailable(f"{self.settings.url}: {error}") from error
        if answer.status in done:
            return answer.data
        # whoever says something else may be somebody else: a proxy's maintenance page comes with a 200
        self._checked = self._checked and answer.status >= 300
        raise self._failure(answer)

    def _failure(self, answer: urllib3.BaseHTTPResponse) -> Exception:
        whole = answer.data.decode("utf-8", "replace").strip()
        said = whole[:300]
        why = f"{self.settings.url}: {answer.status} {said}"
        if answer.status in (400, 413, 422):
            return Refused(why, whole)
        if answer.status in (401, 403):
            return Problem(f"{why} (사용자, 비밀번호, 토큰을 확인하십시오)", f"{why} (check user, password and token)")
        if answer.status == 404:
            return _unknown_database(self.settings, said)
        return StoreUnavailable(why, _retry_after_s(answer))

    def _no_influxdb(self, answer: bytes) -> Problem:
        url, said = self.settings.url, answer[:80].decode("utf-8", "replace")
        return Problem(
            f"{url}: InfluxQL을 이해하는 InfluxDB가 아닙니다 (VictoriaMetrics는 쓸 수 없습니다): {said}",
            f"{url}: not an InfluxDB that understands InfluxQL (VictoriaMetrics will not do): {said}",
        )


def _pool(settings: InfluxSettings) -> urllib3.HTTPConnectionPool:
    timeout = Timeout(connect=5.0, read=settings.timeout_s)
    options: dict[str, Any] = {"maxsize": settings.connections + 1, "timeout": timeout}
    if settings.url.startswith("https://"):
        options |= {"cert_reqs": "CERT_REQUIRED", "ca_certs": settings.ca_file and str(settings.ca_file)}
    if not settings.url.startswith(("http://", "https://")):
        raise Problem(
            f"InfluxDB 주소 '{settings.url}': http:// 또는 https://로 시작해야 합니다",
            f"InfluxDB address '{settings.url}': expected http:// or https://",
        )
    return urllib3.connection_from_url(settings.url, **options)


def _authorization(settings: InfluxSettings) -> dict[str, str]:
    if settings.token:
        return {"Authorization": f"Token {settings.token}"}
    if settings.user:
        pair = f"{settings.user}:{settings.password}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    return {}


def _raise_error_within(result: Mapping[str, Any], settings: InfluxSettings) -> None:
    error = str(result.get("error", ""))
    if "database not found" in error:
        raise _unknown_database(settings, error)
    if error:
        raise StoreUnavailable(f"{settings.url}: {error}")


def _unknown_database(settings: InfluxSettings, said: str) -> Problem:
    return Problem(
        f"{settings.url}: 데이터베이스 '{settings.database}'이(가) 없습니다. 먼저 만드십시오 ({said})",
        f"{settings.url}: no database '{settings.database}'; create it first ({said})",
    )


def _retry_after_s(answer: urllib3.BaseHTTPResponse) -> float:
    try:
        return min(Retry().get_retry_after(answer) or 0.0, MAX_RETRY_AFTER_S)
    except urllib3.exceptions.InvalidHeader:
        return 0.0
