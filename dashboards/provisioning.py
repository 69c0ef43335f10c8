"""What Grafana reads at its start: the data source, the folders, the alarms and whom they reach.

What is not here, since no file can say it: roles and permissions of folders. In `grafana.ini` or the environment
everybody is a viewer (`GF_USERS_AUTO_ASSIGN_ORG_ROLE=Viewer`, `GF_USERS_VIEWERS_CAN_EDIT=false`), boards from files
cannot be saved over (`allowUiUpdates: false`), and a viewer may read every folder. Who may see less than that is set
once in Grafana itself, folder by folder.
"""

from dashboards.grafana import DATASOURCE, Json
from dashboards.rules import RULES, rule_json
from dashboards.texts import LANGUAGES, catalogue
from dashboards.yaml import yaml

BOARDS = "/var/lib/bitgoeul/boards"
FOLDERS = {"ko": "빛고을", "en": "Bitgoeul"}
MADE = "Made by `bitgoeul dashboards build`; do not edit."
RECEIVER = "bitgoeul-watch"


def files() -> dict[str, str]:
    """The files below `provisioning/` by their path."""
    return {
        "datasources/bitgoeul.yaml": yaml(_datasource(), _ABOUT_DATASOURCE),
        "dashboards/bitgoeul.yaml": yaml(_folders(), f"{MADE}\nOne folder a language."),
        "alerting/rules.yaml": yaml(_rules(), f"{MADE}\nThe platform's own alarms; dashboards/rules.py says why so."),
        "alerting/contact.yaml": yaml(_contact(), f"{MADE}\nBITGOEUL_ALERT_URL takes Grafana's webhook."),
        "alerting/policy.yaml": yaml(_policy(), _ABOUT_POLICY),
    }


_ABOUT_DATASOURCE = f"""{MADE}
From the environment: BITGOEUL_BOARDS_URL, BITGOEUL_BOARDS_DATABASE, BITGOEUL_BOARDS_USER; the password from a file.
`database` is for Grafana 9, `jsonData.dbName` for those after it. Any InfluxDB that answers InfluxQL will do."""

_ABOUT_POLICY = f"""{MADE}
A policy from a file replaces the whole tree of its organisation: right for a Grafana of our own, and to be left out
(with contact.yaml) where others use the same one; there, route the label platform=bitgoeul."""


def _datasource() -> Json:
    source = {
        "name": "bitgoeul-boards",
        **DATASOURCE,
        "orgId": 1,
        "access": "proxy",
        "url": "${BITGOEUL_BOARDS_URL}",
        "database": "${BITGOEUL_BOARDS_DATABASE}",
        "basicAuth": True,
        "basicAuthUser": "${BITGOEUL_BOARDS_USER}",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "dbName": "${BITGOEUL_BOARDS_DATABASE}",
            "httpMode": "POST",
            "timeInterval": "10s",
            "maxSeries": 5000,
        },
        "secureJsonData": {"basicAuthPassword": "$__file{/run/secrets/boards_password}"},
    }
    return {"apiVersion": 1, "datasources": [source]}


def _folders() -> Json:
    providers = [
        {
            "name": f"bitgoeul-{language}",
            "orgId": 1,
            "folder": FOLDERS[language],
            "folderUid": f"bitgoeul-{language}",
            "type": "file",
            "disableDeletion": True,
            "allowUiUpdates": False,
            "updateIntervalSeconds": 60,
            "options": {"path": f"{BOARDS}/{language}"},
        }
        for language in LANGUAGES
    ]
    return {"apiVersion": 1, "providers": providers}


def _rules() -> Json:
    folder = catalogue()["alarm.folder"]
    group = {
        "orgId": 1,
        "name": "bitgoeul-platform",
        "folder": f"{folder.ko} · {folder.en}",
        "interval": "1m",
        "rules": [rule_json(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def _contact() -> Json:
    receiver = {
        "uid": RECEIVER,
        "type": "webhook",
        "settings": {"url": "${BITGOEUL_ALERT_URL}", "httpMethod": "POST"},
        "disableResolveMessage": False,
    }
    return {"apiVersion": 1, "contactPoints": [{"orgId": 1, "name": RECEIVER, "receivers": [receiver]}]}


def _policy() -> Json:
    # one notice for all alarms of one cause: a dead mirror silences every rule at once
    policy = {
        "orgId": 1,
        "receiver": RECEIVER,
        "group_by": ["platform"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
    }
    return {"apiVersion": 1, "policies": [policy]}
