"""pytest-testinfra's side of `site verify`: runs in a process of its own, started by chaosjc.site.verify."""
