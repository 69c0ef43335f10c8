# The cloud's processes: area, portal, mirror, and the tools. Build from the repository's root:
#   docker build -f deploy/cloud.Dockerfile -t bitgoeul-cloud .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
# an index of one's own, where this one cannot be reached: --build-arg PIP_INDEX_URL=… or PIP_FIND_LINKS=… PIP_NO_INDEX=1
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY locks/cloud.txt deploy/trim.sh deploy/import_all.py /build/
COPY deploy/healthy.py /usr/local/bin/healthy
RUN command -v strip >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends binutils; }
RUN python3 -m venv /build/venv \
    && /build/venv/bin/pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check --require-hashes \
        --only-binary :all: --target /opt/bitgoeul/packages -r /build/cloud.txt
COPY pyproject.toml /opt/bitgoeul/
COPY contract /opt/bitgoeul/contract
COPY cloud /opt/bitgoeul/cloud
COPY edge /opt/bitgoeul/edge
COPY commands /opt/bitgoeul/commands
ENV PYTHONPATH=/opt/bitgoeul:/opt/bitgoeul/packages PYTHONSAFEPATH=1
RUN sh /build/trim.sh /opt/bitgoeul/packages \
    # what was compiled is in the image, since nothing can be written to it later: only what is ever imported
    && python3 /build/import_all.py cloud commands.cloud \
    # a volume that is mounted for the first time takes over who owns the folder
    && mkdir -p /var/lib/bitgoeul/area /var/lib/bitgoeul/totals /var/lib/bitgoeul/registry /var/lib/bitgoeul/backup \
        /run/bitgoeul \
    && chmod 0750 /var/lib/bitgoeul/* /run/bitgoeul \
    && chown -R 10001:10001 /var/lib/bitgoeul /run/bitgoeul \
    && printf '#!/bin/sh\nexec python3 -m commands "$@"\n' >/usr/local/bin/bitgoeul \
    && chmod 0755 /usr/local/bin/bitgoeul /usr/local/bin/healthy \
    # a checkout under a strict umask is readable to its owner alone
    && chmod -R a+rX /opt/bitgoeul \
    && echo 'bitgoeul:x:10001:10001::/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'bitgoeul:x:10001:' >>/etc/group \
    && rm -rf /build /root/.cache

# what was taken out is gone from the image only in a fresh layer
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bitgoeul-cloud" \
    org.opencontainers.image.description="Bitgoeul: the cloud's processes" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=packages / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONPATH=/opt/bitgoeul:/opt/bitgoeul/packages \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/bitgoeul
ENTRYPOINT ["bitgoeul"]
CMD ["--help"]
