"""YAML as Grafana's provisioning reads it: blocks, and every word as a JSON string, which is a YAML one too."""

import json
from collections.abc import Mapping, Sequence


def yaml(content: Mapping[str, object], comment: str) -> str:
    """The file, with its comment at the head."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "".join(f"{line}\n" for line in _block(content))


def _block(value: object) -> list[str]:
    if isinstance(value, Mapping) and value:
        lines: list[str] = []
        for key, inner in value.items():
            lines += _entry(f"{key}:", inner)
        return lines
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return [line for inner in value for line in _item(inner)]
    return [json.dumps(value, ensure_ascii=False)]


def _entry(head: str, value: object) -> list[str]:
    inner = _block(value)
    if isinstance(value, Mapping | list | tuple) and value:
        return [head, *(f"  {line}" for line in inner)]
    return [f"{head} {inner[0]}"]


def _item(value: object) -> list[str]:
    first, *others = _block(value)
    return [f"- {first}", *(f"  {line}" for line in others)]
