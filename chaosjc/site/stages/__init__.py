"""The parts of a site: keys → infra → access, monitoring; each facts → plan (pure) → apply."""
