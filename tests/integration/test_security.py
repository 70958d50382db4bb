#!/usr/bin/env python3
"""Who may call: tokens, socket files, and peers that mean harm."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from programs import BIN, Process, RawPeer, get, program, tilery

CERTIFICATES = os.path.join(BIN, "tests", "certificates")
TOKEN = "correct-horse-battery-staple"
OTHER = "wrong-horse-battery-staple-1"
SMALL = ["--width=64", "--height=64"]
ABSTRACT = f"tilery-test-{os.getpid()}"  # a name that the whole machine shares


def certificate(name):
    return os.path.join(CERTIFICATES, name)


def pair(name, prefix="--"):
    return [f"{prefix}tls-cert={certificate(name)}.crt", f"{prefix}tls-key={certificate(name)}.key"]


def ca(name="ca", prefix="--"):
    return f"{prefix}tls-ca={certificate(name)}.crt"


def run(name, *arguments, **more):
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=60, check=False, **more)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content="", mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def start(self, *arguments, name="tileryd"):
        process = Process(name, *arguments)
        self.addCleanup(self.close, process)
        return process

    def close(self, process):
        self.assertEqual(process.close(), 0, getattr(process, "said", ""))
        for secret in TOKEN, OTHER:
            self.assertNotIn(secret, process.said)

    def check_refused(self, words, *arguments, status=64, name="tileryd"):
        answer = run(name, *arguments)
        self.assertEqual((answer.returncode, answer.stdout), (status, ""), answer.stderr)
        self.assertIn(words, answer.stderr)
        return answer


class Token(Folder):
    def setUp(self):
        super().setUp()
        self.token_file = self.file("token", TOKEN + "\n")

    def serve(self, *arguments):
        return self.start("--listen", "tcp://127.0.0.1:0", "--token-file", self.token_file, *arguments)

    def call(self, server, token, *arguments):
        options = ["--token-file", self.file("given", token)] if token is not None else []
        answer = tilery(server.url, *options, *(arguments or ["info"]))
        for secret in TOKEN, OTHER:
            self.assertNotIn(secret, answer.stdout + answer.stderr)
        return answer

    def test_every_method_but_health_wants_the_token(self):
        server = self.serve()
        self.assertEqual(self.call(server, TOKEN).returncode, 0)
        self.assertEqual(self.call(server, TOKEN, "compute", *SMALL).returncode, 0)
        for token in None, OTHER, TOKEN[:-1], TOKEN + "x", TOKEN.upper():
            for command in (["compute", *SMALL], ["info"], ["render", *SMALL, "--output=/dev/null"]):
                answer = self.call(server, token, *command)
                self.assertEqual((answer.returncode, answer.stdout), (16, ""), (token, command))
                self.assertRegex(answer.stderr, "UNAUTHENTICATED: .*token")
            self.assertEqual(self.call(server, token, "health").stdout, "SERVING\n")

    def test_a_server_without_a_token_takes_any(self):
        self.assertEqual(self.call(self.start("--listen", "tcp://127.0.0.1:0"), OTHER).returncode, 0)

    def test_what_is_no_token_is_refused_at_the_start_of_either_end(self):
        for content, words in (("short", "has 5 characters; it must have from 16 to 4096"), ("", "is empty"),
                               ("x" * 4097, "has 4097 characters"), ("x" * 20 + " " + "x" * 20, "character 21"),
                               ("\u00e4" * 20, "character 1"), ("\n" + TOKEN, "has 0 characters")):
            path = self.file("bad", content)
            for name, option, more in (("tileryd", "--token-file", []), ("tilery", "--token-file", ["info"]),
                                       ("tilery-bridge", "--backend-token-file", ["--backend", "tcp://127.0.0.1:1"])):
                answer = self.check_refused(words, option, path, *more, name=name)
                self.assertIn(path, answer.stderr)
                self.assertNotIn("xxxx", answer.stderr)
        self.check_refused("No such file", "--token-file", os.path.join(self.folder, "none"))

    def test_a_third_line_is_refused_where_two_tokens_hold_and_a_client_looks_at_the_first_alone(self):
        path = self.file("long", f"{TOKEN}\n{OTHER}\n# the end\n")
        for name in "tileryd", "tilery-bridge":
            self.check_refused(f'--token-file "{path}", line 3: it is not blank; only the first 2 lines may hold tokens',
                               "--token-file", path, name=name)
        self.assertEqual(tilery(self.serve().url, "--token-file", path, "info").returncode, 0)

    def reload(self, server):
        server.process.send_signal(signal.SIGHUP)
        return next(line for line in server.process.stderr if "SIGHUP" in line)  # the log comes there too

    def test_sighup_reads_it_again_and_the_old_one_is_worth_nothing(self):
        server = self.serve()
        self.file("token", OTHER)
        self.assertEqual(self.call(server, TOKEN).returncode, 0)
        self.assertIn("--token-file has been read again: one token holds from now on", self.reload(server))
        self.assertEqual(self.call(server, TOKEN).returncode, 16)
        self.assertEqual(self.call(server, OTHER).returncode, 0)
        self.file("token", f"{TOKEN}\n{OTHER}\n\n")
        self.assertIn("--token-file has been read again: two tokens hold from now on", self.reload(server))

    def test_sighup_with_a_bad_file_keeps_the_old_one_and_says_so(self):
        server = self.serve()
        for content in "short", f"{OTHER}\n{TOKEN}\n{OTHER}", None:
            _ = os.unlink(self.token_file) if content is None else self.file("token", content)
            self.assertRegex(self.reload(server), "the old token stays in force: .*" + re.escape(self.token_file))
            self.assertEqual(self.call(server, TOKEN).returncode, 0)

    def test_a_call_in_hand_goes_on_while_the_token_changes(self):
        server = self.serve()
        idle = len(os.listdir(f"/proc/{server.process.pid}/task"))
        client = subprocess.Popen([program("tilery"), "--server", server.url, "--token-file", self.token_file,
                                   "compute", "--kernel=scalar", "--region=-0.2,-0.1,0.2,0.2", "--tile-w=512",
                                   "--tile-h=512", "--width=128", "--height=128", "--max-iter=20000"],
                                  stdout=subprocess.DEVNULL)
        while len(os.listdir(f"/proc/{server.process.pid}/task")) <= idle:
            self.assertIsNone(client.poll())
        self.file("token", OTHER)
        self.reload(server)
        self.assertIsNone(client.poll())
        self.assertEqual(client.wait(timeout=60), 0)

    def test_the_bridge_shows_its_token_and_answers_401_without(self):
        server = self.serve()
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", server.url, "--backend-token-file",
                            self.token_file, name="tilery-bridge")
        self.assertEqual(get(bridge.url, "/api/compute/concurrent?width=64&height=64")[0].status, 200)
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", server.url, name="tilery-bridge")
        for path in "concurrent", "image.png":
            response, body = get(bridge.url, f"/api/compute/{path}?width=64&height=64")
            self.assertEqual(response.status, 401)
            self.assertEqual(response.headers["WWW-Authenticate"], 'Bearer realm="backend"')
            self.assertIn("the bridge's own token, of --backend-token-file: ", json.loads(body)["error"])
        self.assertEqual(get(bridge.url, "/api/compute/health")[0].status, 200)

    def compute(self, bridge, **headers):
        return get(bridge.url, "/api/compute/concurrent?width=64&height=64", headers=headers)[0].status

    def test_sighup_has_the_bridge_show_another_token(self):
        server, own = self.serve(), self.file("own", TOKEN)
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", server.url, "--backend-token-file", own,
                            name="tilery-bridge")
        self.file("token", f"{OTHER}\n{TOKEN}")
        self.reload(server)
        self.file("own", OTHER)
        self.assertIn("--backend-token-file has been read again", self.reload(bridge))
        self.file("token", OTHER)
        self.reload(server)
        self.assertEqual(self.compute(bridge), 200)
        for content in "short", None:
            _ = os.unlink(own) if content is None else self.file("own", content)
            self.assertIn(f'the old token stays in force: --backend-token-file "{own}"', self.reload(bridge))
            self.assertEqual(self.compute(bridge), 200)

    def test_a_bridge_whose_token_is_refused_is_not_ready_until_it_has_the_right_one(self):
        server, own = self.serve(), self.file("own", OTHER)
        for arguments in [], ["--backend-token-file", own]:
            bridge = self.start("--listen", "127.0.0.1:0", "--backend", server.url, *arguments, name="tilery-bridge")
            response, text = get(bridge.url, "/readyz")
            self.assertEqual(response.status, 503)
            self.assertIn(b"the bridge's own token, of --backend-token-file: the ", text)
            self.assertEqual([get(bridge.url, path)[0].status for path in ("/healthz", "/api/compute/health")], [200, 200])
            said = tilery(bridge.url, "health")
            self.assertEqual(said.returncode, 14)
            self.assertIn("is not ready: the bridge's own token, of --backend-token-file: the ", said.stderr)
        self.file("own", TOKEN)
        self.reload(bridge)
        self.assertEqual(get(bridge.url, "/readyz")[0].status, 200)
        self.assertEqual(tilery(bridge.url, "health").returncode, 0)

    def test_sighup_has_the_bridge_read_both_its_files_whatever_is_in_the_other(self):
        server, shown = self.serve(), self.file("shown", TOKEN)
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", server.url, "--token-file", shown,
                            "--backend-token-file", self.file("own", OTHER), name="tilery-bridge")
        bearer = {"Authorization": "Bearer " + TOKEN}
        self.assertEqual(self.compute(bridge, **bearer), 401)
        self.file("shown", "short")
        self.file("own", TOKEN)
        said = [self.reload(bridge), next(line for line in bridge.process.stderr if "SIGHUP" in line)]
        self.assertIn(f'the old token stays in force: --token-file "{shown}"', said[0])
        self.assertTrue(said[1].endswith("--backend-token-file has been read again\n"), said[1])
        self.assertEqual(self.compute(bridge, **bearer), 200)

    def test_the_environment_names_the_file_too(self):
        server = self.serve()
        environment = {**os.environ, "TILERY_TOKEN_FILE": self.token_file}
        self.assertEqual(run("tilery", "--server", server.url, "info", env=environment).returncode, 0)

    def test_warnings_name_what_is_open(self):
        anybody, in_clear, exposed = "by anybody", "the token can be read", "can be read by others than its owner"
        token, plain, tls = ["--token-file", self.token_file], "tcp://0.0.0.0:0", "tls+tcp://0.0.0.0:0"
        for listen, arguments, wanted in ((plain, [], [anybody]), (plain, token, [in_clear]),
                                          (tls, [*pair("server"), *token], []), (tls, [*pair("server"), ca()], []),
                                          (tls, pair("server"), [anybody]), ("tcp://127.0.0.1:0", token, []),
                                          ("TCP://0.0.0.0:0", [], [anybody])):
            server = Process("tileryd", "--listen", listen, *arguments)
            self.assertEqual(server.close(), 0)
            said = [words for words in (anybody, in_clear, exposed) if words in server.said]
            self.assertEqual(said, wanted, (listen, arguments))
        os.chmod(self.token_file, 0o644)
        server = self.start("--listen", "tcp://0.0.0.0:0", *token)
        answer = run("tilery", "--server", server.url, *token, "info")
        self.assertEqual(answer.returncode, 0)
        for words in in_clear, exposed:
            self.assertIn(words, answer.stderr)


class SocketFiles(Folder):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "socket")
        self.url = "ipc://" + self.path

    def test_the_socket_is_its_owner_s_alone_whatever_the_umask(self):
        for umask in 0, 0o777:
            before = os.umask(umask)
            try:
                server = Process("tileryd", "--listen", self.url)
            finally:
                os.umask(before)
            self.assertEqual(server.url, self.url)
            self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
            self.assertEqual(tilery(self.url, "health").stdout, "SERVING\n")
            self.assertEqual(server.close(), 0)
            self.assertFalse(os.path.exists(self.path))

    def test_a_second_server_is_refused_and_harms_nobody(self):
        self.start("--listen", self.url)
        for _ in range(3):
            self.check_refused(f'"{self.url}": another server listens there', "--listen", self.url, status=14)
        self.assertEqual(tilery(self.url, "health").stdout, "SERVING\n")

    def test_what_a_killed_server_left_is_taken_over(self):
        self.assertEqual(Process("tileryd", "--listen", self.url).close(signal.SIGKILL), -signal.SIGKILL)
        self.assertTrue(os.path.exists(self.path))
        self.start("--listen", self.url)
        self.assertEqual(tilery(self.url, "health").stdout, "SERVING\n")

    def test_a_file_that_is_no_socket_stays(self):
        self.file("socket", "precious")
        self.check_refused("no socket", "--listen", self.url)
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual(os.listdir(self.folder), ["socket"])

    def test_a_path_that_cannot_be_says_why(self):
        self.check_refused("from 1 to 107 characters", "--listen", "ipc:///tmp/" + "x" * 108)
        self.check_refused("No such file", "--listen", "ipc:///nowhere/socket", status=14)
        self.check_refused("", "--listen", "ipc://")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_folder_that_may_not_be_written_is_permission_denied(self):
        os.chmod(self.folder, 0o500)
        self.check_refused("Permission denied", "--listen", self.url, status=7)

    def test_peers_that_leave_before_the_handshake_do_not_make_it_deaf(self):
        for url, address in (self.url, self.path), (f"abstract://{ABSTRACT}", f"\0{ABSTRACT}"):
            self.start("--listen", url)
            for _ in range(100):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(address)
            self.assertEqual(tilery(url, "--timeout-ms=20000", "health").stdout, "SERVING\n")

    def test_an_abstract_name_has_one_server(self):
        self.start("--listen", f"abstract://{ABSTRACT}")
        self.check_refused(f"abstract://{ABSTRACT}", "--listen", f"abstract://{ABSTRACT}", status=14)
        self.assertEqual(tilery(f"abstract://{ABSTRACT}", "health").stdout, "SERVING\n")


class Usage(Folder):
    def test_what_is_no_url_is_a_usage_error_that_shows_one(self):
        for url in ("nonsense", "127.0.0.1:5570", "tcp:/127.0.0.1:1", "http://127.0.0.1:1", "tcp://127.0.0.1:99999",
                    "tcp://127.0.0.1:x", "tcp://127.0.0.1:1/path", ":", "\x1b[31m", "ws://127.0.0.1:0", "tcp://127.0.0.1",
                    "tcp://[::1]", "tcp://127.0.0.1:", "abstract://", "inproc://"):
            self.check_refused("it must be a URL such as tcp://127.0.0.1:5570", "--listen", url)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.check_refused("Address in use", "--listen", f"tcp://127.0.0.1:{taken.getsockname()[1]}", status=14)

    def test_origins_are_as_browsers_send_them(self):
        for origin in ("http://example.org", "https://a-b.example.org:8443", "http://[::1]:1", "app+x://host"):
            bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--allow-origin", origin)
            response, _ = get(bridge.url, "/api/compute/health", headers={"Origin": origin})
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], origin)
            self.assertEqual(bridge.close(), 0)
        for origin in ("", "*", "null", "example.org", "http://", "http:///", "http://example.org/",
                       "http://example.org/path", "http://example.org:", "http://example.org:8x", "http://[::1",
                       "http://[]", "HTTP://example.org", "http://Example.org", "://example.org", "http://a b",
                       "http://user@example.org", "http://example.org?x", "http://[::1]x"):
            self.check_refused(f'allow-origin is "{origin}"', "--allow-origin", origin, name="tilery-bridge")

    def test_a_host_is_a_name_alone(self):
        for host in ("", "*", "a b", "http://a.example", "a.example:80", "a.example/", "[::1]"):
            self.check_refused(f'allow-host is "{host}"', "--allow-host", host, name="tilery-bridge")


class Memory(RawPeer, Folder):
    """Messages that would take tens of times their size when unpacked."""

    def peak(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))

    def test_hostile_messages_are_refused_in_bounded_memory(self):
        os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")  # or what was freed would count
        self.server = self.start("--listen", "tcp://127.0.0.1:0")
        room = 65000
        method = b"\x0a\x1dtilery.v1.TileCompute/Compute"
        unknown = b"\xf8\x07\x01"  # field 127
        inner = unknown * (room // 3)
        attacks = [b"\x2a\0" * (room // 2), b"\x2a\x02\x0a\0" * (room // 4), unknown * (room // 3),
                   method + b"\x12" + bytes([len(inner) & 127 | 128, len(inner) >> 7 & 127 | 128, len(inner) >> 14]) + inner]
        before = self.peak()
        peers = [self.connect() for _ in range(8)]
        for _ in range(20):
            for attack in attacks:
                for peer in peers:
                    reply = self.call(peer, attack)
                    self.assertEqual(reply[:2], b"\x08\x03", reply)
        for peer in peers:
            peer.close()
        self.assertLess(self.peak() - before, 64 << 10)
        self.assertEqual(tilery(self.server.url, "health").stdout, "SERVING\n")


if __name__ == "__main__":
    unittest.main()
