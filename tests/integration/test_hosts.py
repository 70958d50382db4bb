#!/usr/bin/env python3
"""Three hosts, as network namespaces: a server on each of two, a bridge and the clients on the third."""
import ctypes
import os
import shutil
import signal
import subprocess
import unittest

from programs import Process, stats
from rate import Http, Rpc

HOSTS = ["one", "two", "three"]
RATE = 40
PORT = 5570
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None)


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check, timeout=60)


def setUpModule():
    if shutil.which("ip") is None:
        raise unittest.SkipTest("no ip: client/install-deps.sh containers")
    name = f"tilery-{os.getpid()}-try"
    made = ip("netns", "add", name, check=False)
    if made.returncode != 0:
        raise unittest.SkipTest(f"this machine lets nobody make network namespaces: {made.stderr.strip()}")
    ip("netns", "delete", name)


class Hosts(unittest.TestCase):
    """Host three has a link to each of the other two."""

    def setUp(self):
        self.names = {host: f"tilery-{os.getpid()}-{host}" for host in HOSTS}
        for name in self.names.values():
            ip("netns", "add", name)
            self.addCleanup(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        for i, host in enumerate(HOSTS[:2]):
            near, far = self.names["three"], self.names[host]
            ip("link", "add", f"to-{host}", "netns", near, "type", "veth", "peer", "name", "uplink", "netns", far)
            ip("-n", near, "address", "add", f"10.77.{i}.1/24", "dev", f"to-{host}")
            ip("-n", far, "address", "add", f"10.77.{i}.2/24", "dev", "uplink")
            ip("-n", near, "link", "set", f"to-{host}", "up")
            ip("-n", far, "link", "set", "uplink", "up")
        self.enter(f"/run/netns/{self.names['three']}")
        self.urls = [f"tcp://10.77.{i}.2:{PORT}" for i in range(2)]
        self.servers = [self.start(host, "tileryd", "--listen", url) for host, url in zip(HOSTS, self.urls)]

    def enter(self, path):
        """This thread, and what it starts from now on, until the test has ended."""
        with open("/proc/thread-self/ns/net", "rb") as own, open(path, "rb") as other:
            kept = os.dup(own.fileno())
            self.assertEqual(LIBC.setns(other.fileno(), CLONE_NEWNET), 0)
        self.addCleanup(os.close, kept)
        self.addCleanup(LIBC.setns, kept, CLONE_NEWNET)

    def start(self, host, name, *arguments):
        process = Process(name, *arguments, within=["ip", "netns", "exec", self.names[host]])
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.process.poll() is None:
            process.close(signal.SIGKILL)

    @staticmethod
    def wait_computed(url, tiles=120):
        def computed():
            return int(stats(url)["tiles"])
        before = computed()
        while computed() < before + tiles:
            pass

    def check(self, loads):
        for (sent, answered, correct, again), wrong in [load.end() for load in loads]:
            print(f"sent {sent} answered {answered} correct {correct} again {again}")
            self.assertGreater(sent, RATE)
            self.assertEqual((answered, correct, again), (sent, sent, 0), wrong)

    def loads(self):
        """Over RPC, and over HTTP through the bridge."""
        bridge = self.start("three", "tilery-bridge", "--listen", "127.0.0.1:0", "--backend", ",".join(self.urls))
        loads = [Rpc(",".join(self.urls), RATE), Http(bridge.url, RATE)]
        for url in self.urls:
            self.wait_computed(url)
        return loads

    def test_a_server_is_killed_under_load(self):
        loads = self.loads()
        self.assertEqual(self.servers[0].close(signal.SIGKILL), -signal.SIGKILL)
        self.wait_computed(self.urls[1])
        self.start("one", "tileryd", "--listen", self.urls[0])
        self.wait_computed(self.urls[0])
        self.check(loads)

    def test_a_link_is_cut_under_load(self):
        loads = self.loads()
        ip("-n", self.names["three"], "link", "set", "to-one", "down")
        self.wait_computed(self.urls[1])
        ip("-n", self.names["three"], "link", "set", "to-one", "up")
        self.wait_computed(self.urls[0])
        self.check(loads)


if __name__ == "__main__":
    unittest.main()
