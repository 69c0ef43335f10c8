#!/bin/sh
# Runs the broker, and has it read certificates, the list of what was revoked and the access rules again within two
# seconds of a change. Nobody needs the container's control for that.
# watch.sh [CONFIG [FOLDER [SECONDS]]]
set -u
config=${1:-/mosquitto/config/mosquitto.conf}
folder=${2:-/mosquitto/pki}
interval_s=${3:-1}

say() { echo "$(date -u +%Y-%m-%dT%H:%M:%S): watch: $*"; }

# by content: a file that was replaced twice within a second may have its old inode, size and time again
stamp() { cat "$folder/ca.crt" "$folder/crl.pem" "$folder/acl" "$folder/server.pem" 2>/dev/null | cksum; }

# Mosquitto that reads a broken list again goes on without any (measured with 2.0.11): it is not told to
whole() {
    grep -q 'END CERTIFICATE' "$folder/ca.crt" && grep -q 'END X509 CRL' "$folder/crl.pem" &&
        grep -q 'END CERTIFICATE' "$folder/server.pem" && grep -q '^pattern' "$folder/acl"
} 2>/dev/null

read_already=$(stamp)
whole || { say "action=run-stack-init $folder: ca.crt, crl.pem, acl or server.pem is missing or broken"; exit 1; }
mosquitto -c "$config" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null' TERM INT
trap 'kill -HUP "$broker" 2>/dev/null' HUP

while kill -0 "$broker" 2>/dev/null; do
    sleep "$interval_s" &
    wait $!
    now=$(stamp)
    [ "$now" = "$read_already" ] && continue
    read_already=$now
    if whole; then
        say "certificates or rules changed: the broker reads them again"
        kill -HUP "$broker" 2>/dev/null
    else
        say "ca.crt, crl.pem, acl or server.pem in $folder is missing or broken: the broker keeps what it has"
    fi
done
wait "$broker"
