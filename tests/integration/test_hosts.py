#!/usr/bin/env python3
"""Three hosts, as network namespaces: a server on each of two, a bridge and the clients on the third."""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import apart
from programs import QUERY, SANITIZED, Process, get, program, stats, until
from rate import Http, Rpc

HOSTS = ["one", "two", "three"]
RATE = 4
PORT = 5570
# For as long as the rest of a test takes to set up: it is in hand when its server goes.
LONG = ["--width=600", "--height=600", "--tile-w=600", "--tile-h=600", "--kernel=scalar", "--num-threads=1",
        f"--max-iter={30000 if SANITIZED else 3000}", "--region=-0.2,-0.1,0.2,0.2", "--time-limit-ms=600000"]
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None)


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True, timeout=60)


def setUpModule():
    if shutil.which("ip") is None:
        raise unittest.SkipTest("no ip: client/install-deps.sh tests")
    apart.require()
    apart.go()


class Hosts(unittest.TestCase):
    """Host three has a link to each of the other two."""

    def setUp(self):
        for name in HOSTS:
            ip("netns", "add", name)
            self.addCleanup(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        for i, host in enumerate(HOSTS[:2]):
            near, far = "three", host
            ip("link", "add", f"to-{host}", "netns", near, "type", "veth", "peer", "name", "uplink", "netns", far)
            ip("-n", near, "address", "add", f"10.77.{i}.1/24", "dev", f"to-{host}")
            ip("-n", far, "address", "add", f"10.77.{i}.2/24", "dev", "uplink")
            ip("-n", near, "link", "set", f"to-{host}", "up")
            ip("-n", far, "link", "set", "uplink", "up")
        self.enter("/run/netns/three")
        self.urls = [f"tcp://10.77.{i}.2:{PORT}" for i in range(2)]
        # Whatever a cut link has held up comes to the other server at once.
        self.servers = [self.start(host, "tileryd", "--listen", url, "--max-queue=1024")
                        for host, url in zip(HOSTS, self.urls)]

    def enter(self, path):
        """This thread, and what it starts from now on, until the test has ended."""
        with open("/proc/thread-self/ns/net", "rb") as own, open(path, "rb") as other:
            kept = os.dup(own.fileno())
            self.assertEqual(LIBC.setns(other.fileno(), CLONE_NEWNET), 0)
        self.addCleanup(os.close, kept)
        self.addCleanup(LIBC.setns, kept, CLONE_NEWNET)

    def start(self, host, name, *arguments):
        process = Process(name, *arguments, within=["ip", "netns", "exec", host])
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if hasattr(process, "said"):
            return  # the test has ended it
        status = process.process.poll()
        process.close(signal.SIGKILL)
        self.assertIsNone(status, f"{process.url} ended by itself: {process.said}")

    @staticmethod
    def wait_computed(url, tiles=120):
        before = int(stats(url)["tiles"])
        until(lambda: int(stats(url)["tiles"]) >= before + tiles, f"{url} computes")

    def ask_long(self):
        """A call that the first server has in hand."""
        client = subprocess.Popen([program("tilery"), "--server", ",".join(self.urls), "compute", *LONG],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(client.kill)
        until(lambda: any(stats(url)["runs_running"] != "0" for url in self.urls), "the long call is at work")
        return client

    def occupy(self):
        """Long calls until the first server has one: calls go to the servers in turn, or as they happen to connect."""
        clients = []
        while not clients or stats(self.urls[0])["runs_running"] == "0":
            clients.append(self.ask_long())
            self.assertLess(len(clients), 5, "no long call goes to the first server")
        return clients

    def loads(self):
        """Over RPC, and over HTTP through the bridge."""
        bridge = self.start("three", "tilery-bridge", "--listen", "127.0.0.1:0", "--backend", ",".join(self.urls))
        loads = [Rpc(",".join(self.urls), RATE), Http(bridge.url, RATE)]
        for url in self.urls:
            self.wait_computed(url, 20)
        return loads

    def check_long(self, clients):
        for client in clients:
            said, wrong = client.communicate(timeout=300)
            self.assertEqual(client.returncode, 0, wrong)
            self.assertEqual([record["task_id"] for record in json.loads(said)["data"]], [0])

    def check(self, loads):
        for (sent, answered, correct, again), wrong in [load.end() for load in loads]:
            print(f"sent {sent} answered {answered} correct {correct} again {again}")
            self.assertGreater(sent, RATE)
            self.assertEqual((answered, correct, again), (sent, sent, 0), wrong)

    def test_a_server_is_killed_with_calls_in_hand(self):
        clients, loads = self.occupy(), self.loads()
        self.assertNotEqual(stats(self.urls[0])["runs_running"], "0")
        self.assertEqual(self.servers[0].close(signal.SIGKILL), -signal.SIGKILL)
        self.check_long(clients)
        self.wait_computed(self.urls[1])
        self.start("one", "tileryd", "--listen", self.urls[0])
        self.wait_computed(self.urls[0])
        self.check(loads)

    def test_a_link_is_cut_with_calls_in_hand_and_stays_cut_until_that_is_noticed(self):
        clients, loads = self.occupy(), self.loads()
        self.assertNotEqual(stats(self.urls[0])["runs_running"], "0")
        ip("-n", "three", "link", "set", "to-one", "down")
        self.check_long(clients)
        self.wait_computed(self.urls[1])
        ip("-n", "three", "link", "set", "to-one", "up")
        self.wait_computed(self.urls[0])
        self.check(loads)

    def test_a_server_that_comes_back_at_another_address_is_found_by_its_name(self):
        """As a pod behind a headless service does; while there is none, its name is nobody's."""
        names = self.enterContext(tempfile.NamedTemporaryFile("w"))
        subprocess.run(["mount", "--bind", names.name, "/etc/hosts"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/etc/hosts"], check=True)
        bridge = self.start("three", "tilery-bridge", "--listen", "127.0.0.1:0", "--backend", f"tcp://server:{PORT}")
        for i, server in enumerate(self.servers):
            self.assertEqual(get(bridge.url, "/readyz")[0].status, 503)
            print(f"10.77.{i}.2 server", file=names, flush=True)
            until(lambda: get(bridge.url, "/readyz")[0].status == 200, "the server is found")
            self.assertEqual(get(bridge.url, "/api/compute/concurrent?" + QUERY)[0].status, 200)
            names.seek(0)
            names.truncate()
            self.assertEqual(server.close(signal.SIGKILL), -signal.SIGKILL)
            until(lambda: get(bridge.url, "/readyz")[0].status == 503, "the server is gone")


if __name__ == "__main__":
    unittest.main()
