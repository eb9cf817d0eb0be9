"""Dashboards for Grafana, as code: generated from `chaosjc.names`, committed beside it, compared by the unit suite."""
