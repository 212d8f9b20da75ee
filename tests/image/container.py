"""The image of `deploy/`, built once for all processes of pytest, and its containers, which bubblewrap runs.

A container is what Docker makes of the image with `--read-only --tmpfs /tmp`: the same user, environment, folder and
entry point, which is process number 1, and no capability. Only the network is that of this machine.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.project import copy_project
from tests.wheel import wheel

PROGRAMS = {
    "buildah": "buildah",
    "bwrap": "bubblewrap",
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
}
# Only to become the user of the image. The process itself has none of them.
BECOMES_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


def require(*names: str) -> None:
    """Skip the test where one of these programs is missing, or nobody is root; fail it if REQUIRE_ALL is set."""
    missing = [PROGRAMS[name] for name in names if not shutil.which(name)]
    if not missing and os.geteuid() == 0:
        return
    reason = f"The image was NOT tried. Debian, as root: apt-get install {' '.join(missing)}"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def shared_folder(request: pytest.FixtureRequest, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, once for all processes of pytest."""
    base: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    # A process of xdist has a folder of its own in that of all.
    base = base.parent if hasattr(request.config, "workerinput") else base
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = base / f"{name}.part"
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def run(*command: str | Path, **options: Any) -> str:
    """Run a program that must succeed, and return what it prints."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_image(folder: Path) -> None:
    """Write wheel and image into a folder, and unpack the image to `root`."""
    shutil.copy(wheel(), folder)
    project = copy_project(folder / "project", ("deploy",))
    said = run(project / "deploy" / "build-image", folder)
    archive = next(folder.glob("*.image.tar"))
    assert str(archive) in said
    (folder / "root").mkdir()
    with tarfile.open(archive) as image:
        image.extractall(folder / "image", filter="data")
    layers = json.loads((folder / "image" / "manifest.json").read_text())[0]["Layers"]
    for layer in layers:
        run("tar", "--extract", "--file", folder / "image" / layer, "--directory", folder / "root")
        (folder / "image" / layer).unlink()
    archive.unlink()


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
