# A hub's configuration in the shape of zero-to-jupyterhub's: values and secrets from files, the site's code last.
# type: ignore

import os
from pathlib import Path

import yaml

HERE = Path(__file__).parent
VALUES = yaml.safe_load((HERE / "values.yaml").read_text())
USER = VALUES["singleuser"]

c = get_config()  # noqa: F821
c.JupyterHub.db_url = VALUES["hub"]["db"]["url"]
os.environ["PGPASSWORD"] = VALUES["hub"]["db"]["password"]
c.KubeSpawner.image = f"{USER['image']['name']}:{USER['image']['tag']}"
c.KubeSpawner.uid, c.KubeSpawner.fs_gid = USER["uid"], USER["fsGid"]
c.KubeSpawner.environment = USER["extraEnv"]
if USER["image"].get("pullPolicy"):
    c.KubeSpawner.image_pull_policy = USER["image"]["pullPolicy"]
if USER["initContainers"]:
    c.KubeSpawner.init_containers = USER["initContainers"]

# By name, and not in lists
volumes, mounts = {}, {}
if USER["storage"]["type"] == "static":
    home = USER["storage"]["static"]
    volumes["home"] = {"name": "home", "persistentVolumeClaim": {"claimName": home["pvcName"]}}
    mounts["home"] = {"name": "home", "mountPath": USER["storage"]["homeMountPath"], "subPath": home["subPath"]}
c.KubeSpawner.volumes, c.KubeSpawner.volume_mounts = volumes, mounts
if USER["cloudMetadata"]["blockWithIptables"]:
    c.KubeSpawner.init_containers.append({"name": "block-cloud-metadata", "image": "example.org/iptables:1"})

c.JupyterHub.cookie_secret = (HERE / "hub.config.JupyterHub.cookie_secret").read_text()
for section, traits in VALUES["hub"]["config"].items():
    c[section].update(traits)
for _, code in sorted(VALUES["hub"]["extraConfig"].items()):
    exec(code)
