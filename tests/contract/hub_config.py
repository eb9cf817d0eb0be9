# The hub of the contract tests, read by jupyterhub itself: a process per user, no system user, loopback only.
# type: ignore
import json
import os
import sys

from jupyterhub.spawner import SimpleLocalProcessSpawner

said = json.loads(os.environ["CHAOSJC_TEST_HUB"])
c = get_config()  # noqa: F821 - jupyterhub gives it

c.JupyterHub.bind_url = said["url"]
c.JupyterHub.hub_bind_url = said["hub"]
c.JupyterHub.db_url = said["database"]
c.JupyterHub.cookie_secret_file = f"{said['directory']}/cookie-secret"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.last_activity_interval = said["routes_every"]
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0, "slow_stop_timeout": 0}
c.JupyterHub.concurrent_spawn_limit = 10
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = said["proxy_api"]
c.ConfigurableHTTPProxy.auth_token = said["token"]

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = said["password"]
c.Authenticator.allow_all = True


class Spawner(SimpleLocalProcessSpawner):
    """Tells the test what was asked for; who is no canary gets a server that is quick and no Jupyter."""

    async def start(self):
        with open(f"{said['directory']}/spawned", "a") as file:
            file.write(json.dumps([self.user.name, self.user_options]) + "\n")
        if not self.user.name.startswith("canary-"):
            self.cmd = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
        return await super().start()

    def get_env(self):
        return super().get_env() | {"CHAOSJC_NODE": (self.user_options or {}).get("node", "wherever there is room")}

    def get_args(self):
        return super().get_args() if self.user.name.startswith("canary-") else [str(self.port)]


c.JupyterHub.spawner_class = Spawner
c.SimpleLocalProcessSpawner.home_dir_template = f"{said['directory']}/homes/{{username}}"
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.jpserver_extensions={'jupyterlab': False, 'jupyter_lsp': False, 'jupyter_server_terminals': False}",
]
c.Spawner.cmd = said["singleuser"]
c.Spawner.poll_interval = 1
c.Spawner.environment = said["environment"] | {"JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp"}
c.Spawner.start_timeout = 60

# Made beforehand, so that the canary needs no right to make users
c.Authenticator.allowed_users = set(said["users"])
c.JupyterHub.services = [{"name": "canary", "api_token": said["token"]}, {"name": "admin", "api_token": said["admin"]}]
c.JupyterHub.load_roles = [
    {"name": "canary", "services": ["canary"], "scopes": said["scopes"]},
    {"name": "everything", "services": ["admin"], "scopes": ["admin:users", "admin:servers"]},
]
