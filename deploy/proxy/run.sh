#!/bin/sh
# Starts nginx, and lets it take its certificate anew whenever that has changed.
set -eu
certificate=/etc/bitgoeul-pki/server.pem
settings=/etc/bitgoeul/nginx.conf

if [ ! -r "$certificate" ]; then
    echo "bitgoeul: proxy: deploy/pki/proxy/server.pem: missing, or not readable by user $(id -u); see ./bitgoeul stack check" >&2
    exit 1
fi

watch() {
    seen=$(cksum <"$certificate")
    while sleep 5; do
        now=$(cat "$certificate" 2>/dev/null | cksum)
        [ "$now" = "$seen" ] && continue
        # one that is broken or half written is tried again, and the old one served until then
        nginx -t -q -c "$settings" 2>/tmp/refused || { tail -n 1 /tmp/refused >&2; continue; }
        kill -HUP "$(cat /tmp/nginx.pid)" && seen=$now
    done
}

watch &
exec nginx -c "$settings" -e stderr -g 'daemon off;'
