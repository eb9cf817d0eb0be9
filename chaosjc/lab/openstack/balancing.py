"""Octavia's provider `haproxy`: what its API has written down, made true on the host.

The API's calls only ring a bell. One thread looks at the database and makes the host equal to it, level triggered, so
that a kill at any moment costs nothing: what was under way is done at the next start. What a member is said to be is
what haproxy's own checks say now.

Not there: L7 policies, TLS termination, UDP, session persistence, failover; the API refuses them.
"""

import threading
import time
from pathlib import Path

from octavia.common import clients, constants
from octavia.db import api as database
from octavia.db import models
from octavia.db.repositories import LoadBalancerRepository
from octavia_lib.api.drivers import exceptions, provider_base
from octavia_lib.api.drivers.data_models import UnsetType
from oslo_config import cfg
from oslo_log import log as logging

from chaosjc.lab.machine import haproxy
from chaosjc.lab.machine.balancer import Balancer
from chaosjc.lab.machine.network import Names, Nic
from chaosjc.lab.openstack import described
from chaosjc.lab.openstack.attempts import Since, all_tried, tried

LOG = logging.getLogger(__name__)
CONF = cfg.CONF  # Octavia's, for this is imported while it is loaded
CONF.register_opts([cfg.StrOpt("tag"), cfg.StrOpt("balancers"), cfg.StrOpt("host")], "lab")
_ROUND, _RUNG = 0.5, 0.05  # seconds between two looks, and while a request may be being answered
_REQUEST = 2.0  # seconds: the bell rings before the request's transaction ends
_AGAIN, _PATIENCE = 0.5, 10.0  # seconds between two attempts, and until one that fails becomes an ERROR
_SILENT, _SILENCE = (True, None), 20.0  # a look, and seconds of it until haproxy is ended: longer than a host is busy
_PENDING = (constants.PENDING_CREATE, constants.PENDING_UPDATE, constants.PENDING_DELETE)
_bell = threading.Event()


class LabProvider(provider_base.ProviderDriver):
    """Refuses what the data path cannot do, and rings."""

    def create_vip_port(self, loadbalancer_id, project_id, vip_dictionary, additional_vip_dicts=None):
        if additional_vip_dicts:
            _refuse("The lab's load balancer has one virtual address.")
        raise exceptions.NotImplementedError()  # Octavia asks Neutron itself then

    def loadbalancer_create(self, loadbalancer):
        for listener in _given(loadbalancer.listeners):
            self.listener_create(listener)
        for pool in _given(loadbalancer.pools):
            self.pool_create(pool)
        _bell.set()

    def listener_create(self, listener):
        _only("protocol", listener.protocol, described.LISTENERS)
        _only("L7 policy", ["any"] if _given(listener.l7policies) else [], ())
        self.listener_update(None, listener)

    def listener_update(self, old_listener, new_listener):
        _only("insert header", new_listener.insert_headers, haproxy.HEADERS)
        _bell.set()

    def pool_create(self, pool):
        _only("protocol", pool.protocol, described.POOLS)
        _only("TLS to members", ["yes"] if pool.tls_enabled is True else [], ())
        if _given(pool.healthmonitor):
            self.health_monitor_create(pool.healthmonitor)
        self.pool_update(None, pool)

    def pool_update(self, old_pool, new_pool):
        _only("algorithm", new_pool.lb_algorithm, described.BALANCE)
        _only("session persistence", new_pool.session_persistence, ())
        _bell.set()

    def health_monitor_create(self, healthmonitor):
        _only("health monitor", healthmonitor.type, described.MONITORS)
        _bell.set()

    def _ring(self, *_, **__):
        _bell.set()

    loadbalancer_update = loadbalancer_delete = listener_delete = pool_delete = _ring
    member_create = member_update = member_delete = member_batch_update = _ring
    health_monitor_update = health_monitor_delete = _ring


def _given(value):
    return () if value is None or isinstance(value, UnsetType) else value


def _only(what, wanted, offered):
    for each in [wanted] if isinstance(wanted, str) else _given(wanted):
        if each not in offered:
            _refuse(f"The lab's load balancer has no {what} {each}; there is: {', '.join(offered) or 'none'}.")


def _refuse(fault):
    raise exceptions.UnsupportedOptionError(user_fault_string=fault, operator_fault_string=fault)


class Keeper:
    """The thread."""

    def __init__(self):
        self.names, self.base = Names(CONF.lab.tag), Path(CONF.lab.balancers)
        self.load_balancers = LoadBalancerRepository()
        self.nics = {}  # of the virtual addresses, by port: it keeps address and MAC for life
        self.seen = {}  # what haproxy said when the statuses were last written, by balancer
        self.failing = Since()  # the host is not what the database wants, by balancer
        self.silent = Since()  # haproxy runs and does not answer, by balancer

    def run(self, ready):
        """For ever; `ready` is called once all balancers have been looked at."""
        while not tried(self._begin):
            time.sleep(_AGAIN)
        ready()
        rung = 0.0
        while True:
            if _bell.wait(_RUNG if time.monotonic() < rung else _ROUND):
                _bell.clear()
                rung = time.monotonic() + _REQUEST
                time.sleep(_RUNG)
            if not tried(self._round):
                time.sleep(_AGAIN)

    def _begin(self):
        self._sweep()
        self._round()

    def _network(self):
        return clients.NeutronAuth.get_neutron_client().network

    def _sweep(self):
        """Remove ports of balancers that never came to be: their requests died with the process.

        A request holds the database from before its port is made until its balancer is written down, and so do we.
        """
        with database.session().begin() as session:
            known = {f"octavia-lb-{row.id}" for row in session.query(models.LoadBalancer.id)}
            for port in self._network().ports(device_owner=constants.OCTAVIA_OWNER):
                if port.name.startswith("octavia-lb-") and port.name not in known:
                    LOG.warning("port %s: its load balancer never came to be", port.id)
                    self._network().delete_port(port.id)

    def _round(self):
        with database.session().begin() as session:
            rows = session.query(models.LoadBalancer.id, models.LoadBalancer.provisioning_status).all()
        if not all_tried(self._visit, rows):
            time.sleep(_AGAIN)

    def _visit(self, uuid, status):
        look = _look(self._balancer(uuid))
        stuck = look == _SILENT and self.silent.seconds(uuid) >= _SILENCE
        if stuck or look != _SILENT:
            self.silent.over(uuid)
        if stuck or status in _PENDING or look != self.seen.get(uuid):
            self._settle(uuid, stuck)

    def _balancer(self, uuid):
        return Balancer(self.names, self.base, uuid)

    def _settle(self, uuid, stuck):
        with database.session().begin() as session:
            wanted = self.load_balancers.get(session, id=uuid)
        if wanted is None:
            return
        if wanted.provisioning_status == constants.PENDING_DELETE:
            self._remove(wanted)
            return
        fault = None
        try:
            self._balancer(uuid).apply(described.description(wanted), self._nic(wanted.vip), again=stuck)
            self.failing.over(uuid)
        except Exception as error:
            LOG.exception("load balancer %s", uuid)
            if self.failing.seconds(uuid) < _PATIENCE or uuid in self.silent:  # a silent one hands nothing over
                return
            fault = error
        look = _look(self._balancer(uuid))
        _write(wanted, described.statuses(wanted, look[1], fault is not None), fault)
        self.seen[uuid] = None if fault else look

    def _nic(self, vip):
        """The port of the virtual address, which is taken into service the first time."""
        if vip.port_id not in self.nics:
            network = self._network()
            subnet, owner = network.get_subnet(vip.subnet_id), constants.OCTAVIA_OWNER
            port = network.update_port(
                vip.port_id,
                is_admin_state_up=True,
                binding_host_id=CONF.lab.host,
                device_owner=owner,
                device_id=f"lb-{vip.load_balancer_id}",
            )
            length = subnet.cidr.split("/")[1]
            gateways = (f"{subnet.gateway_ip}/{length}",) if subnet.gateway_ip else ()
            addresses = (f"{vip.ip_address}/{length}",)
            self.nics[vip.port_id] = Nic(vip.port_id, vip.network_id, port.mac_address, addresses, gateways)
        return self.nics[vip.port_id]

    def _remove(self, wanted):
        """The host's things first: what the database does not know is not found again."""
        vip = wanted.vip
        self._balancer(wanted.id).remove(Nic(vip.port_id, vip.network_id, "", (), ()))
        if vip.octavia_owned:
            self._network().delete_port(vip.port_id)
        elif self._network().find_port(vip.port_id):
            self._network().update_port(vip.port_id, device_owner="", device_id="", binding_host_id="")
        with database.session().begin() as session:
            self.load_balancers.delete(session, id=wanted.id)
        self.nics.pop(vip.port_id, None)
        self.seen.pop(wanted.id, None)
        self.failing.over(wanted.id)
        self.silent.over(wanted.id)


def _look(balancer):
    return balancer.running, balancer.states()


def _write(wanted, statuses, fault):
    """What was under way is ACTIVE, or ERROR, or gone, and every operating status is as it is now."""
    settled = constants.ERROR if fault else constants.ACTIVE
    with database.session().begin() as session:
        for name, each in described.tree(wanted):
            model = getattr(models, name)
            if each.provisioning_status == constants.PENDING_DELETE:
                session.delete(session.get(model, each.id))
                session.flush()
                continue
            change = {"operating_status": statuses[each.id]}
            if each.provisioning_status in _PENDING:
                change["provisioning_status"] = settled
            session.query(model).filter_by(id=each.id).update(change)


def start():
    """Look after all balancers, for ever; returns when each has been looked at once, which Neutron is needed for."""
    ready = threading.Event()
    threading.Thread(target=Keeper().run, args=(ready.set,), daemon=True, name="balancers").start()
    ready.wait(_PATIENCE)
