# Simulated sites and their gateways, for the demo: the cloud's image, the simulators, and what a gateway needs.
#   docker build -f deploy/demo.Dockerfile -t bitgoeul-demo .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
ARG CLOUD_IMAGE=bitgoeul-cloud:0.1.0

FROM ${PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY locks/edge.txt /build/
RUN python3 -m venv /build/venv \
    && /build/venv/bin/pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check --require-hashes \
        --only-binary :all: --target /packages -r /build/edge.txt

FROM ${CLOUD_IMAGE}
LABEL org.opencontainers.image.title="bitgoeul-demo" \
    org.opencontainers.image.description="Bitgoeul: simulated sites and their gateways"
COPY --from=packages /packages /opt/bitgoeul/edge-packages
COPY simulators /opt/bitgoeul/simulators
USER 0:0
RUN chmod -R a+rX /opt/bitgoeul/simulators && mkdir /var/lib/bitgoeul/demo && chmod 0750 /var/lib/bitgoeul/demo && chown 10002:10002 /var/lib/bitgoeul/demo \
    && echo 'demo:x:10002:10002::/nonexistent:/usr/sbin/nologin' >>/etc/passwd && echo 'demo:x:10002:' >>/etc/group
USER 10002:10002
ENV PYTHONPATH=/opt/bitgoeul:/opt/bitgoeul/packages:/opt/bitgoeul/edge-packages
CMD ["stack", "demo"]
