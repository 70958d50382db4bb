#!/usr/bin/env python3
"""docker/compose.yaml, run as it stands: docker-compose in front of podman, on a network of its own."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import unittest

import yaml

from containers import PATIENCE_S, ROOT, STORE, podman, prepare
from programs import QUERY, document_reply, get, until, without_times
from rate import Http

BRIDGE = "http://127.0.0.1:8405"
FILE = os.path.join(ROOT, "docker", "compose.yaml")
LIMITS = {"server-1": (512 << 20, 2), "server-2": (512 << 20, 2), "bridge": (512 << 20, 1)}


def setUpModule():
    prepare()


def running():
    return podman("ps", "--format", "{{.Names}}").stdout.split()


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        socket = f"{cls.folder.name}/podman.sock"
        cls.env = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
        cls.service = subprocess.Popen([STORE, "podman", "system", "service", "--time", "0", cls.env["DOCKER_HOST"]])
        cls.addClassCleanup(cls.service.wait, PATIENCE_S)
        cls.addClassCleanup(cls.service.terminate)
        until(lambda: os.path.exists(socket) or cls.service.poll() is not None, "podman serves")
        cls.over = threading.Event()
        cls.addClassCleanup(cls.over.set)
        cls.addClassCleanup(cls.compose, "down", "--timeout", "20")
        cls.come_up()

    @classmethod
    def come_up(cls):
        """The bridge is not to start before somebody finds the servers healthy, which is the nurse's part."""
        up = threading.Thread(target=cls.compose, args=["up", "--detach", "--no-build"])
        up.start()
        try:
            until(lambda: len(running()) == 2 or not up.is_alive(), "two servers run")
            cls.first = running(), up.is_alive()
        finally:
            threading.Thread(target=cls.look_after, daemon=True).start()
            up.join(2 * PATIENCE_S)
        until(cls.answers, "the bridge answers")

    @classmethod
    def look_after(cls):
        """An engine's part, which podman leaves to systemd: the health checks, again and again."""
        while not cls.over.wait(0.5):
            for name in podman("ps", "--format", "{{.Names}}", check=False).stdout.split():
                podman("healthcheck", "run", name, check=False)

    @classmethod
    def compose(cls, *arguments):
        done = subprocess.run(["docker-compose", "--project-name", "tilery", "--file", FILE, *arguments], env=cls.env,
                              capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
        if done.returncode != 0:
            raise AssertionError(f"compose {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    @staticmethod
    def answers():
        try:
            return get(BRIDGE, "/readyz")[0].status == 200
        except OSError:
            return False

    @staticmethod
    def serves(name):
        return f'tilery_server_up{{server="tcp://{name}:5570"}} 1' in get(BRIDGE, "/metrics")[1].decode()

    def inspect(self, service):
        return json.loads(podman("inspect", self.compose("ps", "--quiet", service).strip()).stdout)[0]

    def check(self, load):
        (sent, answered, correct, again), wrong = load.end()
        print(f"sent {sent} answered {answered} correct {correct} again {again}")
        self.assertEqual((answered, correct, again), (sent, sent, 0), wrong)

    def test_every_service_is_hardened_and_has_its_limits(self):
        for service, (memory, cpus) in LIMITS.items():
            with self.subTest(service):
                about = self.inspect(service)
                host = about["HostConfig"]
                self.assertTrue(host["ReadonlyRootfs"])
                self.assertEqual(about["EffectiveCaps"] or [], [])
                self.assertIn("no-new-privileges", host["SecurityOpt"])
                self.assertEqual((host["Memory"], host["NanoCpus"], host["PidsLimit"]), (memory, cpus * 10**9, 1024))
                self.assertEqual(host["RestartPolicy"]["Name"], "unless-stopped")
                self.assertGreaterEqual(about["Config"]["StopTimeout"], 30 + 20)
                with open(f"/proc/{about['State']['Pid']}/status", encoding="ascii") as status:
                    self.assertRegex(status.read(), r"Uid:\t65532\t")

    def test_what_a_service_logs_is_not_kept_for_ever(self):
        for service in LIMITS:
            about = self.inspect(service)["HostConfig"]["LogConfig"]
            self.assertEqual(about["Size"], "10MB", about)

    def test_no_image_is_built_by_two_services(self):
        """Compose builds side by side; of two that give an image the same name, the one that is done later fails."""
        with open(FILE, encoding="utf-8") as file:
            services = yaml.safe_load(file)["services"].values()
        images = [service["image"] for service in services if "build" in service]
        self.assertEqual(sorted(images), sorted({service["image"] for service in services}))

    def test_the_bridge_waits_until_both_servers_are_healthy(self):
        names, still_waiting = self.first
        self.assertEqual([name for name in names if "server" not in name], [])
        self.assertTrue(still_waiting)
        self.assertEqual(len(running()), 3)

    def test_the_documented_request_is_answered_by_both_servers(self):
        for _ in range(4):
            response, body = get(BRIDGE, "/api/compute/concurrent?" + QUERY)
            self.assertEqual(response.status, 200)
            self.assertEqual(without_times(json.loads(body)), without_times(document_reply()))
        for name in "server-1", "server-2":
            until(lambda name=name: self.serves(name), f"{name} serves")

    def test_no_request_is_lost_while_a_server_is_restarted(self):
        load = Http(BRIDGE, 20)
        self.compose("restart", "--timeout", "20", "server-1")
        until(lambda: self.serves("server-1"), "server-1 serves again")
        self.check(load)

    def test_a_server_that_dies_is_started_again_and_no_request_is_lost(self):
        load = Http(BRIDGE, 20)
        before = self.inspect("server-2")["State"]["Pid"]
        os.kill(before, signal.SIGKILL)
        until(lambda: self.inspect("server-2")["State"]["Pid"] not in (0, before), "server-2 runs again")
        until(lambda: self.serves("server-2"), "server-2 serves again")
        self.check(load)


if __name__ == "__main__":
    unittest.main()
