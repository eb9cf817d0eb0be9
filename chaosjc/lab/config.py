"""OpenStack's configuration files. Pure: settings in, texts out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chaosjc.lab.layout import Lab

REGION = "RegionOne"
PATHS = {
    "identity": ("keystone", "/identity/v3"),
    "compute": ("nova", "/compute/v2.1"),
    "placement": ("placement", "/placement"),
    "image": ("glance", "/image"),
    "network": ("neutron", "/network"),
    "load-balancer": ("octavia", "/load-balancer"),
}
_OF_NETWORK = ("network", "load-balancer")  # the services of the second process
DATABASES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1", "octavia")
PASTE = {
    "api-paste.ini": "nova/api-paste.ini",
    "glance-api-paste.ini": "glance/glance-api-paste.ini",
    "neutron-api-paste.ini": "neutron/api-paste.ini",
}  # files of the environment that the services read, by the names under which they get a copy


@dataclass(frozen=True)
class Ports:
    """Loopback TCP ports of the two processes."""

    cloud: int
    network: int


@dataclass(frozen=True)
class Secrets:
    """Passwords of the administrator, the service users and the project user."""

    admin: str
    service: str
    user: str


def urls(ports: Ports) -> dict[str, tuple[str, str]]:
    """The catalogue: service type -> its name and its URL."""
    return {
        kind: (name, f"http://127.0.0.1:{ports.network if kind in _OF_NETWORK else ports.cloud}{path}")
        for kind, (name, path) in PATHS.items()
    }


def connection(databases: Path, name: str) -> str:
    """SQLAlchemy's URL of a database; the timeout is SQLite's busy timeout in seconds."""
    return f"sqlite:///{databases}/{name}.db?timeout=60"


def clouds(cloud: str, ports: Ports, user: tuple[str, str, str]) -> str:
    """clouds.yaml with one cloud for `user` = (project, name, password)."""
    project, name, password = user
    return f"""\
clouds:
  {cloud}:
    region_name: {REGION}
    identity_api_version: 3
    auth:
      auth_url: {urls(ports)["identity"][1]}
      project_name: {project}
      project_domain_name: Default
      username: {name}
      user_domain_name: Default
      password: {password}
"""


def render(lab: Lab, ports: Ports, secrets: Secrets) -> dict[str, str]:
    """File name -> text, for the lab's `etc`."""
    writer = _Writer(lab, ports, secrets)
    return {
        "keystone.conf": writer.keystone(),
        "placement.conf": writer.placement(),
        "glance-api.conf": writer.glance(),
        "nova.conf": writer.nova(),
        "neutron.conf": writer.neutron(),
        "octavia.conf": writer.octavia(),
    }


@dataclass(frozen=True)
class _Writer:
    lab: Lab
    ports: Ports
    secrets: Secrets

    def _logging(self, service: str) -> str:
        return f"debug = false\nuse_stderr = false\nlog_dir = {self.lab.logs}\nlog_file = {service}.log"

    def _database(self, name: str) -> str:
        """No fsync: the lab's databases need not survive a power cut of the host, only the death of a process."""
        return f"connection = {connection(self.lab.databases, name)}\nsqlite_synchronous = false"

    def _auth(self, user: str) -> str:
        return f"""\
auth_url = {urls(self.ports)["identity"][1]}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = {user}
password = {self.secrets.service}
region_name = {REGION}"""

    def _authtoken(self, user: str) -> str:
        return f"""\
[keystone_authtoken]
www_authenticate_uri = {urls(self.ports)["identity"][1]}
service_token_roles_required = true
service_token_roles = service
token_cache_time = 600
{self._auth(user)}
"""

    def keystone(self) -> str:
        return f"""\
[DEFAULT]
{self._logging("keystone")}
[database]
{self._database("keystone")}
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {self.lab.private}/fernet
[fernet_receipts]
key_repository = {self.lab.private}/fernet
[credential]
key_repository = {self.lab.private}/credential-keys
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
[oslo_messaging_notifications]
driver = noop
"""

    def placement(self) -> str:
        return f"""\
[DEFAULT]
{self._logging("placement")}
[placement_database]
{self._database("placement")}
[api]
auth_strategy = keystone
{self._authtoken("placement")}"""

    def glance(self) -> str:
        store = f"{self.lab.private}/glance"
        return f"""\
[DEFAULT]
{self._logging("glance")}
enabled_backends = fs:file
enabled_import_methods = []
worker_self_reference_url = {urls(self.ports)["image"][1]}
node_staging_uri = file://{store}/staging
[database]
{self._database("glance")}
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {store}/images
[os_glance_staging_store]
filesystem_store_datadir = {store}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {store}/tasks
[paste_deploy]
flavor = keystone
config_file = {self.lab.etc}/glance-api-paste.ini
[oslo_messaging_notifications]
driver = noop
{self._authtoken("glance")}"""

    def nova(self) -> str:
        return f"""\
[DEFAULT]
{self._logging("nova")}
host = {self.lab.name}
my_ip = 127.0.0.1
state_path = {self.lab.private}/nova
transport_url = fake:///
compute_driver = compute_driver.NspawnDriver
enabled_apis = osapi_compute
heal_instance_info_cache_interval = -1
vif_plugging_timeout = 0
vif_plugging_is_fatal = false
instance_usage_audit = false
running_deleted_instance_poll_interval = 15
running_deleted_instance_action = reap
running_deleted_instance_timeout = 0
sync_power_state_interval = 5
report_interval = 5
periodic_fuzzy_delay = 0
service_down_time = 15
rpc_response_timeout = 30
reserved_host_memory_mb = 0
reserved_host_disk_mb = 0
cpu_allocation_ratio = 64.0
ram_allocation_ratio = 4.0
disk_allocation_ratio = 16.0
max_concurrent_builds = 8
graceful_shutdown_timeout = 10
manager_shutdown_timeout = 3
[lab]
tag = {self.lab.tag}
machines = {self.lab.machines}
[database]
{self._database("nova_cell1")}
[api_database]
{self._database("nova_api")}
[quota]
instances = -1
cores = -1
ram = -1
key_pairs = -1
server_groups = -1
[api]
auth_strategy = keystone
[oslo_concurrency]
lock_path = {self.lab.private}/nova/lock
[oslo_messaging_notifications]
driver = noop
[scheduler]
workers = 1
discover_hosts_in_cells_interval = -1
[conductor]
workers = 1
[compute]
resource_provider_association_refresh = 0
[image_cache]
manager_interval = 300
[vnc]
enabled = false
[cache]
enabled = true
backend = dogpile.cache.memory
[filter_scheduler]
enabled_filters = {_SCHEDULER_FILTERS}
[glance]
service_type = image
{self._auth("glance")}
[placement]
{self._auth("placement")}
[neutron]
{self._auth("neutron")}
[service_user]
send_service_user_token = true
{self._auth("nova")}
{self._authtoken("nova")}"""

    def neutron(self) -> str:
        return f"""\
[DEFAULT]
{self._logging("neutron")}
host = {self.lab.name}
core_plugin = ml2
service_plugins =
auth_strategy = keystone
transport_url = fake://
rpc_workers = 0
api_workers = 0
state_path = {self.lab.private}/neutron
dhcp_agent_notification = false
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
api_paste_config = {self.lab.etc}/neutron-api-paste.ini
[lab]
tag = {self.lab.tag}
firewall = {self.lab.private}/firewall.nft
[database]
{self._database("neutron")}
[quotas]
{_NEUTRON_QUOTAS}
[oslo_concurrency]
lock_path = {self.lab.private}/neutron/lock
[oslo_messaging_notifications]
driver = noop
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers = chaosjc_lab
extension_drivers = port_security
[securitygroup]
enable_security_group = true
{self._authtoken("neutron")}"""

    def octavia(self) -> str:
        return f"""\
[DEFAULT]
{self._logging("octavia")}
transport_url = fake://
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = haproxy:haproxy in a network namespace of its own
default_provider_driver = haproxy
[lab]
tag = {self.lab.tag}
host = {self.lab.name}
balancers = {self.lab.balancers}
[database]
{self._database("octavia")}
[controller_worker]
network_driver = allowed_address_pairs_driver
compute_driver = compute_noop_driver
[certificates]
cert_manager = noop_cert_manager
[oslo_messaging_notifications]
driver = noop
[service_auth]
{self._auth("octavia")}
[neutron]
endpoint_override = {urls(self.ports)["network"][1]}
{self._auth("octavia")}
{self._authtoken("octavia")}"""


_SCHEDULER_FILTERS = ",".join(
    (
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    )
)
_NEUTRON_QUOTAS = "\n".join(
    f"quota_{thing} = -1" for thing in ("network", "subnet", "port", "security_group", "security_group_rule")
)
