#!/usr/bin/python3
"""healthy URL…: 0 when each answers 200; what a container's health check runs, so nothing else is imported."""

import http.client
import sys

for url in sys.argv[1:]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        text = answer.read(300).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{url}: {error}")
    if answer.status != 200:
        sys.exit(f"{url}: {answer.status} {text}")
