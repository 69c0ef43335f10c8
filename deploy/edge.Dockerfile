# A gateway's agent, where a gateway runs containers. Build from the repository's root:
#   docker build -f deploy/edge.Dockerfile -t bitgoeul-edge .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
# an index of one's own, where this one cannot be reached: --build-arg PIP_INDEX_URL=… or PIP_FIND_LINKS=… PIP_NO_INDEX=1
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY locks/edge.txt deploy/trim.sh deploy/import_all.py /build/
RUN command -v strip >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends binutils; }
RUN python3 -m venv /build/venv \
    && /build/venv/bin/pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check --require-hashes \
        --only-binary :all: --target /opt/bitgoeul/packages -r /build/edge.txt
COPY contract /opt/bitgoeul/contract
COPY edge /opt/bitgoeul/edge
COPY commands/__init__.py commands/__main__.py commands/edge*.py commands/language.py commands/logs.py commands/table.py \
    /opt/bitgoeul/commands/
ENV PYTHONPATH=/opt/bitgoeul:/opt/bitgoeul/packages PYTHONSAFEPATH=1
RUN sh /build/trim.sh /opt/bitgoeul/packages \
    # what was compiled is in the image, since nothing can be written to it later: only what is ever imported
    && python3 /build/import_all.py contract edge commands.edge \
    && mkdir -p /var/lib/bitgoeul && chmod 0750 /var/lib/bitgoeul && chown 10002:10002 /var/lib/bitgoeul \
    && printf '#!/bin/sh\nexec python3 -m commands "$@"\n' >/usr/local/bin/bitgoeul \
    && chmod 0755 /usr/local/bin/bitgoeul \
    # a checkout under a strict umask is readable to its owner alone
    && chmod -R a+rX /opt/bitgoeul \
    && echo 'bitgoeul:x:10002:10002::/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
    && echo 'bitgoeul:x:10002:' >>/etc/group \
    && rm -rf /build /root/.cache

# what was taken out is gone from the image only in a fresh layer
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bitgoeul-edge" \
    org.opencontainers.image.description="Bitgoeul: a gateway's agent" \
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
USER 10002:10002
WORKDIR /var/lib/bitgoeul
ENTRYPOINT ["bitgoeul"]
CMD ["edge", "--help"]
