"""What holds for every generated file, without a server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.__main__ import main
from dashboards import build, palette
from dashboards.boards.common import BOARDS, Desk
from dashboards.grafana import board_json
from dashboards.rules import RULES
from dashboards.texts import CATALOGUE, LANGUAGES, catalogue

EVERY = [(language, name) for language in LANGUAGES for name in BOARDS]
VISIBLE = {"title", "description", "text", "label", "displayName", "noValue", "alias", "content", "tooltip", "name"}
CORE = {"stat", "timeseries", "barchart", "bargauge", "table", "geomap", "state-timeline", "gauge", "text"}


def _board(language: str, name: str) -> Any:
    return json.loads((build.GENERATED / "boards" / language / f"{name}.json").read_text("utf-8"))


def _strings(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, str):
        yield key, value


def test_files_are_fresh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dashboards", "check"]) == 0
    assert main(["dashboards", "build", "--to", str(tmp_path), "--map-url", "https://city.example/map"]) == 0
    assert build.stale(tmp_path) == [f"boards/{language}/city.json" for language in ("en", "ko")]
    (tmp_path / "boards/ko/old.json").write_text("{}")
    (tmp_path / "boards/ko/site.json").unlink()
    assert {"boards/ko/old.json", "boards/ko/site.json"} <= set(build.stale(tmp_path))
    build.write(tmp_path)
    # what lies in a folder that somebody named may be theirs, and stays
    assert build.stale(tmp_path) == ["boards/ko/old.json"]
    assert "25" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "boards").write_text("in the way")
    assert main(["dashboards", "build", "--to", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_every_word_is_from_the_catalogue_and_every_text_of_it_is_used() -> None:
    used: set[str] = set()

    def say(key: str) -> str:
        assert key in catalogue(), key
        used.add(key)
        return f"⟦{key}⟧"

    names = {
        text.of(language) for key, text in catalogue().items() if key == "links.this_language" for language in LANGUAGES
    }
    for name in BOARDS:
        board = board_json(build.written(name, Desk("ko", say, build.MAP_URL)))
        for variable in board["templating"]["list"]:
            variable["name"] = ""
        for key, text in _strings(board):
            if key in VISIBLE and text not in names:
                left = re.sub(r"⟦[^⟧]+⟧|\$\{[^}]+\}|\$\w+|\b[A-Z]\b|\b[A-Z]+\d*\b", "", text)
                assert not re.search(r"[^\W\d_]", left), f"{name}: {key} {text!r}"
    listed = {key for key in catalogue() if not key.startswith(("grade.", "rule.", "type."))}
    assert {key for key in listed - used if not key.startswith("alarm.")} <= {"links.this_language"}
    alarms = {f"alarm.{rule.key}{end}" for rule in RULES for end in ("", "_summary")}
    assert {key for key in listed if key.startswith("alarm.")} == alarms | {"alarm.folder"}


def test_each_text_is_in_both_languages() -> None:
    for key, text in catalogue().items():
        assert text.ko.strip(), key
        assert text.en.strip(), key
        assert not re.search("[가-힣]", text.en) or key == "links.this_language", key
    assert CATALOGUE.read_text("utf-8").count("{ ko =") == sum(
        not key.startswith(("grade.", "rule.", "type.")) or key in _OF_TYPE_BOARD for key in catalogue()
    )


_OF_TYPE_BOARD = {"type.title", "type.about", "type.compared", "type.compared_about"}


@pytest.mark.parametrize(("language", "name"), EVERY)
def test_panels_lie_on_the_grid_without_overlap(language: str, name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in _board(language, name)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
        assert panel["type"] in CORE


@pytest.mark.parametrize("name", BOARDS)
def test_both_languages_are_one_board_but_for_their_words(name: str) -> None:
    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items() if key not in ("text", "query")}
        return [shape(inner) for inner in value] if isinstance(value, list) else type(value)

    assert shape(_board("ko", name)) == shape(_board("en", name))


def test_the_wall_fits_a_screen_of_1080_lines() -> None:
    panels = _board("ko", "city")["panels"]
    lowest = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    assert lowest * 38 + 16 <= 1080  # a cell is 30 pixels, and 8 between them
    assert len(panels) <= 18


@pytest.mark.parametrize(("language", "name"), EVERY)
def test_links_lead_to_boards_that_exist_with_variables_they_have(language: str, name: str) -> None:
    variables = {
        _board(of, other)["uid"]: {variable["name"] for variable in _board(of, other)["templating"]["list"]}
        for of, other in EVERY
    }
    found = [text for key, text in _strings(_board(language, name)) if key == "url"]
    assert len(found) > 5
    for url in found:
        path, _, asked = url.partition("?")
        uid = path.removeprefix("/d/")
        assert uid in variables, url
        for part in filter(None, asked.split("&")):
            assert part.partition("=")[0].removeprefix("var-") in variables[uid], url


def test_the_way_leads_from_the_city_to_a_meter_and_back() -> None:
    leads = {
        name: {text.partition("?")[0] for key, text in _strings(_board("ko", name)) if key == "url"} for name in BOARDS
    }
    for start, end in (("city", "region"), ("region", "site"), ("site", "meter"), ("meter", "site"), ("site", "city")):
        assert f"/d/bitgoeul-{end}-ko" in leads[start], (start, end)


@pytest.mark.parametrize(("language", "name"), EVERY)
def test_missing_is_missing(language: str, name: str) -> None:
    board = _board(language, name)
    for panel in board["panels"]:
        custom = panel["fieldConfig"]["defaults"]["custom"]
        assert custom.get("spanNulls", False) is False, panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        for target in panel.get("targets", []):
            if "last(" in target["query"] or "mean(" in target["query"]:
                assert "time" in target["query"].partition("WHERE")[2], target["query"]
            if '("value")' in target["query"]:
                assert '"quality" < 16' in target["query"], target["query"]
            assert "fill(0)" not in target["query"]
            assert "fill(previous)" not in target["query"]


def test_no_board_asks_a_third_party() -> None:
    for language, name in EVERY:
        for _, text in _strings(_board(language, name)):
            assert "://" not in text, (name, text)
    (geomap,) = (panel for panel in _board("ko", "city")["panels"] if panel["type"] == "geomap")
    # every base map that Grafana knows by name fetches tiles from somewhere
    assert geomap["options"]["basemap"]["type"] == "geojson"
    assert geomap["options"]["basemap"]["config"]["src"] == build.MAP_URL


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_read_on_grafanas_grounds() -> None:
    used = {text for of, name in EVERY for _, text in _strings(_board(of, name)) if re.fullmatch("#[0-9A-F]{6}", text)}
    assert used <= {
        *palette.SERIES,
        *palette.OF_UTILITY.values(),
        palette.GOOD,
        palette.WATCH,
        palette.BAD,
        palette.PLAIN,
    }
    for color in used:
        for ground in palette.GROUNDS:
            assert (_luminance(color) + 0.05) / (_luminance(ground) + 0.05) >= 4.5, color


def test_provisioning_says_what_grafana_must_know() -> None:
    folder = build.GENERATED / "provisioning"
    found = {
        path.relative_to(folder).as_posix(): yaml.safe_load(path.read_text("utf-8")) for path in folder.rglob("*.yaml")
    }
    (source,) = found["datasources/bitgoeul.yaml"]["datasources"]
    assert source["database"] == source["jsonData"]["dbName"] == "${BITGOEUL_BOARDS_DATABASE}"
    assert source["secureJsonData"] == {"basicAuthPassword": "$__file{/run/secrets/boards_password}"}
    providers = found["dashboards/bitgoeul.yaml"]["providers"]
    assert [provider["options"]["path"] for provider in providers] == [
        f"/var/lib/bitgoeul/boards/{x}" for x in LANGUAGES
    ]
    (group,) = found["alerting/rules.yaml"]["groups"]
    for rule in group["rules"]:
        assert rule["noDataState"] == rule["execErrState"] == "Alerting"
        # Grafana fills in what begins with a dollar from the environment, and rules know no variables
        assert "$" not in json.dumps(rule)
        question = rule["data"][0]["model"]["query"]
        assert question.count("time > now() - ") == question.count("SELECT"), question
        assert len(rule["uid"]) <= 40
