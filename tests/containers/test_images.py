#!/usr/bin/env python3
"""The images, built from docker/Dockerfile on Debian 13 and run hardened."""
import json
import os
import re
import subprocess
import tempfile
import threading
import unittest

from containers import ROOT, Container, podman, prepare, store
from programs import QUERY, ServedTest, get, until

SERVER, BRIDGE = "tcp://127.0.0.1:5570", "http://127.0.0.1:8405"
LONG = "/api/compute/concurrent?width=4000&height=4000&max_iter=20000&num_threads=1&kernel=scalar&time_limit_ms="
# With room to spare: what is in them is the programs and their libraries.
MOST_MIB = {"tileryd": 12, "tilery-bridge": 24, "tilery": 24}


def setUpModule():
    prepare()


def in_hand():
    """A request, besides the one that asks for this."""
    return re.search(r"(?m)^tilery_bridge_requests_in_hand 2$", get(BRIDGE, "/metrics")[1].decode())


class Images(unittest.TestCase):
    def test_they_are_small_and_hold_no_shell(self):
        for image, most in MOST_MIB.items():
            about = json.loads(podman("image", "inspect", image).stdout)[0]
            print(f"{image}: {about['Size'] / 1e6:.1f} MB")
            self.assertLess(about["Size"], most << 20)
            entry = podman("run", "--rm", "--entrypoint", "/bin/sh", image, check=False)
            self.assertNotEqual(entry.returncode, 0)

    def test_they_say_what_they_are_and_run_as_nobody(self):
        for image in MOST_MIB:
            about = json.loads(podman("image", "inspect", image).stdout)[0]
            config = about["Config"]
            self.assertEqual(config["User"], "65532:65532")
            self.assertEqual(config["Labels"]["org.opencontainers.image.title"], image)
            self.assertEqual(about["Healthcheck"]["Test"], ["CMD", "/usr/bin/tilery", "--timeout-ms", "2000", "health"])
            program = "/usr/bin/tileryd" if image == "tileryd" else "/usr/bin/tilery-bridge"
            self.assertEqual(config["Entrypoint"], [program])
            said = podman("run", "--rm", "--entrypoint", program, image, "--version").stdout
            self.assertEqual(said.split()[1], config["Labels"]["org.opencontainers.image.version"])
            for label in "licenses", "licenses", "revision", "description", "vendor":
                self.assertTrue(config["Labels"]["org.opencontainers.image." + label], label)

    def test_each_library_s_licence_is_there(self):
        for image in MOST_MIB:
            # An image's mount is for those who see the storage's own mounts.
            listing = store("sh", "-c", 'at=$(podman image mount "$0") && cd "$at" && for package in var/lib/dpkg/status.d/*;'
                            'do test -s "usr/share/doc/${package##*/}/copyright" && echo "${package##*/}"; done;'
                            'ls var/lib/dpkg/status.d | wc -l; podman image unmount "$0" >/dev/null', image).stdout.split()
            self.assertIn("libc6", listing)
            self.assertEqual(len(listing) - 1, int(listing[-1]))


class Running(ServedTest):
    """A server and a bridge in front of it, each in a container."""

    @classmethod
    def setUpClass(cls):
        cls.server = Container("tileryd", options=["--memory", "256m", "--cpus", "1"])
        cls.bridge = Container("tilery-bridge", options=["--memory", "256m", "--cpus", "1"])

    @classmethod
    def tearDownClass(cls):
        for container in cls.bridge, cls.server:
            container.close()

    def test_the_documented_request_is_answered(self):
        response, body = get(BRIDGE, "/api/compute/concurrent?" + QUERY)
        self.assertEqual(response.status, 200)
        self.check_documented(body)

    def test_process_1_is_the_program_without_any_right(self):
        for container, name in (self.server, "tileryd"), (self.bridge, "tilery-bridge"):
            status = container.proc("status")
            self.assertRegex(status, rf"Name:\t{name}\n")
            self.assertRegex(status, r"Uid:\t65532\t65532\t65532\t65532\n")
            self.assertRegex(status, r"CapEff:\t0{16}\n")
            self.assertRegex(status, r"CapBnd:\t0{16}\n")
            self.assertRegex(status, r"NoNewPrivs:\t1\n")
            root, = [line for line in container.proc("mounts").splitlines() if line.split()[1] == "/"]
            self.assertRegex(root.split()[3], r"^ro\b")

    def test_runs_side_by_side_follow_the_quotas(self):
        stats = self.server.execute("/usr/bin/tilery", "stats").stdout
        self.assertRegex(stats, r"(?m)^threads_limit 8$")
        self.assertRegex(stats, r"(?m)^cpus 1$")
        self.assertRegex(get(BRIDGE, "/metrics")[1].decode(), rf"(?m)^tilery_bridge_reply_budget_bytes {64 << 20}$")

    def test_a_request_of_more_threads_than_the_quota_runs(self):
        response, body = get(BRIDGE, "/api/compute/concurrent?width=512&height=512&tile_w=8&tile_h=8&num_threads=256")
        self.assertEqual(response.status, 200)
        self.assertEqual(len({record["thread_id"] for record in json.loads(body)["data"]}), 256)

    def test_a_bridge_without_its_server_is_unhealthy_and_back_with_it(self):
        podman("pause", self.server.id)
        try:
            self.assertFalse(self.bridge.healthy())
        finally:
            podman("unpause", self.server.id)
        until(self.bridge.healthy, "the bridge is healthy again")


class AllInOne(ServedTest):
    @classmethod
    def setUpClass(cls):
        cls.container = Container("tilery")

    @classmethod
    def tearDownClass(cls):
        cls.container.close()

    def test_the_documented_request_is_answered(self):
        response, body = get(BRIDGE, "/api/compute/concurrent?" + QUERY)
        self.assertEqual(response.status, 200)
        self.check_documented(body)


class Elsewhere(unittest.TestCase):
    def test_the_health_check_follows_the_configuration(self):
        for image, listen, server in (("tileryd", "TILERYD_LISTEN=tcp://127.0.0.1:5999", "tcp://127.0.0.1:5999"),
                                      ("tilery", "TILERY_BRIDGE_LISTEN=127.0.0.1:8999", "http://127.0.0.1:8999")):
            container = Container(image, options=["--env", listen, "--env", "TILERY_SERVER=" + server])
            self.addCleanup(container.close)


    def test_the_health_check_and_all_else_go_over_tls_and_want_a_token(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        subprocess.run(["sh", os.path.join(ROOT, "tests", "integration", "certificates.sh"), folder], check=True)
        with open(os.path.join(folder, "token"), "w", encoding="ascii") as file:
            file.write("a-token-of-the-test's-own\n")
        os.chmod(folder, 0o755)
        for name in os.listdir(folder):  # as Kubernetes does it, with the manifest's group
            os.chown(os.path.join(folder, name), 0, 65532)
            os.chmod(os.path.join(folder, name), 0o440)
        with open(os.path.join(ROOT, "docker", "README.md"), encoding="utf-8") as file:
            settings = re.findall(r"--env \S+", file.read())
        container = Container("tileryd", options=["--volume", f"{folder}:/tls:ro", *" ".join(settings).split()])
        self.addCleanup(container.close)
        for token, status in ((["--token-file=/tls/token"], 0), ([], 16)):
            done = container.execute("/usr/bin/tilery", *token, "compute")
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn("warning", container.logs())


class Signals(unittest.TestCase):
    """What process 1 does, which the kernel spares the default action of every signal."""

    def run_one(self, image, *arguments):
        container = Container(image, *arguments)
        self.addCleanup(container.close)
        return container

    def test_sigterm_and_sigint_end_an_idle_one_with_0(self):
        for image in MOST_MIB:
            for name in "TERM", "INT":
                container = self.run_one(image) if image != "tilery-bridge" else self.run_one(image, "--backend", "")
                container.signal(name)
                self.assertEqual(container.wait(), 0, container.logs())
                container.close()

    def test_sigterm_lets_the_work_in_hand_finish(self):
        container = self.run_one("tilery")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(get(BRIDGE, LONG + "3000")))
        asking.start()
        until(in_hand, "the request is in hand")
        container.signal("TERM")
        self.assertEqual(container.wait(), 0, container.logs())
        asking.join()
        self.assertEqual([response.status for response, _ in answers], [200])
        self.assertTrue(json.loads(answers[0][1])["success"])

    def test_a_second_sigterm_ends_it_at_once(self):
        container = self.run_one("tilery")
        asking = threading.Thread(target=lambda: self.assertRaises(OSError, get, BRIDGE, LONG + "600000"))
        asking.start()
        until(in_hand, "the request is in hand")
        container.signal("TERM")
        until(lambda: "finishing the work in hand" in container.logs(), "the first signal was noticed")
        container.signal("TERM")
        self.assertEqual(container.wait(), 143)
        asking.join()


if __name__ == "__main__":
    unittest.main()
