"""Neutron's schema on SQLite: `python -m chaosjc.lab.openstack.neutron_database FILE`.

Its migrations do not run on SQLite (they alter constraints), so the newest schema is made from the models, as
Neutron's own unit tests do. Migrations also insert rows: without the default security group rules a new group has no
egress rule at all.
"""

import sys
import uuid

import sqlalchemy
from neutron.db.migration.models import head
from neutron_lib.db import model_base

_KIND = "securitygroupdefaultrules"
_DEFAULT_RULES = (  # direction, ether type, remote group, also in groups other than `default`
    ("egress", "IPv4", None, True),
    ("egress", "IPv6", None, True),
    ("ingress", "IPv4", "PARENT", False),
    ("ingress", "IPv6", "PARENT", False),
)


def create(file):
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    head.get_metadata()
    metadata = model_base.BASEV2.metadata
    metadata.create_all(engine)
    rules, attributes = metadata.tables[_KIND], metadata.tables["standardattributes"]
    with engine.begin() as database:
        for direction, ethertype, remote, everywhere in _DEFAULT_RULES:
            described = sqlalchemy.insert(attributes).values(resource_type=_KIND, description=f"default {direction}")
            database.execute(
                sqlalchemy.insert(rules).values(
                    id=str(uuid.uuid4()),
                    standard_attr_id=database.execute(described).inserted_primary_key[0],
                    direction=direction,
                    ethertype=ethertype,
                    remote_group_id=remote,
                    used_in_default_sg=True,
                    used_in_non_default_sg=everywhere,
                )
            )


if __name__ == "__main__":
    create(sys.argv[1])
