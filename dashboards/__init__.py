"""Grafana as code: boards, data source, folders and alert rules, written from small typed helpers.

texts.toml      every word that a person reads, in both languages
influxql.py     the questions that panels ask of the boards' database
grafana.py      a board, a panel, a variable, a link → classic dashboard JSON (Grafana 9.4, 11 to 13)
panels.py       the few kinds of panel that the boards use, with this project's habits
boards/         one file a board: what it shows, and nothing of how
rules.py        the platform's own alarms; provisioning.py  data source, folders, notices
build.py        all of it → generated/
push.py         generated/ → an existing Grafana, showing first what would change
"""
