#!/usr/bin/env python3
"""What the server says of itself, as its operators meet it: logs, statistics, schema, health, cancelling."""
import json
import os
import pty
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from programs import OPTIONS, PROTO, Process, get, program, stats, tilery
from test_schema import descriptor

COMPUTE = "tilery.v1.TileCompute/Compute"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PAIR = r'([a-z_]+)=([!#-<>-\[\]-~]+|"(?:[ !#-\[\]-~]|\\["\\]|\\u00[0-9a-f]{2})*")'
KEYS = ["ts", "level", "method", "request_id", "peer", "code", "queue_ms", "run_ms", "total_ms"]
OPTIONAL = ["tiles", "traceparent", "message"]
ENDLESS = ["--kernel=scalar", "--region=-0.2,-0.1,0.2,0.2", "--width=4096", "--height=4096", "--tile-w=4096",
           "--tile-h=2048", "--num-threads=2", "--max-iter=65535"]
# 4096 x 4096 pixels in two tiles, 65535 steps: minutes of work.
HUGE = b"\x08\x80\x20\x10\x80\x20\x18\x80\x20\x20\x80\x10\x28\xff\xff\x03\x38\x02\x52\x06scalar"


def field(number, data):
    """One length-delimited field; its length is below 16384."""
    length = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])
    return bytes([number << 3 | 2]) + length + data


def raw(url, body):
    """The reply to an envelope that libtilery would not send."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        return subprocess.run(["nngcat", "--req", "--dial", url, "--file", file.name, "--raw"], capture_output=True,
                              timeout=60, check=True).stdout


def in_terminal(*arguments):
    """What a program writes where stdout is a terminal, and its exit status."""
    reader, writer = pty.openpty()
    with subprocess.Popen(arguments, stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        said = b""
        try:
            while data := os.read(reader, 4096):
                said += data
        except OSError:
            pass  # the terminal's other end is closed
        os.close(reader)
    return said.decode().replace("\r\n", "\n"), process.returncode


class Observed(unittest.TestCase):
    def start(self, *arguments, name="tileryd", listen="tcp://127.0.0.1:0"):
        process = Process(name, "--listen", listen, *arguments)
        self.addCleanup(lambda: process.process.poll() is None and process.close())
        return process

    def log_of(self, process):
        """Ends the process. Its log, without its own few words."""
        self.assertEqual(process.close(), 0)
        return [line for line in process.said.split("\n")
                if line and not line.startswith("tilery") and not '"program":"tilery' in line]

    def parse(self, line):
        self.assertRegex(line, rf"\A{PAIR}( {PAIR})*\Z")
        pairs = re.findall(PAIR, line)
        fields = {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}
        self.assertEqual(len(pairs), len(fields))
        self.check_fields(fields)
        return fields

    def check_fields(self, fields):
        self.assertEqual([key for key in fields if key not in OPTIONAL], KEYS)
        self.assertRegex(fields["ts"], r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual("message" in fields, fields["code"] != "OK")
        self.assertRegex(fields["peer"], r"\A127\.0\.0\.1:\d+\Z")
        self.assertLessEqual(float(fields["queue_ms"]) + float(fields["run_ms"]), float(fields["total_ms"]) + 0.002)


class Traces(Observed):
    def test_a_traceparent_that_is_none_is_refused_by_the_command_line(self):
        for value in ("no-trace", TRACE.upper(), TRACE + "0", TRACE[:-1], ""):
            answer = tilery("tcp://127.0.0.1:1", "--traceparent", value, "compute")
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn(f'--traceparent is "{value}"; it must be', answer.stderr)


class Logs(Observed):
    def make_calls(self, url):
        tilery(url, "--request-id", "mine", "--traceparent", TRACE, "compute", *OPTIONS)
        tilery(url, "--request-id", "two words", "compute", *OPTIONS)
        tilery(url, "compute", "--kernel", "abacus")
        raw(url, field(1, COMPUTE.encode()) + b"\x18\x32" + field(2, HUGE))
        raw(url, field(1, b"no/method"))

    def check_calls(self, calls):
        self.assertEqual([call["code"] for call in calls],
                         ["OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"])
        self.assertEqual([call["level"] for call in calls], ["info"] + 4 * ["warn"])
        self.assertEqual([call["method"] for call in calls], 4 * [COMPUTE] + ["no/method"])
        self.assertEqual([call["request_id"] for call in calls[:2]], ["mine", "two words"])
        self.assertEqual([call.get("traceparent") for call in calls], [TRACE] + 4 * [None])
        self.assertEqual([str(call.get("tiles")) for call in calls], ["9", "None", "None", "0", "None"])
        self.assertIn('kernel is "abacus"', calls[2]["message"])
        self.assertGreater(float(calls[3]["run_ms"]), 0)

    def test_logfmt_is_the_default(self):
        server = self.start()
        self.make_calls(server.url)
        self.check_calls([self.parse(line) for line in self.log_of(server)])

    def test_json(self):
        server = self.start("--log", "json")
        self.make_calls(server.url)
        calls = [json.loads(line) for line in self.log_of(server)]
        for call in calls:
            self.check_fields(call)
            self.assertIsInstance(call["total_ms"], float)
        self.check_calls(calls)

    def test_the_programs_own_words_are_json_then_too(self):
        for name, *arguments in ["tileryd", "--listen=tcp://127.0.0.1:0", "--log=json"], \
                                ["tilery-bridge", "--listen=127.0.0.1:0", "--access-log=json"]:
            with tempfile.NamedTemporaryFile("w") as token:
                token.write("0123456789abcdef\n")
                token.flush()
                os.chmod(token.name, 0o644)
                process = Process(name, *arguments, "--token-file", token.name)
                first = json.loads(process.process.stderr.readline())
            process.process.send_signal(signal.SIGHUP)
            again = json.loads(process.process.stderr.readline())
            self.assertEqual(process.close(), 0)
            last, = map(json.loads, process.said.splitlines())
            for line, level, said in ((first, "warn", f"{token.name} can be read by others than its owner: chmod 600"),
                                      (again, "info", f'SIGHUP: the old token stays in force: --token-file "{token.name}": '
                                                      "No such file or directory"),
                                      (last, "info", "Terminated: finishing the work in hand")):
                self.assertRegex(line.pop("ts"), r"\A[0-9-]{10}T[0-9:.]{12}Z\Z")
                self.assertEqual(line, {"level": level, "program": name, "message": said})

    def test_so_is_what_keeps_them_from_serving(self):
        taken = self.start()
        for name, *arguments in ["tileryd", "--listen", taken.url, "--log=json"], \
                                ["tilery-bridge", "--listen", taken.url.removeprefix("tcp://"), "--access-log=json"]:
            ran = subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=60, check=False)
            line, = map(json.loads, ran.stderr.splitlines())
            self.assertEqual((ran.returncode, line["level"], line["program"]), (14, "error", name))
            self.assertRegex(line["message"], "^cannot listen on .*: Address (already )?in use$")

    def test_a_stream_s_run_has_a_line_of_its_own_when_it_ends(self):
        server, hasty = self.start("--log=json"), self.start("--log=json", "--max-timeout-ms=300")
        self.assertEqual(tilery(server.url, "--request-id=read", "compute", "--data", *OPTIONS).returncode, 0)
        # A timeout of the client's own may be over a little earlier there, and then have the run cancelled.
        self.assertEqual(tilery(hasty.url, "--request-id=late", "compute", "--data", *ENDLESS).returncode, 4)
        runs = [line for line in map(json.loads, self.log_of(server) + self.log_of(hasty)) if "stream" in line]
        self.assertEqual([list(run) for run in runs], 2 * [["ts", "level", "stream", "code", "queue_ms", "run_ms", "tiles"]])
        self.assertEqual([(run["level"], run["stream"], run["code"], run["tiles"]) for run in runs],
                         [("info", "read", "OK", 9), ("warn", "late", "DEADLINE_EXCEEDED", 0)])
        self.assertGreater(runs[1]["run_ms"], 0)

    def test_off_by_option_and_by_environment(self):
        os.environ["TILERYD_LOG"] = "off"
        self.addCleanup(os.environ.pop, "TILERYD_LOG")
        for server in self.start(), self.start("--log=off"):
            self.make_calls(server.url)
            self.assertEqual(self.log_of(server), [])

    def test_another_format_is_a_usage_error(self):
        for name in "tileryd", "tilery-bridge":
            answer = subprocess.run([program(name), "--log", "xml"], capture_output=True, text=True, timeout=60,
                                    check=False)
            self.assertEqual(answer.returncode, 64)
            self.assertIn('--log is "xml"; it must be', answer.stderr)

    def test_the_server_inside_the_bridge_is_silent_unless_asked(self):
        for arguments, lines in ([], 0), (["--log", "json"], 1):
            bridge = self.start("--access-log", "off", *arguments, name="tilery-bridge", listen="127.0.0.1:0")
            get(bridge.url, "/api/compute/sequential?width=8&height=8")
            log = self.log_of(bridge)
            self.assertEqual(len([line for line in log if json.loads(line)["method"] == COMPUTE]), lines)

    def test_nothing_that_a_caller_writes_forges_a_line_or_reaches_the_terminal(self):
        hostile = b'\x1b[2J\nts=x level=info method=forged request_id="" code=OK\r\xff\xc2\x9b"\\'
        server = self.start()
        raw(server.url, field(1, hostile))
        raw(server.url, field(1, COMPUTE.encode()) + field(4, hostile[:64]))
        raw(server.url, field(1, b"m" * 10000))
        first, second, third = [self.parse(line) for line in self.log_of(server)]
        self.assertEqual(first["method"].encode("latin-1"), hostile)
        self.assertEqual(second["request_id"].encode("latin-1"), hostile[:64])
        self.assertEqual(third["method"], "m" * 96 + "...")


class Requests(Observed):
    def test_a_nul_within_any_text_is_an_invalid_argument_that_names_the_field(self):
        server = self.start()
        method = field(1, COMPUTE.encode())
        for body, name in ((field(1, b"a\0b"), b"method"), (method + field(4, b"a\0b"), b"request_id"),
                           (method + field(5, field(1, b"a\0")), b"key"),
                           (method + field(2, field(10, b"scalar\0")), b"kernel"),
                           (field(1, b"tilery.v1.TileCompute/Cancel") + field(2, field(1, b"a\0b")), b"request_id"),
                           (field(1, b"tilery.v1.Health/Check") + field(2, field(1, b"\0")), b"service")):
            with self.subTest(name=name):
                reply = raw(server.url, body)
                self.assertEqual(reply[:2], b"\x08\x03")
                self.assertIn(name + b" holds a NUL byte", reply)
        self.assertEqual(stats(server.url)[f"{COMPUTE}.calls.INVALID_ARGUMENT"], "3")


class Statistics(Observed):
    def test_lines_for_a_program(self):
        server = self.start("--max-threads", "6")
        for _ in range(2):
            tilery(server.url, "compute", *OPTIONS)
        tilery(server.url, "compute", "--kernel", "abacus")
        said = stats(server.url)
        self.assertEqual({key: said[key] for key in ("connections", "calls", "threads_limit", "tiles", "pixels")},
                         {"connections": "1", "calls": "1", "threads_limit": "6", "tiles": "18", "pixels": "18432"})
        self.assertEqual(said[f"{COMPUTE}.calls.OK"], "2")
        self.assertEqual(said[f"{COMPUTE}.calls.INVALID_ARGUMENT"], "1")
        self.assertEqual(said[f"{COMPUTE}.total_ns.count"], "3")
        self.assertEqual(said[f"{COMPUTE}.run_ns.count"], "2")
        times = [int(said[f"{COMPUTE}.total_ns.{quantile}"]) for quantile in ("p50", "p90", "p99", "max")]
        self.assertEqual(times, sorted(times))
        self.assertNotIn("tilery.v1.Server/Describe.total_ns.p50", said)

    def test_a_table_for_a_person(self):
        server = self.start()
        tilery(server.url, "compute", *OPTIONS)
        said, status = in_terminal(program("tilery"), "--server", server.url, "stats")
        self.assertEqual(status, 0)
        self.assertRegex(said, r"(?m)^threads_computing +0$")
        self.assertRegex(said, rf"(?m)^{COMPUTE}\n +OK +1\n +total +1( +\d+ [mu]?s *){{4}}$")

    def test_threads_compute_until_they_are_cancelled(self):
        server = self.start()
        client = subprocess.Popen([program("tilery"), "--server", server.url, "--request-id=mine", "compute", *ENDLESS],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while stats(server.url)["threads_computing"] != "2":
            self.assertIsNone(client.poll())
        answer = tilery(server.url, "cancel", "mine")
        self.assertEqual((answer.returncode, answer.stdout), (0, "cancelled\n"))
        self.assertIn("CANCELLED", client.communicate(timeout=60)[1])
        self.assertEqual(client.returncode, 1)
        said = stats(server.url)
        self.assertEqual((said["threads_computing"], said["cancelled"]), ("0", "1"))
        answer = tilery(server.url, "cancel", "mine")
        self.assertEqual((answer.returncode, answer.stdout), (5, ""))
        self.assertIn("NOT_FOUND", answer.stderr)

    def test_commands_say_which_argument_they_take(self):
        for arguments in ["cancel"], ["stats", "x"], ["health", "a", "b"]:
            answer = subprocess.run([program("tilery"), *arguments], capture_output=True, text=True, timeout=60,
                                    check=False)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), arguments)


DEFINED = r"(?m)^ *(?:message|enum|service) (\w+)"


class Describe(Observed):
    def test_the_schema_is_the_one_in_the_tree_and_protoc_reads_it(self):
        server = self.start()
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "schema")
            self.assertEqual(tilery(server.url, "describe", "--output", name).returncode, 0)
            encoded = subprocess.run(["protoc", f"--descriptor_set_in={name}", "--encode=tilery.v1.ComputeRequest",
                                      "compute.proto"], input=b"width: 5", capture_output=True, check=True).stdout
            with open(name, "rb") as file:
                schema = file.read()
        self.assertEqual(encoded, b"\x08\x05")
        text = subprocess.run(["protoc", "--proto_path=/usr/include", "--decode=google.protobuf.FileDescriptorSet",
                               "google/protobuf/descriptor.proto"], input=schema, capture_output=True, check=True)
        self.assertEqual(text.stdout.decode().splitlines(), descriptor("--include_source_info"))
        piped = subprocess.run([program("tilery"), "--server", server.url, "describe"], capture_output=True, check=True)
        self.assertEqual(piped.stdout, schema)

    def test_as_text_it_is_what_protoc_made_the_schema_of(self):
        server = self.start()
        text = tilery(server.url, "describe", "--format=proto").stdout
        with tempfile.TemporaryDirectory() as folder:
            _, *files = re.split(r"(?m)^// ---- (\S+) ----\n", text)
            for name, content in zip(files[::2], files[1::2]):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(content)
            self.assertEqual(descriptor(folder=folder), descriptor())
        comments = []
        for name in files[::2]:
            with open(os.path.join(PROTO, name), encoding="utf-8") as file:
                comments += re.findall("//.*", file.read())
        self.assertEqual(re.findall("//(?! ----).*", text), comments)
        for name, content in zip(files[::2], files[1::2]):
            self.assertEqual(tilery(server.url, "describe", name).stdout, content.rstrip("\n") + "\n")
            with open(os.path.join(PROTO, name), encoding="utf-8") as file:
                self.assertEqual(re.findall(DEFINED, content), re.findall(DEFINED, file.read()), name)
        said, status = in_terminal(program("tilery"), "--server", server.url, "describe")
        self.assertEqual((said.replace("\r\n", "\n"), status), (text, 0))

    def test_one_part_of_it_by_its_name(self):
        server = self.start()
        request = tilery(server.url, "describe", "ComputeRequest").stdout
        self.assertRegex(request, r"\Amessage ComputeRequest {\n  optional uint64 width = 1 \[default = 800\]; +// pixels\n")
        self.assertTrue(request.endswith("  // absent: to the last task\n}\n"))
        for name in "tilery.v1.ComputeRequest", ".tilery.v1.ComputeRequest":
            self.assertEqual(tilery(server.url, "describe", name).stdout, request)
        self.assertEqual(tilery(server.url, "describe", "HealthCheckReply.ServingStatus").stdout,
                         "enum ServingStatus {\n  UNKNOWN_STATUS = 0;\n  SERVING = 1;\n  NOT_SERVING = 2;  // draining\n"
                         "  SERVICE_UNKNOWN = 3;\n}\n")
        self.assertIn("  INTERNAL = 13;\n", tilery(server.url, "describe", "Code").stdout)
        self.assertEqual(tilery(server.url, "describe", "tilery.v1.Health").stdout,
                         "service Health {\n  rpc Check(HealthCheckRequest) returns (HealthCheckReply);\n}\n")
        self.assertEqual(tilery(server.url, "describe", "tilery.v1.TileCompute/Cancel").stdout,
                         "service TileCompute {\n  rpc Cancel(CancelRequest) returns (CancelReply);\n}\n\n" +
                         tilery(server.url, "describe", "CancelRequest").stdout + "\n" +
                         tilery(server.url, "describe", "CancelReply").stdout)
        for name in ("", "/", "Compute", "TileCompute/", "TileCompute/compute", "CancelRequest/found", "tilery.v1",
                     "tilery.v1.", "tilery.v2.Health", "ealth", "Healthy", "HealthCheckReply.", "HealthCheckReply.status",
                     "compute", "Code.OK"):
            answer = tilery(server.url, "describe", name)
            self.assertEqual((answer.returncode, answer.stdout), (5, ""), name)
            self.assertIn(f'no file, message, enum, service or method "{name}"', answer.stderr)

    def test_what_cannot_be_told_or_written_is_said(self):
        server = self.start()
        self.assertEqual(in_terminal(program("tilery"), "--server", server.url, "describe", "--format=binary"), ("", 64))
        for arguments, said in ((["--format=json"], '--format is "json"; it must be proto or binary'),
                                (["--format=binary", "Code"], "proto with a NAME"), (["Code", "Mode"], '"Mode"')):
            answer = tilery(server.url, "describe", *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), arguments)
            self.assertIn(said, answer.stderr)
        for arguments in [], ["Code"]:
            answer = tilery(server.url, "describe", *arguments, "--output", "/dev/full")
            self.assertEqual(answer.returncode, 15)
            self.assertIn("No space left", answer.stderr)


class Health(Observed):
    def test_a_bridge_that_is_waited_for_is_asked_again_where_it_stays_silent(self):
        def serve(listener):
            silent = listener.accept()[0]
            with listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            silent.close()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            server = threading.Thread(target=serve, args=(listener,))
            server.start()
            answer = tilery(f"http://127.0.0.1:{listener.getsockname()[1]}", "--wait", "--timeout=50s", "health")
            server.join()
        self.assertEqual((answer.returncode, answer.stdout), (0, "SERVING\n"))

    def test_each_service_by_its_name(self):
        server = self.start()
        for service in "tilery.v1.TileCompute", "tilery.v1.Health", "tilery.v1.Server":
            self.assertEqual(tilery(server.url, "health", service).stdout, "SERVING\n")
        answer = tilery(server.url, "health", "tilery.v1.Nothing")
        self.assertEqual((answer.returncode, answer.stdout), (5, ""))


if __name__ == "__main__":
    unittest.main()
