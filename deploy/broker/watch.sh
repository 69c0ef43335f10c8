#!/bin/sh
# Runs the broker, and has it read certificates, the list of what was revoked and the access rules again within two
# seconds of a change. Nobody needs the container's control for that.
# watch.sh [CONFIG [FOLDER]]
set -u
config=${1:-/mosquitto/config/mosquitto.conf}
folder=${2:-/mosquitto/pki}

# by content: a file that was replaced twice within a second may have its old inode, size and time again
stamp() { cat "$folder/ca.crt" "$folder/crl.pem" "$folder/acl" "$folder/server.pem" 2>/dev/null | cksum; }

read_already=$(stamp)
mosquitto -c "$config" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null' TERM INT
trap 'kill -HUP "$broker" 2>/dev/null' HUP

while kill -0 "$broker" 2>/dev/null; do
    sleep 1 &
    wait $!
    now=$(stamp)
    if [ "$now" != "$read_already" ]; then
        echo "$(date -u +%Y-%m-%dT%H:%M:%S): certificates or rules changed: reading them again"
        kill -HUP "$broker" 2>/dev/null
        read_already=$now
    fi
done
wait "$broker"
