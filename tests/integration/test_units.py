#!/usr/bin/env python3
"""The systemd units, and what the servers tell systemd."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from programs import OPTIONS, ROOT, Process, get, program, tilery

FOLDER = os.path.join(ROOT, "client", "packages")
SERVERS = {"tileryd": "tcp://127.0.0.1:0", "tilery-bridge": "127.0.0.1:0"}
MOST_EXPOSED = 2.0
# LeakSanitizer traces its own process, which the units forbid; what it finds here it finds in other tests as well.
CONFINED = ["env", "ASAN_OPTIONS=detect_leaks=0", "/usr/bin/python3",
            os.path.join(os.path.dirname(os.path.abspath(__file__)), "confined.py")]


class Told(unittest.TestCase):
    """A manager's end of $NOTIFY_SOCKET."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(60)

    def start(self, name, where):
        return Process(name, "--listen", SERVERS[name], within=["env", "NOTIFY_SOCKET=" + where])

    def told(self):
        return self.manager.recv(100).decode()

    def nothing_more(self):
        self.manager.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.manager.recv(100)

    def test_readiness_and_the_end(self):
        for name in SERVERS:
            for where in os.path.join(self.folder.name, name), "@tilery-" + os.path.basename(self.folder.name) + name:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as self.manager:
                    self.manager.bind("\0" + where[1:] if where.startswith("@") else where)
                    self.manager.settimeout(60)
                    server = self.start(name, where)
                    self.assertEqual(self.told(), "READY=1")
                    self.assertEqual(server.close(), 0)
                    self.assertEqual(self.told(), "STOPPING=1")
                    self.nothing_more()

    def test_a_server_that_cannot_serve_is_never_ready(self):
        self.manager.bind(os.path.join(self.folder.name, "manager"))
        for name in SERVERS:
            ran = subprocess.run([program(name), "--listen", "nowhere"], capture_output=True, timeout=60, check=False,
                                 env={**os.environ, "NOTIFY_SOCKET": os.path.join(self.folder.name, "manager")})
            self.assertNotEqual(ran.returncode, 0)
        self.nothing_more()

    def test_a_reload_without_a_token_ends_no_service(self):
        self.manager.bind(os.path.join(self.folder.name, "manager"))
        for name in SERVERS:
            server = self.start(name, os.path.join(self.folder.name, "manager"))
            server.process.send_signal(signal.SIGHUP)
            line = next(line for line in server.process.stderr if "SIGHUP" in line)
            self.assertEqual(line, f"{name}: SIGHUP: there is no token to read again\n")
            self.assertEqual(server.close(), 0)

    def start_with(self, name, writer):
        server = subprocess.Popen([program(name), "--listen", SERVERS[name]], stdout=subprocess.PIPE, stderr=writer, text=True)
        self.addCleanup(server.kill)
        self.assertTrue(server.stdout.readline().startswith("listening on "))
        return server

    def test_a_reader_of_its_words_that_has_left_ends_no_server(self):
        for name in SERVERS:
            reader, writer = os.pipe()
            server = self.start_with(name, writer)
            os.close(reader)
            server.terminate()
            self.assertEqual(server.wait(timeout=60), 0)
            os.close(writer)
            server.stdout.close()

    def test_a_reader_of_its_words_that_stands_still_holds_no_server_up(self):
        for name in SERVERS:
            reader, writer = os.pipe()
            server = self.start_with(name, writer)
            os.set_blocking(writer, False)
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(writer, bytes(4096))
            os.set_blocking(writer, True)
            server.terminate()
            self.assertEqual(server.wait(timeout=60), 0)
            os.close(reader)
            os.close(writer)
            server.stdout.close()

    def test_a_manager_that_is_not_there_harms_nobody(self):
        for name in SERVERS:
            for where in "", "/", "@", os.path.join(self.folder.name, "missing"), "/" + 200 * "x":
                self.assertEqual(self.start(name, where).close(), 0)


@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze")
class Units(unittest.TestCase):
    def setUp(self):
        """The units as they are, but for programs that are not installed."""
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.units = {}
        for name in SERVERS:
            with open(os.path.join(FOLDER, name + ".service"), encoding="utf-8") as file:
                unit = file.read()
            self.assertIn(f"\nExecStart={name}\n", unit)
            self.units[name] = os.path.join(self.folder.name, name + ".service")
            with open(self.units[name], "w", encoding="utf-8") as file:
                file.write(unit.replace(f"ExecStart={name}", f"ExecStart={program(name)}"))

    def analyze(self, *words):
        ran = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False,
                             env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertEqual(ran.stderr, "")  # it succeeds also where it does not know a key
        return ran.stdout

    def test_systemd_understands_every_line(self):
        for unit in self.units.values():
            self.assertEqual(self.analyze("verify", "--man=no", unit), "")

    def test_they_expose_little(self):
        for name, unit in self.units.items():
            said = self.analyze("security", "--offline=true", unit)
            exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said).group(1))
            self.assertLess(exposure, MOST_EXPOSED, name)


HAS_SECCOMP = subprocess.run(["/usr/bin/python3", "-c", "import seccomp"], capture_output=True, check=False).returncode == 0


@unittest.skipUnless(HAS_SECCOMP and shutil.which("systemd-analyze"), "no python3-seccomp, or no systemd-analyze")
class Confined(unittest.TestCase):
    """What the units forbid is nothing that the servers need."""

    def start(self, name, *arguments):
        return Process(name, "--listen", SERVERS[name], *arguments,
                       within=[*CONFINED, os.path.join(FOLDER, name + ".service")])

    def test_both_servers_work_and_end_under_their_units_restrictions(self):
        server = self.start("tileryd")
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            said = status.read()
        self.assertRegex(said, r"(?m)^Seccomp:\s+2$")
        self.assertRegex(said, r"(?m)^CapBnd:\s+0+$")
        bridge = self.start("tilery-bridge", "--backend", server.url)
        inside = self.start("tilery-bridge")
        answer = tilery(server.url, "compute", *OPTIONS, "--num-threads=8", "--schedule=stealing")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertEqual(tilery(server.url, "compute", "--data", *OPTIONS).returncode, 0)
        for url in bridge.url, inside.url:
            for path in ("/api/compute/concurrent", "/api/compute/image.png", "/metrics", "/readyz", "/"):
                self.assertEqual(get(url, path)[0].status, 200, path)
        for process in inside, bridge, server:
            self.assertEqual(process.close(), 0)
            self.assertNotIn("not permitted", process.said)


if __name__ == "__main__":
    unittest.main()
