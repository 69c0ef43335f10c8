"""Who may do what at the broker: Mosquitto's access rules. A user's name is its certificate's common name.

A gateway has its rules by the pattern, so that nothing is written here when one is added; a name that was taken back
is denied everything by a rule of its own until it is issued anew.
"""

from collections.abc import Sequence

from contract.topics import ROOT

MIRROR, TOOLS = "mirror", "tools"
SERVERS = ("broker", "proxy")  # the ledger's names for their certificates
INGEST = "ingest-"

_GATEWAY = (
    f"pattern write {ROOT}/+/%u/readings/#",
    f"pattern write {ROOT}/+/%u/birth",
    f"pattern write {ROOT}/+/%u/state",
    f"pattern read {ROOT}/+/%u/receipts",
)


def is_reserved(name: str) -> bool:
    """Whether one of our own processes has that name, or may have it: no gateway may."""
    return name in (MIRROR, TOOLS, *SERVERS) or name.startswith(INGEST)


def rules(areas: Sequence[str], denied: Sequence[str]) -> str:
    """The file's text, for these areas and with these names shut out."""
    lines = ["# written by bitgoeul; a change by hand is lost", *_GATEWAY]
    for area in sorted(areas):
        base = f"{ROOT}/{area}/+"
        lines += [f"user {INGEST}{area}"]
        lines += [f"topic read {base}/{leaf}" for leaf in ("readings/#", "birth", "state")]
        lines += [f"topic write {base}/receipts"]
    lines += [f"user {MIRROR}", "topic read $SYS/#"]
    # what a gateway left behind is cleared by writing it empty
    lines += [f"user {TOOLS}", *(f"topic readwrite {ROOT}/+/+/{leaf}" for leaf in ("birth", "state"))]
    for name in sorted(denied):
        lines += [f"user {name}", "topic deny #"]
    return "\n".join(lines) + "\n"
