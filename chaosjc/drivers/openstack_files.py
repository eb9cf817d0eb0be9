"""Which clouds.yaml has the entry of a cloud: the one of this shell, or the one that a run began with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

CONFIG, SECURE = "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"
"""Variables that name clouds.yaml, and the secure.yaml that goes with it."""
ENVVARS = "envvars"
"""What openstacksdk calls the cloud that the variables of the shell describe themselves, without any file."""
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class CloudFiles:
    """As the variables of a shell name them; the others are in a directory, by default this one, or at home.

    One that is named stands alone. Were another taken where it is gone, then a cloud of the same name, in which nothing
    of the site is found: what is broken would look whole.
    """

    environment: Mapping[str, str]
    directory: str = ""

    @classmethod
    def now(cls) -> Self:
        """Those of this shell."""
        return cls({name: os.path.abspath(os.environ[name]) for name in (CONFIG, SECURE) if os.environ.get(name)})

    @property
    def told(self) -> str:
        """Where clouds.yaml must be."""
        return self.environment.get(CONFIG) or f"{self.directory or f'${CONFIG}, .'}, or ~/.config/openstack"

    @property
    def found(self) -> dict[str, str]:
        """The variables as they would be, had what is found now been named: later no other is taken in its place."""
        from openstack.exceptions import ConfigException

        unnamed: dict[str, str | None] = {}
        with contextlib.suppress(ConfigException):  # who connects says what is wrong with it
            config = self._config(load_envvars=False)
            unnamed = {CONFIG: config.config_filename, SECURE: config.secure_config_filename}
        return {name: os.path.abspath(path) for name, path in {**unnamed, **self.environment}.items() if path}

    def entry(self, name: str, timeout: float) -> Any:
        """A cloud's, as openstacksdk's connections take it. Raises what that raises."""
        # other variables of this shell would come first
        return self._config(load_envvars=name == ENVVARS).get_one(cloud=name, api_timeout=timeout)

    def _config(self, *, load_envvars: bool) -> Any:
        from openstack.config import OpenStackConfig

        return OpenStackConfig(
            config_files=self._files(CONFIG, "clouds"),
            secure_files=self._files(SECURE, "secure"),
            load_envvars=load_envvars,
            app_name="chaosjc",
        )

    def _files(self, variable: str, stem: str) -> list[str]:
        """In the order in which they are tried."""
        from openstack.config import loader

        if named := self.environment.get(variable):
            return [named]
        here, *elsewhere = loader.CONFIG_SEARCH_PATH
        return [f"{each}/{stem}{suffix}" for each in (self.directory or here, *elsewhere) for suffix in SUFFIXES]
