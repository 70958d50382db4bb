#!/usr/bin/env python3
"""Programs that may have few threads, however few: they serve, or say why they do not, and never hang or crash."""
import glob
import itertools
import os
import re
import signal
import subprocess
import unittest

from programs import Process, program, tilery, until

STRANGER = 10000 + os.getpid() % 50000  # nobody's number: limits count all of a user's threads
PROGRAMS = (["tileryd", "--listen", "tcp://127.0.0.1:0"], ["tilery-bridge", "--listen", "127.0.0.1:0"],
            ["tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1"])
SORRY = re.compile(r"(tileryd|tilery-bridge|tilery: RESOURCE_EXHAUSTED): no [\w ,]*threads?\b[^\n]*\n")


def reaches(path):
    return all(os.stat(folder).st_mode & 0o1 for folder in
               ["/".join(path.split("/")[:parts + 1]) or "/" for parts in range(path.count("/") + 1)])


@unittest.skipIf(os.geteuid() != 0, "only root has no limit that must be kept")
@unittest.skipUnless(reaches(program("tileryd")), "another user cannot run the programs")
class FewThreads(unittest.TestCase):
    @staticmethod
    def start(threads, name, *arguments):
        return subprocess.Popen(["setpriv", f"--reuid={STRANGER}", "--clear-groups", "prlimit", f"--nproc={threads}",
                                 program(name), *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_with(self, threads, command):
        """Whether it served."""
        process = self.start(threads, *command)
        self.addCleanup(process.kill)
        served = process.stdout.readline().startswith("listening on ")
        if served:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0 if served else 8, said)
        if not served:
            self.assertRegex(said, SORRY)
        return served

    def test_a_server_says_that_it_has_too_few(self):
        for command in PROGRAMS:
            with self.subTest(" ".join(command)):
                threads = next(threads for threads in itertools.count(2) if self.run_with(threads, command))
                for more in range(1, 6):
                    self.assertTrue(self.run_with(threads + more, command))

    def test_a_request_that_wants_more_leaves_what_there_is_to_others(self):
        """Such as a container's health check."""
        server = self.start(150, "tileryd", "--listen", "tcp://127.0.0.1:0")
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        url = server.stdout.readline().split()[-1]
        for threads, status in (256, 8), (2, 0), (256, 8):
            done = tilery(url, "--max-attempts=1", "compute", "--tile-w=8", "--tile-h=8", f"--num-threads={threads}")
            self.assertEqual(done.returncode, status, done.stderr)
            health = self.start(150, "tilery", "--server", url, "health")
            _, said = health.communicate(timeout=60)
            self.assertEqual(health.returncode, 0, said)

    def test_a_client_says_that_it_has_too_few(self):
        for threads in itertools.count(2):
            process = self.start(threads, "tilery", "--server=tcp://127.0.0.1:1", "health")
            _, said = process.communicate(timeout=60)
            self.assertIn(process.returncode, (8, 14), said)
            if process.returncode == 14:
                break
            self.assertRegex(said, SORRY)


class TaskThreads(unittest.TestCase):
    @staticmethod
    def names(pid):
        """Of all threads, once each has run until it waits: it gives itself its name first."""
        found = []

        def wait():
            found.clear()
            for path in glob.glob(f"/proc/{pid}/task/*/stat"):
                try:
                    with open(path, encoding="ascii") as stat:
                        found.append(re.match(r"\d+ \((.*)\) (\S)", stat.read()).groups())
                except (FileNotFoundError, ProcessLookupError):
                    return False  # it has ended meanwhile
            return all(state == "S" for _, state in found)

        until(wait, "all threads wait")
        return [name for name, _ in found]

    def test_the_bridge_has_as_many_as_the_processors_that_it_may_use(self):
        """And two at least. More would hold each other up: daemon/processors.c."""
        usable = sorted(os.sched_getaffinity(0))
        for count, command in itertools.product({1, len(usable)}, PROGRAMS[1:]):
            with self.subTest(" ".join(command), processors=count):
                cpus = ",".join(str(cpu) for cpu in usable[:count])
                server = Process(*command, within=["taskset", "--cpu-list", cpus])
                self.addCleanup(server.close)
                self.assertEqual(self.names(server.process.pid).count("nng:task"), min(16, max(2, count // 2 * 2)))


if __name__ == "__main__":
    unittest.main()
