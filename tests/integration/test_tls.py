#!/usr/bin/env python3
"""Who may listen in, and who is who: TLS."""
import contextlib
import os
import re
import shutil
import socket
import ssl
import struct
import unittest

from programs import Process, get, tilery, until
from test_security import SMALL, Folder, ca, certificate, pair, run


def foreign(prefix="--"):
    """What is said of the stranger's key beside the server's certificate."""
    return (f'{prefix}tls-key "{certificate("stranger.key")}" is not the key of the certificate '
            f'"{certificate("server.crt")}"')


class Tls(Folder):
    CLIENT = [ca(), *pair("client"), "--tls-server-name=localhost"]

    def serve(self, *arguments):
        server = self.start("--listen", "tls+tcp://127.0.0.1:0", *arguments)
        self.assertRegex(server.url, r"^tls\+tcp://127\.0\.0\.1:[1-9]\d*$")
        return server.url

    def check_unavailable(self, url, words, *arguments):
        answer = tilery(url, *arguments, "health")
        self.assertEqual((answer.returncode, answer.stdout), (14, ""), answer.stderr)
        self.assertRegex(answer.stderr, "UNAVAILABLE: .*(" + words + ")")

    def test_a_server_and_a_client_that_know_each_other_work_together(self):
        url = self.serve(*pair("server"), ca())
        self.assertEqual(tilery(url, *self.CLIENT, "health").stdout, "SERVING\n")
        self.assertEqual(tilery(url, *self.CLIENT, "compute", *SMALL).returncode, 0)
        output = os.path.join(self.folder, "image")
        self.assertEqual(tilery(url, *self.CLIENT, "render", "--width=512", "--height=512", "-o", output).returncode, 0)
        self.assertEqual(os.path.getsize(output), 512 * 512 * 2)

    def test_options_of_the_client_come_from_the_environment_too(self):
        url = self.serve(*pair("server"))
        environment = {**os.environ, "TILERY_SERVER": url, "TILERY_TLS_CA": certificate("ca.crt"),
                       "TILERY_TLS_SERVER_NAME": "localhost"}
        self.assertEqual(run("tilery", "health", env=environment).stdout, "SERVING\n")

    def test_without_a_ca_the_server_takes_clients_without_a_certificate(self):
        url = self.serve(*pair("server"))
        self.assertEqual(tilery(url, ca(), "--tls-server-name=localhost", "health").stdout, "SERVING\n")

    def test_a_client_that_the_server_does_not_know_is_told_so_at_once(self):
        url = self.serve(*pair("server"), ca())
        for own in ([], pair("stranger"), pair("expired")):
            self.check_unavailable(url, "certificate", ca(), "--tls-server-name=localhost", *own)
        self.assertEqual(tilery(url, *self.CLIENT, "health").stdout, "SERVING\n")

    def test_a_client_does_not_take_a_server_that_it_does_not_know(self):
        url = self.serve(*pair("server"))
        self.check_unavailable(url, "certificate", ca("other-ca"), "--tls-server-name=localhost")
        self.check_unavailable(url, "certificate", ca(), "--tls-server-name=localhost.example")
        self.check_unavailable(url, "name, which tls_server_name gives where the URL has an IP", ca())
        self.check_unavailable(self.serve(*pair("expired")), "certificate", ca(), "--tls-server-name=localhost")
        self.check_unavailable(self.serve(*pair("stranger")), "certificate", ca(), "--tls-server-name=localhost")

    def test_plain_and_tls_do_not_mix_and_say_so_at_once(self):
        self.check_unavailable(self.serve(*pair("server")).removeprefix("tls+"), r"wants tls\+tcp://")
        plain = self.start("--listen", "tcp://127.0.0.1:0").url
        self.check_unavailable("tls+" + plain, "it is no TLS server", *self.CLIENT)
        self.assertEqual(tilery(plain, "health").stdout, "SERVING\n")

    def test_no_server_is_said_as_ever(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.check_unavailable(f"tls+tcp://127.0.0.1:{taken.getsockname()[1]}", "no server at", *self.CLIENT)

    def test_a_server_needs_all_its_files_and_an_address_for_them(self):
        listen = ["--listen", "tls+tcp://127.0.0.1:0"]
        cert, key = pair("server")
        junk = self.file("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        missing = f'tileryd: --tls-cert is not set; "{listen[1]}" needs it, and its key'
        self.check_refused(missing, *listen)
        self.check_refused("tileryd: --tls-cert is set without its key", *listen, cert)
        self.check_refused(missing, *listen, key)
        self.check_refused('tileryd: --tls-cert "/nowhere": No such file', *listen, "--tls-cert=/nowhere", key)
        self.check_refused("/nowhere", *listen, cert, "--tls-key=/nowhere")
        self.check_refused("cannot be used", *listen, "--tls-cert=" + junk, key)
        self.check_refused("cannot be used", *listen, cert, "--tls-key=" + certificate("server.crt"))
        self.check_refused(junk, *listen, cert, key, "--tls-ca=" + junk)
        self.check_refused(f"tileryd: {foreign()}", *listen, cert, pair("stranger")[1])
        self.check_refused("no address to listen on begins with tls+tcp://", cert, key)

    def test_a_client_s_tls_options_are_checked_before_it_connects(self):
        url = ["--server", "tls+tcp://127.0.0.1:1", "health"]
        self.check_refused("tilery: --tls-ca is not set", *url, name="tilery")
        self.check_refused("No such file", *url, "--tls-ca=/nowhere", name="tilery")
        self.check_refused("tilery: --tls-key is set without its certificate", *url, ca(), pair("client")[1], name="tilery")
        self.check_refused(f"tilery: {foreign()}", *url, ca(), pair("server")[0], pair("stranger")[1], name="tilery")
        self.check_refused(f"tilery-bridge: {foreign('--backend-')}", "--listen=127.0.0.1:0", "--backend=" + url[1],
                           ca(prefix="--backend-"), pair("server", "--backend-")[0], pair("stranger", "--backend-")[1],
                           name="tilery-bridge")
        self.check_refused('--server is "tcp://127.0.0.1:1"; with TLS options it must be', "--server", "tcp://127.0.0.1:1", ca(), "health", name="tilery")

    def test_a_key_that_others_may_read_is_warned_about(self):
        key = os.path.join(self.folder, "key")
        shutil.copyfile(certificate("server.key"), key)
        for mode, warned in (0o600, False), (0o644, True), (0o640, True):
            os.chmod(key, mode)
            server = Process("tileryd", "--listen", "tls+tcp://127.0.0.1:0", pair("server")[0], "--tls-key", key)
            self.assertEqual(server.close(), 0)
            self.assertEqual(f"warning: {key} can be read by others" in server.said, warned, server.said)

    def test_a_certificate_that_is_not_good_today_is_warned_about(self):
        warning = f"warning: the certificate {certificate('expired.crt')} has expired"
        for own in "server", "expired":
            server = Process("tileryd", "--listen", "tls+tcp://127.0.0.1:0", *pair(own))
            self.assertEqual(server.close(), 0)
            self.assertEqual(warning in server.said, own == "expired", server.said)
        answer = tilery("tls+tcp://127.0.0.1:1", ca(), *pair("expired"), "health")
        self.assertIn(warning, answer.stderr)

    def test_peers_that_leave_within_the_handshake_do_not_make_it_deaf(self):
        url = self.serve(*pair("server"), ca())
        host, port = url.removeprefix("tls+tcp://").split(":")
        context = ssl.create_default_context(cafile=certificate("ca.crt"))
        for _ in range(100):
            sent = ssl.MemoryBIO()
            with self.assertRaises(ssl.SSLWantReadError):
                context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
            with socket.create_connection((host, int(port)), timeout=60) as peer:
                peer.sendall(sent.read())
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A client gives up while a hundred handshakes are before its own, where the server takes seconds for them.
        until(lambda: tilery(url, *self.CLIENT, "health").stdout == "SERVING\n", "the server answers")

    def test_peers_that_leave_behind_the_handshake_do_not_make_it_deaf(self):
        url = self.serve(*pair("server"))
        host, port = url.removeprefix("tls+tcp://").split(":")
        context = ssl.create_default_context(cafile=certificate("ca.crt"))
        for _ in range(10):
            for _ in range(20):
                plain = socket.create_connection((host, int(port)), timeout=60)
                with context.wrap_socket(plain, server_hostname="localhost") as peer:
                    peer.sendall(b"\0SP\0\0\x30\0\0")
            until(lambda: tilery(url, *self.CLIENT, "health").stdout == "SERVING\n", "the server answers", within_s=60)

    def test_a_handshake_that_does_not_get_on_is_ended_and_an_idle_client_is_not(self):
        server = self.start("--listen", "tls+tcp://127.0.0.1:0", *pair("server"))
        host, port = server.url.removeprefix("tls+tcp://").split(":")
        context, hello = ssl.create_default_context(cafile=certificate("ca.crt")), ssl.MemoryBIO()
        with self.assertRaises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
        hello = hello.read()
        with contextlib.ExitStack() as stack:
            strangers = [stack.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(4)]
            idle = context.wrap_socket(strangers.pop(), server_hostname="localhost")
            idle.sendall(b"\0SP\0\0\x30\0\0")
            for stranger, said in zip(strangers, (b"", hello[:100], hello)):
                stranger.sendall(said)
            for stranger in strangers:
                while stranger.recv(1000):
                    pass
            self.assertRegex(server.process.stderr.readline(), 'connections=[123] message="no TLS handshake within 10 s"')
            body = b"\x0a\x16tilery.v1.Health/Check"
            idle.sendall(struct.pack(">QI", len(body) + 4, 0x80000001) + body)
            idle.recv(8)
            self.assertNotEqual(idle.recv(1000), b"")
            idle.close()

    def test_as_many_strangers_as_there_are_descriptors_keep_nobody_out_for_good(self):
        server = Process("tileryd", "--listen", "tls+tcp://127.0.0.1:0", *pair("server"), "--log=off",
                         within=("prlimit", "--nofile=64:64"))
        host, port = server.url.removeprefix("tls+tcp://").split(":")
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stranger = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
                stranger.sendall(b"\x16\x03\x01")
            until(lambda: tilery(server.url, *self.CLIENT, "health").stdout == "SERVING\n", "the server answers", within_s=90)
        self.assertEqual(server.close(), 0)

    def test_connections_that_come_to_nothing_are_told_of_in_the_log(self):
        server = self.start("--listen", "tls+tcp://127.0.0.1:0", *pair("server"), ca())
        host, port = server.url.removeprefix("tls+tcp://").split(":")
        known = ssl.create_default_context(cafile=certificate("ca.crt"))
        known.load_cert_chain(certificate("client.crt"), certificate("client.key"))
        for wrap, said in ((lambda peer: peer, "no TLS handshake: "),
                           (lambda peer: known.wrap_socket(peer, server_hostname="localhost"), "no handshake: ")):
            with socket.create_connection((host, int(port)), timeout=60) as plain, wrap(plain) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while peer.recv(100):  # an alert, or the server's own half of the handshake
                    pass
            self.assertRegex(server.process.stderr.readline(), r"^ts=\S+ level=warn listen=" + re.escape(server.url) +
                             ' connections=1 message="' + said)
        self.assertEqual(tilery(server.url, *self.CLIENT, "health").stdout, "SERVING\n")

    def test_the_bridge_reaches_its_backend_over_tls_or_says_why_not(self):
        url = self.serve(*pair("server"), ca())
        known = [ca(prefix="--backend-"), *pair("client", "--backend-"), "--backend-tls-server-name=localhost"]
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", url, *known, name="tilery-bridge")
        self.assertEqual(get(bridge.url, "/api/compute/concurrent?width=64&height=64")[0].status, 200)
        stranger = [ca(prefix="--backend-"), "--backend-tls-server-name=localhost"]
        bridge = self.start("--listen", "127.0.0.1:0", "--backend", url, *stranger, name="tilery-bridge")
        self.assertEqual(get(bridge.url, "/api/compute/concurrent?width=64&height=64")[0].status, 503)


if __name__ == "__main__":
    unittest.main()
