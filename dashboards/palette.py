"""Colours that people tell apart whatever their eyes: those of Okabe and Ito.

Chosen for the dark ground of a wall. No meaning hangs on a colour alone: utilities have their names, states their
words.
"""

ELECTRICITY = "#56B4E9"
PRODUCTION = "#F0E442"
GAS = "#E69F00"
WATER = "#00A87B"  # a little lighter than theirs, to be read on a dark ground
HEAT = "#CC79A7"
CARBON = "#BFBFBF"

GOOD = "#56B4E9"
WATCH = "#E69F00"
BAD = "#FF7A2F"  # their vermilion, lighter
PLAIN = "#D8D9DA"
QUIET = "#8E8E8E"

OF_UTILITY = {
    "electricity": ELECTRICITY,
    "production": PRODUCTION,
    "gas": GAS,
    "water": WATER,
    "heat": HEAT,
    "co2": CARBON,
}

# of series that mean no utility
SERIES = (ELECTRICITY, GAS, WATER, HEAT, PRODUCTION, BAD, PLAIN, "#8FA8FF", "#B5E48C", QUIET)

# what dashboards are shown on: Grafana's dark panels, 9.4 and newer
GROUNDS = ("#181B1F", "#111217")
