#!/bin/sh
# Runs the broker, and has it read certificates, the list of what was revoked and the access rules again within two
# seconds of a change. Nobody needs the container's control for that.
# watch.sh [CONFIG [FOLDER [COPY [SECONDS]]]]
#
# The broker reads whole copies only: Mosquitto that reads a broken list again goes on without any, and would let in
# who was revoked (measured with 2.0.11).
set -u
umask 077
config=${1:-/mosquitto/config/mosquitto.conf}
folder=${2:-/mosquitto/pki}
copy=${3:-/tmp/pki}
interval_s=${4:-1}
files="ca.crt crl.pem acl server.pem"

say() { echo "$(date -u +%Y-%m-%dT%H:%M:%S): watch: $*"; }

# by content: a file that was replaced twice within a second may have its old inode, size and time again
stamp() { (cd "$folder" && cat $files | cksum) 2>/dev/null; }

has() { grep -q -e "$2" "$copy/.$1" 2>/dev/null; }

take() {
    mkdir -p "$copy"
    for file in $files; do
        cp "$folder/$file" "$copy/.$file" || return 1
    done
    for file in ca.crt server.pem; do
        has "$file" '^-----END CERTIFICATE-----' || { say "$folder/$file: no certificate, or cut off"; return 1; }
    done
    has server.pem '^-----END .*PRIVATE KEY-----' || { say "$folder/server.pem: no private key"; return 1; }
    has crl.pem '^-----END X509 CRL-----' || { say "$folder/crl.pem: no list of what was revoked, or cut off"; return 1; }
    has acl '^pattern' || { say "$folder/acl: no access rules"; return 1; }
    for file in $files; do
        mv "$copy/.$file" "$copy/$file"
    done
}

read_already=$(stamp)
take || { say "action=run-bitgoeul-stack-init the broker is not started"; exit 1; }
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
    if take; then
        say "certificates or rules changed: the broker reads them again"
        kill -HUP "$broker" 2>/dev/null
    else
        say "the broker keeps what it has"
    fi
done
wait "$broker"
