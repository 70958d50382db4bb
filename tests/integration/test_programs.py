#!/usr/bin/env python3
"""The programs as their users meet them."""
import csv
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from programs import BAD_NUMBERS, FIELDS, OPTIONS, PROTO, Process, RawPeer, ServedTest, program, stats, tilery

HAS_SECCOMP = subprocess.run(["/usr/bin/python3", "-c", "import seccomp"], capture_output=True, check=False).returncode == 0
# Runs its arguments where opening a file without a name fails as on such a filesystem.
NO_NAMELESS_FILES = """
import errno, os, sys, seccomp
rules = seccomp.SyscallFilter(seccomp.ALLOW)
rules.add_rule(seccomp.ERRNO(errno.EOPNOTSUPP), "openat", seccomp.Arg(2, seccomp.MASKED_EQ, os.O_TMPFILE, os.O_TMPFILE))
rules.load()
os.execv(sys.argv[1], sys.argv[1:])
"""
UMASK = os.umask(0)
os.umask(UMASK)


class CommandLine(ServedTest):
    def test_compute_answers_the_documented_request_as_documented(self):
        answer = tilery(self.server.url, "compute", *OPTIONS)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.check_documented(answer.stdout)

    def test_sequential_has_one_thread_task_order_and_no_num_threads(self):
        reply = json.loads(tilery(self.server.url, "compute", "--mode", "sequential", *OPTIONS).stdout)
        self.assertEqual([record["task_id"] for record in reply["data"]], list(range(9)))
        self.assertEqual({record["thread_id"] for record in reply["data"]}, {0})
        self.assertNotIn("num_threads", reply["params"])
        self.assertEqual(reply["params"]["mode"], "sequential")
        self.assertEqual(reply["message"], "Sequential tasks executed successfully")

    def test_time_limit_zero_gives_no_records_and_success(self):
        reply = json.loads(tilery(self.server.url, "compute", "--time-limit-ms", "0").stdout)
        self.assertEqual((reply["success"], reply["data"]), (True, []))

    def test_each_field_out_of_range_is_a_usage_error_that_names_it(self):
        for field in FIELDS:
            for value in BAD_NUMBERS:
                with self.subTest(field=field, value=value):
                    answer = tilery(self.server.url, "compute", f"--{field.replace('_', '-')}={value}")
                    self.assertEqual(answer.returncode, 64)
                    self.assertIn(f'tilery: --{field.replace("_", "-")} is "{value[:20]}', answer.stderr)
                    self.assertRegex(answer.stderr, "from [01] to [0-9]+")

    def test_unknown_kernel_and_too_many_tiles_are_invalid_arguments(self):
        for arguments in (["--kernel", "abacus"], ["--width=65536", "--height=65536", "--tile-w=1", "--tile-h=1"]):
            answer = tilery(self.server.url, "compute", *arguments)
            self.assertEqual(answer.returncode, 3)
            self.assertRegex(answer.stderr, '^tilery: INVALID_ARGUMENT: (--kernel is "abacus"; it must|width, height, tile_w and)')

    def test_deadline_ends_a_tile_that_would_take_hours(self):
        answer = tilery(self.server.url, "--timeout-ms", "200", "compute", "--width=8192", "--height=8192",
                        "--tile-w=8192", "--tile-h=8192", "--max-iter=65535", "--kernel=scalar")
        self.assertEqual(answer.returncode, 4)
        self.assertIn("DEADLINE_EXCEEDED", answer.stderr)

    def test_health_and_info_answer(self):
        self.assertEqual(tilery(self.server.url, "health").stdout, "SERVING\n")
        self.assertRegex(tilery(self.server.url, "info").stdout, r"(?m)^kernels +.*scalar")

    def test_health_of_a_bridge_is_its_readiness(self):
        for url in self.bridge.url, self.bridge.url + "/":
            answer = tilery(url, "health")
            self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (0, "SERVING\n", ""))
        alone = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        answer = tilery(alone.url, "health")
        self.assertEqual((answer.returncode, answer.stdout), (14, ""))
        self.assertIn("is not ready", answer.stderr)
        self.assertEqual(alone.close(), 0)
        self.assertIn("takes no connection", tilery(alone.url, "health").stderr)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            answer = tilery(f"http://127.0.0.1:{mute.getsockname()[1]}", "--timeout-ms", "100", "health")
            self.assertEqual(answer.returncode, 14)
            self.assertIn("gives no answer", answer.stderr)
        answer = tilery(self.server.url.replace("tcp:", "http:"), "--timeout-ms", "1000", "health")
        self.assertEqual(answer.returncode, 14)

    def test_health_of_a_bridge_is_waited_for_within_the_timeout(self):
        with tempfile.TemporaryDirectory() as folder:
            backend = f"ipc://{folder}/socket"
            bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", backend)
            answer = tilery(bridge.url, "--wait", "--timeout=200ms", "health")
            self.assertEqual((answer.returncode, answer.stdout), (4, ""))
            self.assertIn(f"DEADLINE_EXCEEDED: {bridge.url} is not ready", answer.stderr)
            with subprocess.Popen([program("tilery"), "--server", bridge.url, "--wait", "--timeout=60s", "health"],
                                  stdout=subprocess.PIPE, text=True) as waiting:
                late = Process("tileryd", "--listen", backend)
                self.assertEqual((waiting.communicate(timeout=60)[0], waiting.returncode), ("SERVING\n", 0))
            self.assertEqual((bridge.close(), late.close()), (0, 0))
        answer = tilery(bridge.url, "--wait", "--timeout=200ms", "health")
        self.assertEqual(answer.returncode, 4)
        self.assertIn("takes no connection", answer.stderr)

    def test_health_of_a_bridge_wants_a_host_and_a_port(self):
        for url in ("http://", "http://:8405", "http://localhost", "http://localhost:", "http://localhost:x",
                    "http://localhost:123456", "http://localhost:80/readyz", "http://[]:80", f"http://{'x' * 300}:80"):
            answer = tilery(url, "health")
            self.assertEqual(answer.returncode, 64, url)
            self.assertIn("http://127.0.0.1:8405", answer.stderr)
        answer = tilery("http://127.0.0.1:8405", "info")
        self.assertEqual((answer.returncode, answer.stdout), (64, ""))
        self.assertIn("of a bridge the health alone can be asked", answer.stderr)
        self.assertEqual(tilery(self.bridge.url, "health", "tilery.v1.TileCompute").returncode, 64)
        self.assertEqual(tilery(self.bridge.url, "compute").returncode, 64)

    def test_no_server_is_said_at_once_with_the_remedy(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
            answer = tilery(f"tcp://127.0.0.1:{taken.getsockname()[1]}", "compute")
        self.assertEqual(answer.returncode, 14)
        self.assertIn("UNAVAILABLE", answer.stderr)
        self.assertIn("tileryd --listen", answer.stderr)
        answer = tilery("tcp://nobody.invalid:1", "health")
        self.assertEqual((answer.returncode, answer.stdout), (14, ""))
        self.assertRegex(answer.stderr, "is none that is known|not connected in time")
        self.assertIn("does a Tilery server listen there?", answer.stderr)
        self.assertNotIn("tileryd --listen", answer.stderr)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            answer = tilery(f"tcp://127.0.0.1:{silent.getsockname()[1]}", "health")
        self.assertEqual(answer.returncode, 14)
        self.assertRegex(answer.stderr, r"not connected in time\ntilery: does a Tilery server listen there\?")

    def test_options_come_from_the_environment_too_and_the_command_line_wins(self):
        environment = {**os.environ, "TILERY_SERVER": self.server.url, "TILERY_WIDTH": "64", "TILERY_HEIGHT": "0"}
        said = subprocess.run([program("tilery"), "compute", "--height=64"], env=environment, capture_output=True,
                              text=True, timeout=60, check=True).stdout
        self.assertEqual(len(json.loads(said)["data"]), 1)
        failed = subprocess.run([program("tilery"), "compute"], env=environment, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual(failed.returncode, 64)
        self.assertIn('--height is "0"; it must be a whole number from 1 to 65536', failed.stderr)
        listening = subprocess.Popen([program("tileryd")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     env={**os.environ, "TILERYD_LISTEN": "inproc://a,tcp://127.0.0.1:0,inproc://b"})
        lines = [listening.stdout.readline() for _ in range(3)]
        listening.terminate()
        listening.communicate(timeout=60)
        self.assertRegex(lines[0], r"^listening on tcp://127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(lines[1:], ["listening on inproc://a\n", "listening on inproc://b\n"])

    def test_every_program_has_help_and_version(self):
        for name in ("tilery", "tileryd", "tilery-bridge"):
            for option in ("--help", "--version"):
                answer = subprocess.run([program(name), option], capture_output=True, text=True, check=False)
                self.assertEqual((answer.returncode, answer.stderr), (0, ""))
                self.assertIn(name, answer.stdout)


    def test_what_cannot_be_written_is_said(self):
        with open("/dev/full", "wb") as full:
            for command in ("tileryd", "tilery-bridge", "tilery", "tilery compute"):
                for option in ("--help", "--usage", "--version"):
                    name, *words = command.split()
                    result = subprocess.run([program(name), *words, option], stdout=full, stderr=subprocess.PIPE, text=True,
                                            timeout=60, check=False)
                    self.assertEqual((result.returncode, result.stderr),
                                     (15, f"{name}: cannot write the answer: No space left on device\n"), command + option)
            for name, url in ("tileryd", "tcp://127.0.0.1:0"), ("tilery-bridge", "127.0.0.1:0"):
                with subprocess.Popen([program(name), "--listen", url], stdout=full, stderr=subprocess.PIPE, text=True) as server:
                    self.assertEqual(server.stderr.readline(), f"{name}: warning: cannot write where it listens: "
                                                               "No space left on device\n")
                    server.terminate()
                    self.assertEqual(server.wait(timeout=60), 0)

    def test_a_server_takes_no_argument_and_names_it(self):
        for name in "tileryd", "tilery-bridge":
            result = subprocess.run([program(name), "extra"], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((result.returncode, result.stdout), (64, ""))
            self.assertIn(f'{name}: "extra" is no option', result.stderr)


class Formats(ServedTest):
    def compute(self, name, *arguments):
        answer = tilery(self.server.url, "compute", *OPTIONS, "--format", name, *arguments)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        return answer.stdout

    def test_every_format_has_every_record(self):
        lines = self.compute("ndjson", "--summary").splitlines()
        records = [json.loads(line) for line in lines]
        self.assertEqual(sorted(record["task_id"] for record in records[:-1]), list(range(9)))
        self.assertEqual(records[-1]["summary"]["tiles_done"], 9)
        rows = list(csv.DictReader(self.compute("csv").splitlines()))
        self.assertEqual(list(rows[0]), list(records[0]))
        self.assertEqual(sorted(int(row["task_id"]) for row in rows), list(range(9)))
        self.assertEqual(sum(event["ph"] == "X" for event in json.loads(self.compute("trace"))["traceEvents"]), 9)
        table = self.compute("table")
        self.assertEqual(sorted(int(line.split()[0]) for line in table.splitlines()[1:10]), list(range(9)))
        self.assertIn("9 of 9 tiles, 9216 pixels", table)
        plain = json.loads(self.compute("json", "--ns", "--summary"))
        self.assertEqual((list(plain["data"][0]), plain["summary"]["tiles_done"]), (list(records[0]), 9))

    def test_unknown_formats_are_usage_errors(self):
        for command, name in (("compute", "raw"), ("render", "json"), ("compute", "")):
            answer = tilery(self.server.url, command, "--format", name, "--output", "/nowhere/at/all")
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn(f'tilery: --format is "{name}"', answer.stderr)

    def test_an_output_appears_when_it_is_whole_and_what_was_there_stays_until_then(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "answer")
            for content in ("first", "second"):
                with open(file, "w", encoding="utf-8") as out:
                    out.write(content)
                answer = tilery(self.server.url, "compute", "--kernel", "quantum", "--output", file)
                self.assertEqual(answer.returncode, 3)
                with open(file, encoding="utf-8") as kept:
                    self.assertEqual(kept.read(), content)
                self.assertEqual(tilery(self.server.url, "compute", *OPTIONS, "--output", file).returncode, 0)
                with open(file, encoding="utf-8") as written:
                    self.check_documented(written.read())
                self.assertEqual(os.listdir(directory), ["answer"])
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o666 & ~UMASK)


    def test_a_link_is_followed_and_stays_one(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "in"))
            target, link = os.path.join(directory, "in", "answer"), os.path.join(directory, "link")
            with open(target, "w", encoding="utf-8") as out:
                out.write("before")
            os.symlink("in/answer", link)
            self.assertEqual(tilery(self.server.url, "compute", "--kernel=quantum", "--output", link).returncode, 3)
            with open(target, encoding="utf-8") as kept:
                self.assertEqual(kept.read(), "before")
            self.assertEqual(tilery(self.server.url, "compute", *OPTIONS, "--output", link).returncode, 0)
            self.assertTrue(os.path.islink(link))
            with open(target, encoding="utf-8") as written:
                self.check_documented(written.read())
            self.assertEqual(os.listdir(os.path.join(directory, "in")), ["answer"])

    @unittest.skipUnless(HAS_SECCOMP, "no python3-seccomp")
    def test_a_filesystem_without_nameless_files_has_nothing_halfway_either(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "answer")
            for arguments, status, left in ((["--kernel=quantum"], 3, []), (OPTIONS, 0, ["answer"]),
                                            (["--kernel=quantum"], 3, ["answer"]), (OPTIONS, 0, ["answer"])):
                ran = subprocess.run(["/usr/bin/python3", "-c", NO_NAMELESS_FILES, program("tilery"), "--server",
                                      self.server.url, "compute", *arguments, "--output", file],
                                     capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual((ran.returncode, os.listdir(directory)), (status, left), ran.stderr)
            with open(file, encoding="utf-8") as written:
                self.check_documented(written.read())


class RawPeers(RawPeer, ServedTest):
    """Peers that speak to nng's port without being libtilery. After each the server still answers."""

    def tearDown(self):
        self.assertEqual(tilery(self.server.url, "health").stdout, "SERVING\n")

    def test_garbage_is_an_invalid_argument_in_words(self):
        with self.connect() as peer:
            reply = self.call(peer, b"\xff" * 100)
            self.assertEqual(reply[:2], b"\x08\x03")
            self.assertIn(b"not a tilery.v1.RpcRequest", reply)

    def test_unknown_method_is_unimplemented(self):
        with self.connect() as peer:
            reply = self.call(peer, b"\x0a\x05a/b/c")
            self.assertEqual(reply[:2], b"\x08\x0c")

    def test_unknown_enums_are_invalid_arguments_that_name_those_known(self):
        method = b"tilery.v1.TileCompute/Compute"
        mode, schedule = b"1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)", b"1 (SCHEDULE_STATIC) to 5 (SCHEDULE_STEALING)"
        # mode = 9, schedule = 99, and both as 2^32 + 1, which would be cut to 1.
        for payload, known in ((b"\x40\x09", mode), (b"\x48\x63", schedule),
                               (b"\x40\x81\x80\x80\x80\x10", mode), (b"\x48\x81\x80\x80\x80\x10", schedule)):
            with self.connect() as peer:
                body = b"\x0a" + bytes([len(method)]) + method + b"\x12" + bytes([len(payload)]) + payload
                reply = self.call(peer, body)
                self.assertEqual(reply[:2], b"\x08\x03")
                self.assertIn(b"it must be from " + known, reply)

    def test_text_with_a_nul_byte_is_an_invalid_argument_that_names_the_field(self):
        compute = b"\x0a\x1dtilery.v1.TileCompute/Compute"
        for field, body in ((b"method", compute[:1] + b"\x1e" + compute[2:] + b"\0"),
                            (b"request_id", compute + b"\x22\x03a\0b"),
                            (b"value", compute + b"\x2a\x05\x0a\x00\x12\x01\0"),
                            (b"kernel", compute + b"\x12\x07\x52\x05auto\0")):
            with self.connect() as peer:
                reply = self.call(peer, body)
                self.assertEqual(reply[:2], b"\x08\x03", field)
                self.assertIn(field + b" holds a NUL byte", reply)

    def test_truncated_and_oversized_messages_end_the_connection_only(self):
        with self.connect() as peer:
            peer.sendall(struct.pack(">Q", 100) + b"half")
        with self.connect() as peer:
            peer.sendall(struct.pack(">Q", 65536 + 4 + 1))
            self.assertEqual(peer.recv(1), b"")
        with self.connect() as peer:
            health = b"\x0a\x16tilery.v1.Health/Check\x32\xe4\xff\x03" # and in a field that nobody knows, the rest
            self.assertEqual(self.call(peer, health.ljust(65536, b"x"))[:2], b"\x1a\x02")

    def test_a_message_that_announces_nearly_2_to_the_64_bytes_is_refused(self):
        with self.connect() as peer:
            peer.sendall(struct.pack(">Q", 2**64 - 40))
            self.assertEqual(peer.recv(1), b"")


class Greedy(unittest.TestCase):
    def test_a_client_that_pipelines_and_never_reads_harms_nobody(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--send-timeout-ms", "300")
        host, port = server.url.removeprefix("tcp://").split(":")
        method = b"tilery.v1.TileCompute/Compute"
        payload = b"\x08\x80\x08\x10\x80\x08\x18\x08\x20\x08\x28\x01"  # 1024 x 1024 in 8 x 8 tiles: 700 KB
        body = b"\x0a" + bytes([len(method)]) + method + b"\x12" + bytes([len(payload)]) + payload
        request = struct.pack(">QI", len(body) + 4, 0x80000001) + body
        # The kernel would end the connection by itself, only later: see Unread in test_peers.py.
        with socket.create_connection((host, int(port)), timeout=20) as peer:
            peer.sendall(b"\0SP\0\0\x30\0\0")
            self.assertEqual(peer.recv(8, socket.MSG_WAITALL), b"\0SP\0\0\x31\0\0")
            with self.assertRaises(ConnectionError):
                while True:
                    peer.sendall(request)
            self.assertEqual(tilery(server.url, "--timeout-ms", "20000", "compute", *OPTIONS).returncode, 0)
        self.assertEqual(server.close(), 0)


class Interoperation(ServedTest):
    def test_the_protocol_document_s_call_works_as_printed(self):
        with open(os.path.join(PROTO, "README.md"), encoding="utf-8") as file:
            script = file.read().split("## A worked call", 1)[1].split("\n## ")[0]
        commands = "\n".join(line for line in script.splitlines() if line.startswith("    "))
        with tempfile.TemporaryDirectory() as folder:
            commands = commands.replace("/tmp/", folder + "/").replace("tcp://127.0.0.1:5570", self.server.url)
            answer = subprocess.run(["bash", "-ec", commands], cwd=PROTO, capture_output=True, text=True, timeout=60,
                                    check=True)
        self.assertEqual(len(re.findall(r"(?m)^  1 {", answer.stdout)), 9)
        self.assertEqual(len(re.findall(r"(?m)^  2 {", answer.stdout)), 1)


class Trust(unittest.TestCase):
    def test_only_an_address_that_others_can_reach_is_warned_about(self):
        for name, address in ("tileryd", "tcp://%s:0"), ("tilery-bridge", "%s:0"):
            for host, warned in ("0.0.0.0", True), ("127.0.0.1", False):
                process = Process(name, "--listen", address % host)
                self.assertEqual(process.close(), 0)
                self.assertEqual("may be reached from other machines" in process.said, warned, (name, host))


class Signals(unittest.TestCase):
    # Every pixel of it takes all steps, and scalar does them.
    INSIDE = ["--kernel=scalar", "--region=-0.2,-0.1,0.2,0.2", "--tile-w=512", "--tile-h=512"]
    LONG = [*INSIDE, "--width=128", "--height=128", "--max-iter=20000"]
    ENDLESS = [*INSIDE, "--width=512", "--height=512", "--max-iter=65535"]

    def start_long(self, server, work):
        client = subprocess.Popen([program("tilery"), "--server", server.url, "compute", *work],
                                  stdout=subprocess.PIPE, text=True)
        # Once the kernel has taken the request off the client's hands the connection stands: wait for its thread.
        while len(os.listdir(f"/proc/{server.process.pid}/task")) <= self.idle_threads:
            self.assertIsNone(client.poll())
        return client

    def setUp(self):
        self.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.idle_threads = len(os.listdir(f"/proc/{self.server.process.pid}/task"))

    def test_sigterm_finishes_the_work_in_hand(self):
        client = self.start_long(self.server, self.LONG)
        self.assertEqual(self.server.close(), 0)
        reply = json.loads(client.communicate(timeout=60)[0])
        self.assertEqual(len(reply["data"]), 1)

    def test_a_second_sigterm_ends_it_at_once(self):
        client = self.start_long(self.server, self.ENDLESS)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertIn("finishing", self.server.process.stderr.readline())
        self.assertEqual(self.server.close(), 128 + signal.SIGTERM)
        client.communicate(timeout=60)
        self.assertEqual(client.returncode, 14)

    def test_a_second_signal_ends_a_bridge_at_once(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url)
        host, port = bridge.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(b"GET /api/compute/concurrent?kernel=scalar&region=-0.2,-0.1,0.2,0.2&tile_w=512&tile_h=512"
                           b"&width=512&height=512&max_iter=65535 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while stats(self.server.url)["threads_computing"] == "0":
                pass
            bridge.process.send_signal(signal.SIGINT)
            self.assertIn("finishing", bridge.process.stderr.readline())
            self.assertEqual(bridge.close(), 128 + signal.SIGTERM)
        self.assertEqual(self.server.close(), 0)


if __name__ == "__main__":
    unittest.main()
