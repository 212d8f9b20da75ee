"""The unpacked image and its containers, which bubblewrap runs.

A container is what Docker makes of the image with `--read-only --tmpfs /tmp`: the same user, environment, folder and
entry point, which is process number 1, and no capability. Only the network is that of this machine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

# Only to become the user of the image. The process itself has none of them.
BECOMES_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


@dataclass
class Image:
    """The image, unpacked to a folder."""

    folder: Path

    @property
    def root(self) -> Path:
        """Its file system."""
        return self.folder / "root"

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the image says of its containers: User, Env, Entrypoint, Labels and so on."""
        manifest = json.loads((self.folder / "image" / "manifest.json").read_text())
        config: dict[str, Any] = json.loads((self.folder / "image" / manifest[0]["Config"]).read_text())["config"]
        return config

    def command(
        self,
        data: Path,
        settings: Mapping[str, str],
        *words: str,
        binds: Mapping[str, Path],
        folders: Mapping[str, Path] | None = None,
        entry: bool = True,
    ) -> list[str]:
        """The command that runs a container with this folder as /data, `words` instead of its default ones.

        It can write to `folders`, and only read `binds`.
        """
        user, group = self.config["User"].split(":")
        environment = {**dict(line.split("=", 1) for line in self.config["Env"]), **settings}
        inside = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
        return [
            *("bwrap", "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent", "--cap-drop", "ALL"),
            *(word for name in BECOMES_USER for word in ("--cap-add", name)),
            *("--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"),
            *("--perms", "0755", "--dir", "/run/secrets"),
            *("--perms", "1777", "--tmpfs", "/tmp", "--bind", str(data), "/data"),
            *(word for target, source in (folders or {}).items() for word in ("--bind", str(source), target)),
            *(word for target, source in binds.items() for word in ("--ro-bind", str(source), target)),
            "--clearenv",
            *(word for pair in environment.items() for word in ("--setenv", *pair)),
            *("setpriv", *inside, "--inh-caps=-all", "--bounding-set=-all"),
            # Not by bubblewrap, which may not enter a folder of another user.
            *("env", f"--chdir={self.config['WorkingDir']}"),
            *(self.config["Entrypoint"] if entry else ()),
            *(words or self.config["Cmd"]),
        ]
