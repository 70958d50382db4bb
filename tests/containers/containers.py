"""What the tests of the images share: the images built from docker/Dockerfile, and containers of them.

Everything runs in a network namespace of the test's own, so that ports, bridges and firewalls are nobody else's.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORE = os.path.join(ROOT, "tests", "containers", "store.sh")
TOOLS = ["buildah", "docker-compose", "ip", "mmdebstrap", "podman", "runc"]
# Of the tests that the image's build runs when nobody says: a choice of seconds, of all that Debian 13's libraries are
# used for. The whole suite has just run on this machine; tests/fresh-root.sh trixie runs it on Debian 13.
TESTS = os.environ.get("TILERY_IMAGE_TESTS", "^(test_(%s)|fuzz_replies)$" % "|".join((
    "status", "limits", "arena", "address", "envelope", "envelope_limits", "check", "grid", "log", "quota", "refusals",
    "stats", "programs", "schema")))
CLONE_NEWNET = 0x40000000
sys.path.append(os.path.join(ROOT, "tests", "integration"))


def store(*arguments, check=True, timeout=60):
    """Runs a tool on the images and containers of the tests."""
    done = subprocess.run([STORE, *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


def podman(*arguments, **options):
    return store("podman", *arguments, **options)


def prepare():
    """Builds the images, or skips the tests where that cannot be; then leaves the machine's network."""
    if os.environ.get("TILERY_CONTAINERS") == "0":
        raise unittest.SkipTest("TILERY_CONTAINERS=0 leaves the images out")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise unittest.SkipTest(f"no {', '.join(missing)}: client/install-deps.sh containers")
    if os.geteuid() != 0:
        raise unittest.SkipTest("containers want root here")
    if subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode != 0:
        raise unittest.SkipTest("this machine lets nobody make namespaces")
    os.environ["TILERY_BUILDER"] = "buildah"
    store(os.path.join(ROOT, "docker", "build.sh"), "--tests", TESTS, timeout=900)
    enter_own_network()


def enter_own_network():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


# What the compose file and the manifests give a container, too.
HARDENED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--pids-limit", "512"]


class Container:
    """A container of an image, healthy when it is returned; removed by close()."""

    def __init__(self, image, *arguments, options=()):
        self.id = podman("run", "--detach", "--network", "host", *HARDENED, *options, image, *arguments).stdout.strip()
        while not self.healthy():
            if not self.inspect()["State"]["Running"]:
                raise AssertionError(f"{image}: {self.logs()}")

    def inspect(self):
        return json.loads(podman("inspect", self.id).stdout)[0]

    def healthy(self):
        """As the image's own HEALTHCHECK says."""
        return podman("healthcheck", "run", self.id, check=False).returncode == 0

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
        return int(podman("wait", self.id, timeout=90).stdout)

    def close(self):
        podman("rm", "--force", "--time", "0", self.id)
