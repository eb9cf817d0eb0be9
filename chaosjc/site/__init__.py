"""A JupyterCloud: deployed on a cloud as its file says, kept that way, and seen as a topology.

    model       the site file and its policy            topology    what is there, as pure values
    discover    the cloud → topology                    state       the site's own directory and lock
    cluster     the part of it that runs on Kubernetes
    stages      facts → plan (pure) → apply             deploy      runs them along their graph
    verify      pytest-testinfra through the bastion    endpoints   Prometheus and Kubernetes, from where we are

What others call: `model.load`, `SiteFile.snapshot` and `restore`, `context.open_site`, `discover.topology`,
`deploy.plan`, `deploy.deploy`, `deploy.destroy`, `endpoints.prometheus`, `endpoints.kubernetes`.
"""
