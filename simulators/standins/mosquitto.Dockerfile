FROM bitgoeul-standin-servers:latest
RUN echo 'mosquitto:x:1883:1883::/mosquitto:/usr/sbin/nologin' >>/etc/passwd && echo 'mosquitto:x:1883:' >>/etc/group \
    && mkdir -p /mosquitto/config /mosquitto/data /mosquitto/log && chown -R 1883:1883 /mosquitto
CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
