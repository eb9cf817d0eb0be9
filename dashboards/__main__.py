"""`python -m dashboards` writes them all."""

from __future__ import annotations

from dashboards import draw, hub, resilience, storage

for each in (storage, hub, resilience):
    each.FILE.write_text(draw.text(each.drawn()))
