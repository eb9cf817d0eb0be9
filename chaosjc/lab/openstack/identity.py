"""Keystone's content: `python -m chaosjc.lab.openstack.identity KEYSTONE_CONF` with the wishes as JSON on standard
input.

Roles, the service users, the administrator, the unprivileged project user, and the catalogue. It works on the
database, as `keystone-manage bootstrap` does, so that no keystone need run; what is already there is only brought up
to date.

Wishes: admin_password, service_password, user_password, project, region, endpoints {type: [name, url]}.
"""

import json
import sys
import uuid

import keystone.conf
from keystone.cmd import bootstrap
from keystone.common import driver_hints, provider_api

DOMAIN = "default"
SERVICE_USERS = ("nova", "placement", "glance", "neutron", "octavia")
PROVIDERS = provider_api.ProviderAPIs


def main():
    keystone.conf.configure()
    keystone.conf.CONF([], project="keystone", default_config_files=[sys.argv[1]])
    wishes = json.load(sys.stdin)
    roles = _bootstrap(wishes)
    service = _project("service")
    for name in SERVICE_USERS:
        _user(name, wishes["service_password"], service, [roles["admin"], roles["service"]])
    _user(wishes["project"], wishes["user_password"], _project(wishes["project"]), [roles["member"]])
    for kind, (name, url) in wishes["endpoints"].items():
        _endpoints(kind, name, url, wishes["region"])


def _bootstrap(wishes):
    """Domain, administrator, region, identity service; the ids of the roles by name."""
    first = bootstrap.Bootstrapper()
    first.admin_username = first.project_name = first.admin_role_name = "admin"
    first.admin_password = wishes["admin_password"]
    first.region_id = wishes["region"]
    first.immutable_roles = True
    first.service_name, url = wishes["endpoints"]["identity"]
    first.public_url = first.internal_url = first.admin_url = url
    first.bootstrap()
    return {role["name"]: role["id"] for role in PROVIDERS.role_api.list_roles()}


def _named(list_all, name):
    hints = driver_hints.Hints()
    hints.add_filter("name", name)
    return next((each for each in list_all(hints=hints) if each["name"] == name), None)


def _project(name):
    if found := _named(PROVIDERS.resource_api.list_projects, name):
        return found["id"]
    project = {"id": uuid.uuid4().hex, "name": name, "domain_id": DOMAIN, "description": "", "enabled": True}
    return PROVIDERS.resource_api.create_project(project["id"], project)["id"]


def _user(name, password, project, roles):
    user = _named(PROVIDERS.identity_api.list_users, name)
    if user:
        PROVIDERS.identity_api.update_user(user["id"], {"password": password})
    else:
        user = PROVIDERS.identity_api.create_user(
            {"name": name, "password": password, "domain_id": DOMAIN, "default_project_id": project, "enabled": True}
        )
    assigned = PROVIDERS.assignment_api.get_roles_for_user_and_project(user["id"], project)
    for role in set(roles) - set(assigned):
        PROVIDERS.assignment_api.add_role_to_user_and_project(user["id"], project, role)


def _endpoints(kind, name, url, region):
    catalog = PROVIDERS.catalog_api
    hints = driver_hints.Hints()
    hints.add_filter("type", kind)
    service = next(iter(catalog.list_services(hints)), None)
    if service is None:
        service_id = uuid.uuid4().hex
        service = catalog.create_service(service_id, {"id": service_id, "name": name, "type": kind, "enabled": True})
    present = {e["interface"]: e for e in catalog.list_endpoints() if e["service_id"] == service["id"]}
    for interface in ("public", "internal", "admin"):
        if interface in present:
            catalog.update_endpoint(present[interface]["id"], {**present[interface], "url": url})
            continue
        endpoint_id = uuid.uuid4().hex
        endpoint = {"id": endpoint_id, "interface": interface, "url": url, "service_id": service["id"]}
        catalog.create_endpoint(endpoint_id, {**endpoint, "region_id": region, "enabled": True})


if __name__ == "__main__":
    main()
