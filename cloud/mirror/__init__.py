"""What Grafana shows, written into InfluxDB: totals, states and the platform's own health."""
