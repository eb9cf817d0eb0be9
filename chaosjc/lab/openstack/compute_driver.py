"""Nova's virt driver: a server is a machine of chaosjc.lab.machine.

Only what it can really do: anything else (volumes, rescue, resize, migration) stays NotImplementedError, as nova's base
class has it. Cloud-init reads nova's own config drive content from a seed directory; security groups are Neutron's
business (mechanism.py).
"""

import concurrent.futures
import copy
import os
import shutil
from pathlib import Path

import nova.conf
import os_resource_classes as orc
import requests
from nova import exception
from nova.api.metadata import base as instance_metadata
from nova.compute import power_state, task_states
from nova.image import glance
from nova.network import model
from nova.objects import fields
from nova.virt import driver, hardware, node
from oslo_config import cfg
from oslo_log import log as logging

from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab.machine.machine import Host, Spec
from chaosjc.lab.machine.network import Names, Nic

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF
CONF.register_opts([cfg.StrOpt("tag"), cfg.StrOpt("machines")], "lab")
SEED = "var/lib/cloud/seed/config_drive"
CONSOLE_BYTES = 100 << 10
_STATES = {"off": power_state.SHUTDOWN, "running": power_state.RUNNING, "paused": power_state.PAUSED}
_NOT_IN_SNAPSHOT = ("proc/*", "sys/*", "dev/*", "run/*", "tmp/*", "var/lib/cloud/*")


class NspawnDriver(driver.ComputeDriver):
    capabilities = dict(
        driver.ComputeDriver.capabilities,
        has_imagecache=True,
        supports_attach_interface=True,
        supports_image_type_raw=True,
    )
    vcpus = os.cpu_count() or 1
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi)
        self.base = Path(CONF.lab.machines)
        self.machines = Host(self.base, Names(CONF.lab.tag))
        self.local_gb = shutil.disk_usage(self.base).total >> 30
        self.images = glance.API()

    # ---- the host
    def init_host(self, host):
        """Boot what ran when the lab went down, before nova compares its own records with the host."""
        self.host = host
        again = [m for m in self.machines.machines() if m.spec.resume]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for machine, started in [(m, pool.submit(m.start)) for m in again]:
                if error := started.exception():
                    LOG.error("%s does not come back: %s", machine.uuid, error)

    def get_available_nodes(self, refresh=False):
        return [self.host]

    def get_nodenames_by_uuid(self, refresh=False):
        return {node.get_local_node_uuid(): self.host}

    def get_host_ip_addr(self):
        return CONF.my_ip

    def get_host_uptime(self):
        return run(["uptime"]).stdout.strip()

    def get_available_resource(self, nodename):
        used = [m.spec for m in self.machines.machines()]
        return {
            "vcpus": self.vcpus,
            "memory_mb": self.memory_mb,
            "local_gb": self.local_gb,
            "vcpus_used": sum(s.vcpus for s in used),
            "memory_mb_used": sum(s.memory_mb for s in used),
            "local_gb_used": sum(s.disk_gb + sum(s.ephemeral_gb) for s in used),
            "disk_available_least": shutil.disk_usage(self.base).free >> 30,
            "hypervisor_type": "nspawn",
            "hypervisor_version": 1,
            "hypervisor_hostname": nodename,
            "cpu_info": "{}",
            "numa_topology": None,
            "uuid": node.get_local_node_uuid(),
            "supported_instances": [(fields.Architecture.X86_64, fields.HVType.LXC, fields.VMMode.EXE)],
        }

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)
        totals = {
            orc.VCPU: (self.vcpus, CONF.reserved_host_cpus),
            orc.MEMORY_MB: (self.memory_mb, CONF.reserved_host_memory_mb),
            orc.DISK_GB: (self.local_gb, self._get_reserved_host_disk_gb_from_config()),
        }
        inventory = {
            name: {
                "total": total,
                "min_unit": 1,
                "max_unit": total,
                "step_size": 1,
                "allocation_ratio": ratios[name],
                "reserved": reserved,
            }
            for name, (total, reserved) in totals.items()
        }
        provider_tree.update_inventory(nodename, inventory)

    def _machine(self, instance):
        return self.machines.machine(instance.uuid)

    # ---- what is there
    def list_instance_uuids(self):
        return [m.uuid for m in self.machines.machines()]

    def list_instances(self):
        return self.list_instance_uuids()

    def get_num_instances(self):
        return len(self.list_instance_uuids())

    def instance_exists(self, instance):
        return self._machine(instance).exists

    def get_info(self, instance, use_cache=True):
        machine = self._machine(instance)
        state = machine.state
        if state == "missing":
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        if state == "paused" and machine.spec.suspended:
            return hardware.InstanceInfo(state=power_state.SUSPENDED)
        return hardware.InstanceInfo(state=_STATES[state], internal_id=machine.namespace)

    # ---- life
    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):  # fmt: skip
        machine = self._machine(instance)
        if machine.directory.exists():  # left by a spawn that died
            machine.destroy()
        image = instance.image_ref or image_meta.id
        machine.define(self._spec(instance, image, network_info, block_device_info))
        try:
            machine.prepare(lambda path: self.images.download(context, image, dest_path=str(path)))
        except LabError as error:
            machine.destroy()
            raise exception.ImageUnacceptable(image_id=image, reason=str(error)) from error
        (machine.root / "etc/machine-id").write_text("")  # a snapshot brings its own
        self._seed(machine, instance, injected_files, network_info, admin_password)
        if power_on:
            machine.start()

    def _spec(self, instance, image, network_info, block_devices):
        sizes = [e["size"] for e in driver.block_device_info_get_ephemerals(block_devices)] if block_devices else []
        flavor = instance.flavor
        return Spec(
            name=instance.display_name,
            hostname=instance.hostname or "vm",
            image=image,
            memory_mb=flavor.memory_mb,
            vcpus=flavor.vcpus,
            disk_gb=flavor.root_gb,
            ephemeral_gb=tuple(sizes or ([flavor.ephemeral_gb] if flavor.ephemeral_gb else [])),
            nics=tuple(self._nic(vif) for vif in network_info or []),
        )

    @staticmethod
    def _nic(vif):
        addresses, gateways = [], []
        for subnet in vif["network"]["subnets"]:
            length = subnet["cidr"].split("/")[1]
            addresses += [f"{ip['address']}/{length}" for ip in subnet["ips"]]
            if gateway := (subnet.get("gateway") or {}).get("address"):
                gateways.append(f"{gateway}/{length}")
        return Nic(vif["id"], vif["network"]["id"], vif["address"], tuple(addresses), tuple(gateways))

    @staticmethod
    def _seed(machine, instance, files, network_info, password):
        extra = {"admin_pass": password} if password else {}
        static = _without_dhcp(network_info)
        metadata = instance_metadata.InstanceMetadata(instance, content=files, extra_md=extra, network_info=static)
        for name, data in metadata.metadata_for_config_drive():
            if name.startswith(("openstack/latest/", "openstack/content/")):
                path = machine.root / SEED / name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(data.encode() if isinstance(data, str) else data)

    def snapshot(self, context, instance, image_id, update_task_state):
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        file = self.base / "images" / f".snapshot-{image_id}"
        try:
            options = ["-comp", "zstd", "-Xcompression-level", "3", "-noappend", "-quiet", "-no-progress", "-wildcards"]
            argv = ["mksquashfs", str(self._machine(instance).root), str(file), *options, "-e", *_NOT_IN_SNAPSHOT]
            run(argv, timeout=600)
            update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
            self._upload(context, image_id, file)
        finally:
            file.unlink(missing_ok=True)

    def _upload(self, context, image_id, file):
        """With a length: glanceclient's chunked upload is answered with 500 by glance behind this server."""
        name = self.images.get(context, image_id)["name"]
        facts = {"name": name, "disk_format": "raw", "container_format": "bare", "properties": {}}
        self.images.update(context, image_id, facts, None, purge_props=False)
        url = f"{next(glance.get_api_servers(context)).rstrip('/')}/v2/images/{image_id}/file"
        headers = {"X-Auth-Token": context.auth_token, "Content-Type": "application/octet-stream"}
        with file.open("rb") as data:
            requests.put(url, data=data, timeout=600, headers=headers).raise_for_status()

    def destroy(
        self, context, instance, network_info, block_device_info=None, destroy_disks=True, destroy_secrets=True
    ):
        self._machine(instance).destroy()

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None,
                destroy_vifs=True, destroy_secrets=True):  # fmt: skip
        self._machine(instance).destroy()

    # ---- power
    def power_off(self, instance, timeout=0, retry_interval=0):
        self._machine(instance).stop(timeout)

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None, share_info=None):
        self._machine(instance).start()

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None,
               accel_info=None, share_info=None):  # fmt: skip
        self._machine(instance).reboot(hard=reboot_type == "HARD")

    def pause(self, instance):
        self._in_state(instance, "running").pause()

    def unpause(self, instance):
        self._in_state(instance, "paused").unpause()

    def suspend(self, context, instance):
        self._in_state(instance, "running").pause(suspended=True)

    def resume(self, context, instance, network_info, block_device_info=None, share_info=None):
        self._in_state(instance, "paused").unpause()

    def _in_state(self, instance, state):
        machine = self._machine(instance)
        if machine.state != state:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        return machine

    # ---- ports
    def plug_vifs(self, instance, network_info):
        """They outlive this process; Machine.start makes what is missing."""

    def unplug_vifs(self, instance, network_info):
        """Machine.destroy does it."""

    def attach_interface(self, context, instance, image_meta, vif):
        self._machine(instance).attach(self._nic(vif))

    def detach_interface(self, context, instance, vif):
        self._machine(instance).detach(vif["id"])

    def manage_image_cache(self, context, all_instances):
        self.machines.drop_unused_images()

    # ---- looking
    def get_console_output(self, context, instance):
        try:
            with self._machine(instance).console.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - CONSOLE_BYTES))
                return log.read()
        except OSError:
            raise exception.ConsoleNotAvailable() from None


def _without_dhcp(network_info):
    """The same addresses for cloud-init to set by itself: the lab has no DHCP server, whatever the subnet says."""
    copies = model.NetworkInfo(copy.deepcopy(vif) for vif in network_info or [])
    for vif in copies:
        for subnet in vif["network"]["subnets"]:
            for promise in ("dhcp_server", "enable_dhcp"):
                subnet["meta"].pop(promise, None)
    return copies
