"""How far a reading can be trusted, as the gateway saw it. Stored beside every value, never instead of it."""

from enum import IntEnum


class Quality(IntEnum):
    """Below 16 there is a value; from 16 on the value is missing, and the code says why.

    The numbers are on the wire and on disk: they are never reused, only added to.
    """

    GOOD = 0
    CLOCK_HOLDOVER = 1  # the clock was trusted once, and has run alone since
    SUSPECT = 2  # outside what the model's manual allows, kept as it was read
    NO_ANSWER = 16  # the meter was asked and stayed silent
    GARBLED = 17  # an answer came, and its check sum or length was wrong
    EXCEPTION = 18  # the meter answered with a Modbus exception
    NOT_AVAILABLE = 19  # the meter said so, with its model's sentinel value
    BACKED_OFF = 20  # the meter was not asked: it has been silent, and waits for its probe
    LINE_DOWN = 21  # the port or the connection could not be opened
    OVERLOAD = 22  # the line had no time for this meter within the tick


FIRST_MISSING = 16

# The text that stands on the wire in `vs` for a missing value.
REASONS: dict[str, Quality] = {
    quality.name.lower().replace("_", "-"): quality for quality in Quality if quality >= FIRST_MISSING
}
REASON_OF: dict[Quality, str] = {quality: reason for reason, quality in REASONS.items()}
