"""Octavia's schema on SQLite: `python -m chaosjc.lab.openstack.octavia_database FILE`.

Its migrations do not run on SQLite, so the newest schema is made from the models, as Octavia's own unit tests do. What
the migrations insert are the words that other tables refer to.
"""

import sys

import sqlalchemy
from octavia.common import constants
from octavia.db import base_models, models

_WORDS = {
    models.ProvisioningStatus: constants.SUPPORTED_PROVISIONING_STATUSES,
    models.OperatingStatus: constants.SUPPORTED_OPERATING_STATUSES,
    models.HealthMonitorType: constants.SUPPORTED_HEALTH_MONITOR_TYPES,
    models.Algorithm: constants.SUPPORTED_LB_ALGORITHMS,
    models.Protocol: constants.SUPPORTED_PROTOCOLS,
    models.SessionPersistenceType: constants.SUPPORTED_SP_TYPES,
    models.AmphoraRoles: constants.SUPPORTED_AMPHORA_ROLES,
    models.LBTopology: constants.SUPPORTED_LB_TOPOLOGIES,
    models.VRRPAuthMethod: constants.SUPPORTED_VRRP_AUTH,
    models.L7RuleType: constants.SUPPORTED_L7RULE_TYPES,
    models.L7RuleCompareType: constants.SUPPORTED_L7RULE_COMPARE_TYPES,
    models.L7PolicyAction: constants.SUPPORTED_L7POLICY_ACTIONS,
    models.ClientAuthenticationMode: constants.SUPPORTED_CLIENT_AUTH_MODES,
}


def create(file):
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    base_models.BASE.metadata.create_all(engine)
    with engine.begin() as database:
        for model, words in _WORDS.items():
            database.execute(sqlalchemy.insert(model.__table__), [{"name": word} for word in sorted(set(words))])


if __name__ == "__main__":
    create(sys.argv[1])
