"""What the tests of the images share: the images built from docker/Dockerfile, and containers of them.

A test runs on a small machine of its own: ports, bridges and firewalls are nobody else's.
"""
import json
import os
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORE = os.path.join(ROOT, "tests", "containers", "store.sh")
IMAGES = ["tileryd", "tilery-bridge", "tilery"]
TOOLS = ["aardvark-dns", "buildah", "catatonit", "conmon", "docker-compose", "ip", "iptables", "mmdebstrap", "podman", "runc"]
LIBRARIES = "/usr/lib/podman"  # where Debian has those that are no commands
PATIENCE_S = 180
sys.path.append(os.path.join(ROOT, "tests", "integration"))

import apart  # noqa: E402
from programs import until  # noqa: E402


def store(*arguments, check=True, timeout=PATIENCE_S):
    """Runs a tool on the images and containers of the tests."""
    done = subprocess.run([STORE, *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


def podman(*arguments, **options):
    return store("podman", *arguments, **options)


def require_tools():
    """Skips the tests where they cannot be."""
    if os.environ.get("TILERY_CONTAINERS") == "0":
        raise unittest.SkipTest("TILERY_CONTAINERS=0 leaves the images out")
    path = os.pathsep.join([os.environ["PATH"], LIBRARIES])
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        raise unittest.SkipTest(f"no {', '.join(missing)}: client/install-deps.sh containers")
    if os.geteuid() != 0:
        raise unittest.SkipTest("containers want root here")
    apart.require()


def prepare():
    """Goes to a machine of its own, where there are the images and no container; or skips the tests."""
    require_tools()
    apart.go("--net")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    podman("rm", "--all", "--force", "--time", "0")
    for image in IMAGES:
        if podman("image", "exists", image, check=False).returncode != 0:
            raise AssertionError(f"no image {image}: tests/containers/test_build.py makes it")


# What the compose file and the manifests give a container, too.
HARDENED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--pids-limit", "512"]


class Container:
    """A container of an image, healthy when it is returned; removed by close()."""

    def __init__(self, image, *arguments, options=()):
        self.id = podman("run", "--detach", "--network", "host", *HARDENED, *options, image, *arguments).stdout.strip()
        until(self.healthy_or_ended, f"{image} is healthy")
        if not self.inspect()["State"]["Running"]:
            raise AssertionError(f"{image}: {self.logs()}")

    def inspect(self):
        return json.loads(podman("inspect", self.id).stdout)[0]

    def healthy(self):
        """As the image's own HEALTHCHECK says."""
        return podman("healthcheck", "run", self.id, check=False).returncode == 0

    def healthy_or_ended(self):
        return self.healthy() or not self.inspect()["State"]["Running"]

    def execute(self, *arguments):
        return podman("exec", self.id, *arguments, check=False)

    def logs(self):
        done = podman("logs", self.id)
        return done.stdout + done.stderr

    def proc(self, name):
        """Of process 1, as the host sees it."""
        with open(f"/proc/{self.inspect()['State']['Pid']}/{name}", encoding="ascii", errors="replace") as file:
            return file.read()

    def signal(self, name):
        podman("kill", "--signal", name, self.id)

    def wait(self):
        return int(podman("wait", self.id).stdout)

    def close(self):
        podman("rm", "--force", "--time", "0", self.id)
