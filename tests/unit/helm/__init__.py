"""The chart helm/jupytercloud: what it renders, and what the hub makes of that."""
