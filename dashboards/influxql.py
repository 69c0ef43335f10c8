"""The questions that panels ask: InfluxQL as 1.x and 2.x both answer it, one measurement in each.

A missing value is a point whose quality is 16 or more, so that every question filters by it; and a question for
*now* looks back a short while only, so that a source that went silent reads as missing and not as its last value.
"""

# ruff: noqa: S608  # written when the boards are built, from this project's own words; nobody's input is in them

from collections.abc import Mapping, Sequence

GOOD = '"quality" < 16'
TIME = "$timeFilter"
AFTER_MIDNIGHT = "time > ${__from}ms"  # on a board of today: what is of midnight itself is of yesterday
DAY = "time(1d, -9h)"  # of Seoul; tz('Asia/Seoul') is refused where InfluxDB's image has no time zones


def tags(**wanted: str) -> str:
    """`"level" = 'city' AND …`; a value written `/…/` is a pattern."""
    return " AND ".join(
        f'"{tag}" =~ {value}' if value.startswith("/") else f"\"{tag}\" = '{value}'" for tag, value in wanted.items()
    )


def latest(measurement: str, where: str, within: str, field: str = "value", *, per: int = 1) -> str:
    """The newest good value, none where there is none within `within` (`2m`); `per` 1000 makes tonnes of kg."""
    return f'SELECT {_last(field, per)} FROM "{measurement}" WHERE {_good(where)} AND time > now() - {within}'


def today(measurement: str, where: str, *, per: int = 1) -> str:
    """The newest good value since midnight; the panel's time is TODAY."""
    return f'SELECT {_last("value", per)} FROM "{measurement}" WHERE {_good(where)} AND {TIME}'


def newest(measurement: str, field: str, where: str, within: str) -> str:
    """The newest value of a field of a measurement that has no quality: states, counters."""
    return f'SELECT last("{field}") FROM "{measurement}" WHERE {_with(where)}time > now() - {within}'


def total(measurement: str, where: str) -> str:
    """The sum of the good values of the shown time."""
    return f'SELECT sum("value") FROM "{measurement}" WHERE {_good(where)} AND {TIME}'


def mean(measurement: str, where: str, *, times: int = 1, field: str = "value") -> str:
    """The mean over time of the good values; gaps stay gaps.

    `times` 4 makes of the usage of a quarter of an hour the rate in an hour, whatever the width of the picture.
    """
    expression = f'mean("{field}")' + (f" * {times}" if times != 1 else "")
    return f'SELECT {expression} FROM "{measurement}" WHERE {_good(where)} AND {TIME} {_buckets()}'


def percent(measurement: str, part: str, whole: str, where: str, moment: str) -> str:
    """The newest `part` of the newest `whole`: of a sum what is estimated, of meters those that report."""
    return f'SELECT last("{part}") / last("{whole}") * 100 FROM "{measurement}" WHERE {where} AND {moment}'


def daily(measurement: str, where: str, *, per: int = 1, field: str = "value") -> str:
    """One value a day of Seoul."""
    value = f'sum("{field}")' + (f" / {per}" if per != 1 else "")
    question = f'SELECT {value} FROM "{measurement}_daily" WHERE {_good(where)} AND {TIME}'
    return f"{question} GROUP BY {DAY} fill(null)"


def course(measurement: str, field: str, where: str = "", *, by: Sequence[str] = (), function: str = "mean") -> str:
    """A field of a measurement that has no quality over time, a line for each combination of the tags `by`."""
    return f'SELECT {function}("{field}") FROM "{measurement}" WHERE {_with(where)}{TIME} {_buckets(by)}'


def rate(measurement: str, field: str, *, by: Sequence[str] = ()) -> str:
    """How many a second a counter gained; a restart counts as none."""
    inner = f'non_negative_derivative(max("{field}"), 1s)'
    return f'SELECT {inner} FROM "{measurement}" WHERE {TIME} {_buckets(by, fill="none")}'


def smooth_rate(measurement: str, field: str, by: str, buckets: int) -> str:
    """The same over the last `buckets` each: of what comes in bursts."""
    inner = f'SELECT non_negative_derivative(max("{field}"), 1s) AS "rate" FROM "{measurement}" WHERE {TIME}'
    inner = f"{inner} {_buckets([by], fill='none')}"
    return f'SELECT moving_average("rate", {buckets}) FROM ({inner}) WHERE {TIME} GROUP BY "{by}"'


def rate_now(measurement: str, field: str, by: str, within_s: int) -> str:
    """How many a second a counter of each gained within that time, all together; a restart counts as none."""
    moment = f"time > now() - {within_s}s"
    rises = f'SELECT non_negative_difference("{field}") AS "rise" FROM "{measurement}" WHERE {moment} GROUP BY "{by}"'
    return f'SELECT sum("rise") / {within_s} FROM ({rises}) WHERE {moment}'


def listing(
    measurement: str, columns: Mapping[str, str], where: str, by: Sequence[str], within: str = "", *, good: bool = True
) -> str:
    """A row for each combination of the tags `by`: the newest of each field, as the column it is given; within that
    time (`2m`), else within the panel's.
    """
    shown = ", ".join(f'last("{field}") AS "{column}"' for column, field in columns.items())
    condition = f"{_good(where)} AND " if good else _with(where)
    group = ", ".join(f'"{tag}"' for tag in by)
    moment = f"time > now() - {within}" if within else TIME
    return f'SELECT {shown} FROM "{measurement}" WHERE {condition}{moment} GROUP BY {group}'


def over_all(function: str, measurement: str, field: str, by: str, *, where: str = "", within: str = "5m") -> str:
    """`function` over the newest value of each: how many gateways are online, the longest queue.

    `lacking`, no function of InfluxQL: of how many of them it is 0.
    """
    inner = f'SELECT last("{field}") AS "each" FROM "{measurement}" WHERE {_with(where)}time > now() - {within}'
    expression = 'count("each") - sum("each")' if function == "lacking" else f'{function}("each")'
    return f'SELECT {expression} FROM ({inner} GROUP BY "{by}")'


def summed(measurement: str, field: str, by: str, over: str, within: str) -> str:
    """A row for each value of the tag `by`: the sum over those of `over` of their newest."""
    inner = f'SELECT last("{field}") AS "each" FROM "{measurement}" WHERE time > now() - {within}'
    return f'SELECT sum("each") FROM ({inner} GROUP BY "{over}", "{by}") GROUP BY "{by}"'


def choices(measurement: str, language: str, where: str = "") -> str:
    """For a variable: `words|value` of all there are."""
    question = f'SELECT DISTINCT("choice_{language}") FROM "{measurement}"'
    return f"{question} WHERE {_with(where)}time > now() - 1h"


def _last(field: str, per: int) -> str:
    return f'last("{field}")' + (f" / {per}" if per != 1 else "")


def _buckets(by: Sequence[str] = (), fill: str = "null") -> str:
    group = "time($__interval)" + "".join(f', "{tag}"' for tag in by)
    return f"GROUP BY {group} fill({fill})"


def _good(where: str) -> str:
    return f"{where} AND {GOOD}" if where else GOOD


def _with(where: str) -> str:
    return f"{where} AND " if where else ""
