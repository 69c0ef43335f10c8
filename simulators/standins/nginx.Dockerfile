FROM bitgoeul-standin-servers:latest
RUN echo 'nginx:x:101:101::/nonexistent:/usr/sbin/nologin' >>/etc/passwd && echo 'nginx:x:101:' >>/etc/group \
    && rm -rf /etc/nginx/modules-enabled && mkdir -p /var/lib/nginx /var/log/nginx && chown -R 101:101 /var/lib/nginx
CMD ["nginx", "-g", "daemon off;"]
