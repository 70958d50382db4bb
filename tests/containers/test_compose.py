#!/usr/bin/env python3
"""docker/compose.yaml, run as it stands: docker-compose in front of podman, on a network of its own."""
import json
import os
import subprocess
import tempfile
import threading
import unittest

from containers import ROOT, STORE, podman, prepare
from programs import QUERY, document_reply, get, without_times
from rate import Http

BRIDGE = "http://127.0.0.1:8405"
FILE = os.path.join(ROOT, "docker", "compose.yaml")
LIMITS = {"server-1": (512 << 20, 2), "server-2": (512 << 20, 2), "bridge": (512 << 20, 1)}


def setUpModule():
    prepare()


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.env = {**os.environ, "DOCKER_HOST": f"unix://{cls.folder.name}/podman.sock"}
        cls.service = subprocess.Popen([STORE, "podman", "system", "service", "--time", "0", cls.env["DOCKER_HOST"]])
        cls.addClassCleanup(cls.stop)
        while not os.path.exists(f"{cls.folder.name}/podman.sock"):
            pass
        cls.over = threading.Event()
        cls.nurse = threading.Thread(target=cls.look_after, daemon=True)
        cls.nurse.start()
        cls.addClassCleanup(cls.compose, "down", "--timeout", "20")
        cls.compose("up", "--detach", "--no-build")

    @classmethod
    def stop(cls):
        cls.over.set()
        cls.service.terminate()
        cls.service.wait()
        cls.folder.cleanup()

    @classmethod
    def look_after(cls):
        """An engine's part, which podman leaves to systemd: the health checks, again and again."""
        while not cls.over.wait(0.5):
            for name in podman("ps", "--format", "{{.Names}}", check=False).stdout.split():
                podman("healthcheck", "run", name, check=False)

    @classmethod
    def compose(cls, *arguments):
        done = subprocess.run(["docker-compose", "--project-name", "tilery", "--file", FILE, *arguments], env=cls.env,
                              capture_output=True, text=True, timeout=180, check=False)
        if done.returncode != 0:
            raise AssertionError(f"compose {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def inspect(self, service):
        return json.loads(podman("inspect", self.compose("ps", "--quiet", service).strip()).stdout)[0]

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
                with open(f"/proc/{about['State']['Pid']}/status", encoding="ascii") as status:
                    self.assertRegex(status.read(), r"Uid:\t65532\t")

    def test_the_bridge_starts_when_both_servers_are_healthy(self):
        # Of the servers, the other one is restarted by a test.
        self.assertLess(self.inspect("server-2")["State"]["StartedAt"], self.inspect("bridge")["State"]["StartedAt"])

    def test_the_documented_request_is_answered_by_both_servers(self):
        for _ in range(4):
            response, body = get(BRIDGE, "/api/compute/concurrent?" + QUERY)
            self.assertEqual(response.status, 200)
            self.assertEqual(without_times(json.loads(body)), without_times(document_reply()))
        text = get(BRIDGE, "/metrics")[1].decode()
        for name in "server-1", "server-2":
            self.assertIn(f'tilery_server_up{{server="tcp://{name}:5570"}} 1', text)

    def test_no_request_is_lost_while_a_server_is_restarted(self):
        load = Http(BRIDGE, 20)
        self.compose("restart", "--timeout", "20", "server-1")
        while 'tilery_server_up{server="tcp://server-1:5570"} 1' not in get(BRIDGE, "/metrics")[1].decode():
            pass
        (sent, answered, correct, again), wrong = load.end()
        print(f"sent {sent} answered {answered} correct {correct} again {again}")
        self.assertEqual((answered, correct, again), (sent, sent, 0), wrong)


if __name__ == "__main__":
    unittest.main()
