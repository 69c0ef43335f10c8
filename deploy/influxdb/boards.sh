#!/bin/bash
# Runs once, when InfluxDB 2 has been set up: a user who writes the boards' database, and one who reads it.
# No password stands in an argument, where every process could see it.
set -euo pipefail
host=http://localhost:${INFLUXD_INIT_PORT:-9999}

# NAME PERMISSIONS…
add_user() {
    local name=$1 password id
    shift
    password=$(cat "/run/secrets/influxdb_${name}_password")
    id=$(influx v1 auth create --username "$name" --no-password --hide-headers "$@" | cut -f 1)
    printf 'header = "Authorization: Token %s"\nheader = "Content-Type: application/json"\ndata = "{\\"password\\":\\"%s\\"}"\n' \
        "$token" "$password" |
        curl --fail --silent --show-error --config - "$host/private/legacy/authorizations/$id/password"
}

token=$(cat "$DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE")
add_user mirror --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --write-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
add_user grafana --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
