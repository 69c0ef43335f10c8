"""The staff's API: closed without its token, one line for each refusal, and every change in the log."""

from pathlib import Path

import httpx
import pytest

from cloud.portal.settings import Settings
from cloud.registry import snapshot
from cloud.registry.change import Registry
from contract.problems import Problem
from tests.registry.city import MAR_S, Meter, city
from tests.registry.staff_client import Client
from tests.registry.staff_client import client as ask_room

TOKEN = "a-token-of-the-test"
WHO = {"by": "lee", "reason": "CT 교체"}


def client(registry: Registry, token_file: Path | None, token: str = "") -> Client:
    """Of this registry."""
    return ask_room(Settings(registry=registry.snapshot, areas=(), staff_token_file=token_file), token)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return city(tmp_path, Meter("m1"), Meter("m2"))


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def staff(registry: Registry, token_file: Path) -> Client:
    return client(registry, token_file, TOKEN)


def refusal(answer: httpx.Response, status: int) -> str:
    """The one line of a refusal."""
    assert answer.status_code == status
    line = str(answer.json()["detail"])
    assert "\n" not in line
    return line


def test_without_a_token_file_there_is_no_such_address(registry: Registry) -> None:
    assert client(registry, None).get("meters").status_code == 404


def test_it_opens_to_its_token_only(registry: Registry, token_file: Path) -> None:
    started = client(registry, token_file)
    answer = started.get("meters")
    assert "expected Authorization: Bearer" in refusal(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    for wrong in (f"Basic {TOKEN}", "Bearer"):
        refusal(started.get("meters", headers={"authorization": wrong}), 401)
    for wrong in ("Bearer other", f"Bearer {TOKEN}x"):
        refusal(started.get("meters", headers={"authorization": wrong}), 403)
        refusal(started.ask("PATCH", "meters/m1", headers={"authorization": wrong}, json=WHO), 403)


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [(TOKEN, 0o640, "others can read it"), ("short", 0o600, "at least 16"), (None, 0o600, "cannot be read")],
)
def test_a_token_file_that_is_none_is_refused(
    registry: Registry, tmp_path: Path, content: str | None, mode: int, complaint: str
) -> None:
    path = tmp_path / "bad"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(Problem, match=complaint):
        client(registry, path)


def test_rows_are_shown(staff: Client) -> None:
    answer = staff.get("meters", params={"limit": 1, "offset": 1})
    assert [row["meter"] for row in answer.json()] == ["m2"]
    assert answer.headers["cache-control"] == "no-store"
    assert [row["meter"] for row in staff.get("meters", params={"building": "b1"}).json()] == ["m1", "m2"]
    assert staff.get("buildings/b1").json()["use"] == 14
    assert staff.get("lives/m1@2026-01-01").json()["installed"] == "2026-01-01T00:00:00+09:00"


def test_a_change_is_made_logged_and_published(staff: Client, registry: Registry) -> None:
    body = WHO | {"field": "multiplier", "value": "40", "since": "2026-03-01"}
    done = staff.ask("PATCH", "meters/m1", json=body).json()
    assert (done["act"], done["added"]) == (2, {"multipliers": 1})
    assert done["version"] == snapshot.version(registry.snapshot)
    spans = snapshot.load(registry.snapshot).spans.to_pylist()
    assert [(row["meter"], row["from_s"], row["multiplier"]) for row in spans][1] == ("m1", MAR_S, 40.0)
    (row,) = staff.get("log", params={"entity": "multipliers"}).json()
    assert (row["by"], row["reason"], row["source"], row["after"]) == ("lee", "CT 교체", "staff api", "multiplier=40.0")


def test_rows_come_and_go(staff: Client) -> None:
    cells = {"outage": "o1", "from": "2026-03-01", "to": "2026-03-02", "gateway": "g1"}
    assert staff.ask("POST", "outages", json=WHO | {"cells": cells}).status_code == 201
    assert staff.get("outages/o1").json()["reason"] == "CT 교체"
    gone = staff.ask("DELETE", "outages/o1", json=WHO)
    assert gone.json()["removed"] == {"outages": 1}
    assert "there is none" in refusal(staff.get("outages/o1"), 404)
    fields = [(row["before"] is None, row["after"] is None) for row in staff.get("log?entity=outages").json()]
    assert fields == [(False, True), (True, False)]


@pytest.mark.parametrize(
    ("path", "body", "status", "complaint"),
    [
        ("meters/m9", WHO | {"field": "role", "value": "sub"}, 404, "there is none in the registry"),
        ("meters/m1", WHO | {"field": "colour", "value": "red"}, 404, "no field 'colour'"),
        ("castles/m1", WHO | {"field": "role", "value": "sub"}, 404, "unknown entity"),
        ("meters/m1", WHO | {"field": "parent", "value": "m1"}, 409, "not itself"),
        ("meters/m1", WHO | {"field": "parent", "value": "m9"}, 409, "unknown parent 'm9'"),
        ("meters/m1", WHO | {"field": "role", "value": "king"}, 422, "role 'king': expected one of"),
        ("meters/m1", {"by": "lee", "field": "role", "value": "sub"}, 422, "body.reason: Field required"),
        ("meters/m1", WHO | {"by": "", "field": "role", "value": "sub"}, 422, "body.by: String should have"),
        ("meters/m1", WHO | {"field": "role", "value": "sub", "to": "x"}, 422, "body.to: Extra inputs"),
    ],
)
def test_bad_changes_are_refused_in_one_line(
    staff: Client, path: str, body: dict[str, str], status: int, complaint: str
) -> None:
    assert complaint in refusal(staff.ask("PATCH", path, json=body), status)
    assert {row["act"] for row in staff.get("log").json()} == {1}
