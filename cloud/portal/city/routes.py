"""The room's addresses: /city and /en/city, /api/v1/city, and the part that the live page shows."""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Response

from cloud.portal.city import view
from cloud.portal.city.api import CityV1, CityVersionV1, document, version_document
from cloud.portal.city.charts import HEIGHT, WIDTH
from cloud.portal.city.keeper import Frame, Keeper, now_s
from cloud.portal.city.reading import CityBooks
from cloud.portal.city.rules import COMPARABLE, LEAST
from cloud.portal.house import House, Room
from cloud.portal.texts import Language, path_in, say_in

PATH = "/city"
TODAY = "city/today"
READ = ["GET", "HEAD"]
HTML, JSON = "text/html", "application/json"
Seen = Annotated[str, Header(alias="if-none-match")]


def room(house: House) -> Room:
    """Build the room; without folders of totals it says that there are none."""
    settings = house.settings
    names = (settings.city_ko, settings.city_en)
    keeper = Keeper(CityBooks(settings.totals, settings.registry, names) if settings.totals else None)
    router = APIRouter()
    _add_pages(router, house, keeper)
    _add_data(router, keeper)
    house.parts[TODAY] = partial(_today, house, keeper)
    return Room(router=router, run=keeper.run, close=lambda: None)


def _add_pages(router: APIRouter, house: House, keeper: Keeper) -> None:
    def answer(language: Language, show: str, sort: str, seen: str) -> Response:
        chosen = (show if show in view.SHOWS else "electricity", sort if sort in view.SORTS else "order")
        return _answer(keeper, HTML, (language, *chosen), partial(_page, house, language, *chosen), seen)

    @router.api_route(PATH, methods=READ, include_in_schema=False)
    def korean(show: str = "", sort: str = "", seen: Seen = "") -> Response:
        return answer("ko", show, sort, seen)

    @router.api_route(path_in("en", PATH), methods=READ, include_in_schema=False)
    def english(show: str = "", sort: str = "", seen: Seen = "") -> Response:
        return answer("en", show, sort, seen)


def _add_data(router: APIRouter, keeper: Keeper) -> None:
    @router.get(f"/api/v1{PATH}", response_model=CityV1, summary="The city today, by dong and by type of building")
    def city(seen: Seen = "") -> Response:
        """Changes with each settled quarter of an hour; ask with If-None-Match to be told so."""
        return _answer(keeper, JSON, "api", lambda frame, _: document(frame.city).model_dump_json().encode(), seen)

    @router.get(f"/api/v1{PATH}/version", response_model=CityVersionV1, summary="Which totals are the newest")
    def version(seen: Seen = "") -> Response:
        """Small, to be asked often."""
        return _answer(
            keeper,
            JSON,
            "version",
            lambda frame, state: version_document(frame.city, state).model_dump_json().encode(),
            seen,
        )


def _answer(keeper: Keeper, media_type: str, key: object, make: Callable[[Frame, str], bytes], seen: str) -> Response:
    """What is made once of the newest frame; told its tag, it answers 304."""
    frame = keeper.newest()
    state = frame.state(now_s())
    headers = {"etag": f'W/"{frame.tag}-{state}"', "cache-control": "no-cache"}
    if seen == headers["etag"]:
        return Response(status_code=304, headers=headers)
    content = frame.once((key, state), lambda: make(frame, state))
    return Response(content, media_type=media_type, headers=headers)


def _address(show: str, sort: str) -> str:
    return f"{PATH}?{urlencode({'show': show, 'sort': sort})}"


def _page(house: House, language: Language, show: str, sort: str, frame: Frame, state: str) -> bytes:
    say = say_in(language)
    return house.render(
        "city/city.html",
        language,
        _address(show, sort),
        view=view.view(frame.city, show, sort, say, language) if frame.city else None,
        state=state,
        version=version_document(frame.city, state).version,
        show=show,
        sort=sort,
        shows=view.SHOWS,
        sorts=view.SORTS,
        address=lambda a_show, a_sort: path_in(language, _address(a_show, a_sort)),
        width=WIDTH,
        height=HEIGHT,
        comparable=f"{COMPARABLE:.0%}",
        least=LEAST,
    ).encode()


def _today(house: House, keeper: Keeper, language: Language) -> str:
    frame = keeper.frame  # on the loop: what is not made yet is not waited for
    state = frame.state(now_s())
    return frame.once((TODAY, language, state), partial(_part, house, language, frame, state)).decode()


def _part(house: House, language: Language, frame: Frame, state: str) -> bytes:
    city = frame.city
    return house.render(
        "city/today.html",
        language,
        PATH,
        figures=view.figures(city, say_in(language), language) if city else None,
        until=view.until_clock(city) if city else "",
        state=state,
        version=version_document(city, state).version,
        shows=view.SHOWS,
        address=path_in(language, PATH),
    ).encode()
