FROM bitgoeul-standin-servers:latest
RUN echo 'influxdb:x:1000:1000::/home/influxdb:/bin/bash' >>/etc/passwd && echo 'influxdb:x:1000:' >>/etc/group \
    && mkdir -p /var/lib/influxdb2 /etc/influxdb2 && chown -R 1000:1000 /var/lib/influxdb2 /etc/influxdb2
COPY influxdb.sh /entrypoint.sh
ENTRYPOINT ["/bin/bash", "/entrypoint.sh"]
CMD ["influxd"]
