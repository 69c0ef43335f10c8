"""Our boards into an existing Grafana, by its HTTP API: 9.4 and newer.

Reads generated/ and needs nothing that builds it, since its client lives apart from our other libraries. It touches
boards and their folders only: no data source, no alarm, no notification policy of somebody else's Grafana.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grafana_client import GrafanaApi, TokenAuth
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError

from contract.problems import Problem, UsageProblem
from dashboards.changes import Change, change

GENERATED = Path(__file__).parent / "generated"
FOLDERS = {"ko": "빛고을", "en": "Bitgoeul"}
DATASOURCE = "bitgoeul-boards"
TIMEOUT_S = 20.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """`folder` for all, else one a language; `datasource` is the uid there, else ours."""

    url: str
    token: str
    folder: str
    languages: tuple[str, ...]
    datasource: str

    def folder_of(self, language: str) -> str:
        """The title of the folder in which its boards lie."""
        return self.folder or FOLDERS[language]


def connect(wish: Wish) -> GrafanaApi:
    """Raises Problem where there is no Grafana, it knows no such token, or lacks the data source."""
    if urlsplit(wish.url).scheme not in ("http", "https") or not urlsplit(wish.url).netloc:
        raise UsageProblem(
            f"--url {wish.url}: http:// 또는 https:// 주소를 주십시오",
            f"--url {wish.url}: expected http:// or https://",
        )
    grafana = GrafanaApi.from_url(wish.url, credential=TokenAuth(token=wish.token), timeout=TIMEOUT_S)
    if not _is_grafana(grafana, wish):
        raise Problem(
            f"{wish.url}: Grafana가 아닙니다. 하위 경로(/grafana 등)까지 주었습니까?",
            f"{wish.url}: not a Grafana; does the address want a path, such as /grafana?",
        )
    uid = wish.datasource or DATASOURCE
    with told(wish.url):
        sources = {source["uid"] for source in grafana.datasource.list_datasources()}
    if uid not in sources:
        raise Problem(
            f"{wish.url}: 데이터 소스 '{uid}'이(가) 없습니다. 먼저 만들거나 --datasource UID를 주십시오",
            f"{wish.url}: no data source '{uid}'; make it first, or give --datasource UID",
        )
    return grafana


def _is_grafana(grafana: GrafanaApi, wish: Wish) -> bool:
    with told(wish.url):
        try:
            health = grafana.client.GET("/health")
        except GrafanaClientError as error:
            if error.status_code == 404:
                return False
            raise
    return isinstance(health, dict) and "database" in health


def plan(grafana: GrafanaApi, wish: Wish) -> list[Change]:
    """What would change, board by board. Raises Problem."""
    with told(wish.url):
        # asked for one by one, those that are not there would be forbidden to an editor (9.4) instead of missing
        there = {found["uid"] for found in grafana.client.GET("/search?type=dash-db&limit=5000")}
        return [
            change(board, grafana.dashboard.get_dashboard(board["uid"])["dashboard"] if board["uid"] in there else None)
            for _, board in _ours(wish)
        ]


def put(grafana: GrafanaApi, wish: Wish, due: Change) -> None:
    """One board into its folder, which is made where it is missing. Raises Problem."""
    language, board = next((language, board) for language, board in _ours(wish) if board["uid"] == due.uid)
    with told(wish.url):
        folder = _folder(grafana, wish.folder_of(language))
        content = {"dashboard": board | {"id": None}, "folderUid": folder, "overwrite": True, "message": "bitgoeul"}
        grafana.dashboard.update_dashboard(content)


@contextmanager
def told(url: str) -> Iterator[None]:
    """Whatever goes wrong becomes one line. Raises Problem."""
    try:
        yield
    except GrafanaTimeoutError as error:
        raise Problem(
            f"{url}: {TIMEOUT_S:.0f}초 안에 답이 없습니다", f"{url}: no answer within {TIMEOUT_S:.0f} s"
        ) from error
    except GrafanaException as error:
        # 9.4 says 500 of a token that it cannot read
        if error.status_code == 401 or "API key" in _why(error):
            raise Problem(
                f"{url}: 토큰을 받아들이지 않습니다 (401). 만료되었거나 다른 Grafana의 것입니다",
                f"{url}: the token is not accepted (401); it has expired, or is another Grafana's",
            ) from error
        raise Problem(f"{url}: {_why(error)}", f"{url}: {_why(error)}") from error
    except OSError as error:  # the client's own library raises its errors of connection as these
        raise Problem(
            f"{url}: 연결되지 않습니다. 주소가 맞고 Grafana가 켜져 있습니까?",
            f"{url}: cannot be reached; is the address right, and Grafana running?",
        ) from error
    except ValueError as error:
        raise Problem(f"{url}: Grafana의 답이 아닙니다", f"{url}: this is no answer of a Grafana") from error


def _ours(wish: Wish) -> Iterator[tuple[str, Json]]:
    for language in wish.languages:
        for path in sorted((GENERATED / "boards" / language).glob("*.json")):
            text = path.read_text("utf-8")
            if wish.datasource:
                text = text.replace(f'"uid": "{DATASOURCE}"', f'"uid": {json.dumps(wish.datasource)}')
            yield language, json.loads(text)


def _folder(grafana: GrafanaApi, title: str) -> str:
    for folder in grafana.folder.get_all_folders():
        if folder["title"] == title:
            return str(folder["uid"])
    return str(grafana.folder.create_folder(title)["uid"])


def _why(error: GrafanaException) -> str:
    said = error.response.get("message", "") if isinstance(error.response, dict) else ""
    return f"{error.status_code} {said or error.message}".strip().splitlines()[0][:200]
