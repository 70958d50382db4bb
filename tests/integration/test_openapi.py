#!/usr/bin/env python3
"""/openapi.json against the bridge: what it documents is what is taken and answered, and the other way round."""
import json
import os
import re
import signal
import tempfile
import unittest
import urllib.parse

from jsonschema import Draft202012Validator

from programs import QUERY, ROOT, Process, connect, get, tilery, wait_stats

RECORDING = ["/api/compute/concurrent", "/api/compute/sequential", "/api/compute/trace.json"]
IMAGE = "/api/compute/image.png"
STREAM, RUN = "/api/compute/stream", "/api/compute/runs/{run}"
PAGE, FILE = "/", "/web/{file}"
COMPUTING = RECORDING + [IMAGE, STREAM]
# The parameters that a path ignores.
ELSEWHERE = {RECORDING[0]: {"palette", "mode"}, RECORDING[1]: {"palette", "mode", "num_threads"},
             RECORDING[2]: {"palette", "mode", "data"}, IMAGE: {"mode", "data"}, STREAM: {"palette", "data"}}
ENDLESS = "width=4096&height=4096&tile_w=4096&tile_h=4096&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2" \
          "&time_limit_ms=600000"
SMALL = {"width": "32", "height": "32", "time_limit_ms": "60000"}


def walk(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from walk(child)


class Document:
    """The document, with its references followed."""

    def __init__(self, text):
        self.root = json.loads(text)
        self.paths = self.root["paths"]

    def follow(self, node):
        while "$ref" in node:
            node = self.at(node["$ref"])
        return node

    def at(self, reference):
        node = self.root
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def parameters(self, path):
        """What a run is asked for with."""
        return {found["name"]: found["schema"] for found in map(self.follow, self.paths[path].get("parameters", []))
                if found["name"].lower().replace("-", "_") != "last_event_id"}

    def errors(self, value, schema):
        """What is wrong with a value, by a schema whose references are the document's."""
        schema = {"allOf": [schema], "components": self.root["components"]}
        return [error.message for error in Draft202012Validator(schema).iter_errors(value)]

    def answer(self, path, method, status):
        answers = self.paths[path][method.lower()]["responses"]
        return self.follow(answers.get(str(status), answers["default"]))


class Documented(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.processes = []
        cls.server = cls.start("tileryd", "--listen", "tcp://127.0.0.1:0")
        cls.bridge = cls.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", cls.server.url)
        cls.document = Document(get(cls.bridge.url, "/openapi.json")[1])
        cls.seen = set()

    @classmethod
    def start(cls, *arguments):
        cls.processes.append(Process(*arguments))
        return cls.processes[-1]

    @classmethod
    def tearDownClass(cls):
        for process in reversed(cls.processes):
            if process.close() != 0:
                raise AssertionError(f"{process.url} did not end with exit status 0: {process.said}")

    def check(self, url, path, query="", method="GET", headers=None, body=None):
        """An answer, which must be as it is documented; its status and what it holds."""
        target = path.replace("{file}", "main.js") + ("?" + query if query else "")
        response, answer = get(url, target, method, headers, body)
        documented = self.document.answer(path, method, response.status)
        for name, header in documented["headers"].items():
            header = self.document.follow(header)
            self.assertIn(name, response.headers, target[:200])
            value = response.headers[name]
            value = int(value) if header["schema"]["type"] == "integer" else value
            self.assertEqual(self.document.errors(value, header["schema"]), [])
        value = self.content(documented, response.headers["Content-Type"], answer)
        answers = self.document.paths[path][method.lower()]["responses"]
        self.seen.add((path, method.lower(), str(response.status) if str(response.status) in answers else "default"))
        return response.status, value

    def content(self, documented, kind, answer):
        if "content" not in documented:
            self.assertEqual((kind, answer), (None, b""))
            return None
        schema = documented["content"][kind]["schema"]
        value = json.loads(answer) if kind == "application/json" else answer.decode("latin-1" if kind == "image/png" else "utf-8")
        self.assertEqual(self.document.errors(value, schema), [], value[:200] if isinstance(value, str) else value)
        if kind == "text/event-stream":
            value = [json.loads(line.removeprefix("data: ")) for line in value.split("\n") if line.startswith("data: ")]
            for event in value:
                self.assertEqual(self.document.errors(event, schema["x-data"]), [], event)
        return value


class Shape(Documented):
    def test_it_is_whole(self):
        root = self.document.root
        self.assertEqual(root["openapi"], "3.1.0")
        self.assertTrue(tilery("", "--version").stdout.strip().endswith(" " + root["info"]["version"]))
        used = {node["$ref"] for node in walk(root) if isinstance(node, dict) and "$ref" in node}
        used |= {f"#/components/securitySchemes/{name}" for schemes in root["security"] for name in schemes}
        for reference in used:
            self.document.at(reference)
        for kind, components in root["components"].items():
            for name in components:
                self.assertTrue(any(reference == f"#/components/{kind}/{name}" or
                                    reference == f"#/components/{kind}/{name}/schema" for reference in used), name)
        names = [operation["operationId"] for path in root["paths"].values() for key, operation in path.items()
                 if key != "parameters"]
        self.assertEqual(len(names), len(set(names)))
        for schema in [node["schema"] for node in walk(root) if isinstance(node, dict) and "schema" in node] + list(
                root["components"]["schemas"].values()):
            Draft202012Validator.check_schema(schema)
            if "default" in schema:
                self.assertEqual(self.document.errors(schema["default"], schema), [])

    def test_a_validator_finds_nothing(self):
        try:
            from openapi_spec_validator import validate
        except ImportError:
            self.skipTest("openapi-spec-validator is not in Debian 12; openapi_document is, by npm")
        validate(self.document.root)

    def test_its_paths_and_methods_are_the_bridge_s(self):
        _, body = get(self.bridge.url, "/nothing")
        self.assertEqual(re.findall(r"/[\w./{}-]*", json.loads(body)["error"]), list(self.document.paths))
        for path, methods in self.document.paths.items():
            path = path.replace("{file}", "main.js")
            allow = get(self.bridge.url, path, "BREW")[0].headers["Allow"].split(", ")
            self.assertEqual({method.lower() for method in allow} - {"head", "options"}, set(methods) - {"parameters"})
            self.assertEqual(get(self.bridge.url, path, "HEAD")[0].status, 200 if "get" in methods else 405)
            self.assertEqual(get(self.bridge.url, path, "OPTIONS")[0].status, 204)


class Parameters(Documented):
    def refused(self, path, values):
        status, answer = self.check(self.bridge.url, path, urllib.parse.urlencode(values, safe=","))
        self.assertIn(status, (200, 400) if path != IMAGE else (200, 400, 504), (path, values, answer))
        return status == 400

    def test_what_is_documented_is_taken_and_what_is_taken_is_documented(self):
        with open(os.path.join(ROOT, "client", "bridge", "params.c"), encoding="utf-8") as file:
            taken = set(re.findall(r'\{"(\w+)", [A-Z]+\}', file.read()))
        self.assertGreater(len(taken), 10)
        for path in COMPUTING:
            documented = self.document.parameters(path)
            self.assertEqual(set(documented), taken - ELSEWHERE[path])
            for name in taken:
                twice = [(name, "\1"), (name, "\1")]
                self.assertEqual(self.refused(path, twice), name in documented, (path, name))
            self.assertEqual(set(self.document.root["components"]["schemas"]["Fields"]["properties"]), taken - {"mode"})

    def test_ranges_are_taken_to_both_ends_and_no_further(self):
        # Nothing is computed but where the limit itself is tried, and so large images are no work.
        small = {"width": "8", "height": "8"}
        for path in COMPUTING:
            for name, schema in self.document.parameters(path).items():
                if schema["type"] != "integer" or "enum" in schema:
                    continue
                least, most = schema["minimum"], schema["maximum"]
                for value, good in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
                    values = {**({} if name == "tile_w" else small), "time_limit_ms": "0", name: str(value)}
                    self.assertEqual(self.refused(path, values), not good, (path, values))

    def test_words_are_those_that_are_listed(self):
        for path in COMPUTING:
            for name, schema in self.document.parameters(path).items():
                for value in schema.get("enum", []):
                    self.assertFalse(self.refused(path, {**SMALL, name: value}), (name, value))
                if "enum" in schema:
                    self.assertTrue(self.refused(path, {**SMALL, name: "2"}), name)
            for name, good, bad in (("kernel", ["auto", "scalar"], ["", "k" * 33, "quantum"]),
                                    ("region", ["-2.5,-1,3.5,2", "0,0,1e-3,1e-3"],
                                     ["0,0,1", "0,0,1,1,1", "0,0,0,1", "a,b,c,d"])):
                for value in good + bad:
                    self.assertEqual(self.refused(path, {**SMALL, name: value}), value in bad, (name, value))

    def test_defaults_are_what_is_used(self):
        for path in RECORDING[:2]:
            _, answer = self.check(self.bridge.url, path)
            for name, value in self.document.parameters(path).items():
                if name in answer["params"]:
                    self.assertEqual(answer["params"][name], value["default"], name)
            defaults = {name: ",".join(map(str, value["default"])) if name == "region" else value["default"]
                        for name, value in self.document.parameters(path).items()}
            _, same = self.check(self.bridge.url, path, urllib.parse.urlencode(defaults, safe=","))
            self.assertEqual({**answer["params"], **same["params"]}, same["params"])
            self.assertEqual(list(same), list(answer))
            self.assertEqual(list(same["data"][0]), list(answer["data"][0]))

    def test_a_body_takes_what_the_query_takes(self):
        properties = self.document.root["components"]["schemas"]["Fields"]["properties"]
        defaults = {name: self.document.follow(schema)["default"] for name, schema in properties.items()}
        self.assertEqual(self.document.errors(defaults, {"$ref": "#/components/schemas/Fields"}), [])
        for path in COMPUTING:
            status, _ = self.check(self.bridge.url, path, "", "POST", {}, json.dumps(defaults))
            self.assertEqual(status, 200)


class Answers(Documented):
    def test_every_answer_is_as_documented(self):
        self.whole()
        self.refused()
        self.unreachable()
        self.overloaded()
        self.silent()
        self.streamed()
        self.page()
        self.otherwise()
        documented = {(path, method, status) for path, methods in self.document.paths.items()
                      for method, operation in methods.items() if method != "parameters"
                      for status in operation["responses"]}
        self.assertEqual(documented - self.seen, set())

    def post(self, url, path, body):
        return self.check(url, path, "", "POST", {"Content-Type": "application/json"}, body)[0]

    def whole(self):
        for path, methods in self.document.paths.items():
            if "get" in methods:
                self.assertEqual(self.check(self.bridge.url, path)[0], 200)
        for path in COMPUTING:
            fields = {name: int(value) for name, value in (pair.split("=") for pair in QUERY.split("&"))}
            self.assertEqual(self.post(self.bridge.url, path, json.dumps(fields)), 200)
            for query in ("precision=ns&summary=1&pretty=1", "time_limit_ms=0&summary=1",
                          "schedule=stealing&kernel=scalar", "region=0,0,1,1&width=1&height=1",
                          "data=1&precision=ns&summary=1", "data=1&time_limit_ms=0"):
                cut_short = path == IMAGE and "time_limit_ms=0" in query
                self.assertEqual(self.check(self.bridge.url, path, query)[0], 504 if cut_short else 200)

    def refused(self):
        for path, methods in self.document.paths.items():
            method = "GET" if "get" in methods else "DELETE"
            self.assertEqual(self.check(self.bridge.url, path, "", method, {"Host": "evil.example"})[0], 403)
            self.assertEqual(self.check(self.bridge.url, path, "x" * 8192, method)[0], 414)
            if "post" in methods:
                for headers, body, status in (({}, "[]", 400), ({"Host": "evil.example"}, "{}", 403),
                                              ({}, 65537 * " ", 413)):
                    self.assertEqual(self.check(self.bridge.url, path, "", "POST", headers, body)[0], status)
                self.assertEqual(self.check(self.bridge.url, path, "x" * 8192, "POST", {}, "{}")[0], 414)
                self.assertEqual(self.check(self.bridge.url, path, "width=0")[0], 400)

    def unreachable(self):
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        for path in COMPUTING:
            self.assertEqual(self.check(bridge.url, path)[0], 503)
            self.assertEqual(self.post(bridge.url, path, "{}"), 503)
        for path in ("/api/compute/health", "/readyz"):
            self.assertEqual(self.check(bridge.url, path)[0], 503)

    def overloaded(self):
        """One run at work and one that waits leave no room; then their time is up."""
        server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "1", "--max-queue", "1")
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        held = [connect(bridge.url) for _ in range(2)]
        for peer in held:
            peer.sendall(f"GET /api/compute/sequential?{ENDLESS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_stats(server.url, runs_queued=1)
        for path in COMPUTING:
            self.assertEqual(self.check(bridge.url, path)[0], 429)
            self.assertEqual(self.post(bridge.url, path, "{}"), 429)
        for peer in held:
            peer.close()
        impatient = self.start("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-timeout-ms", "20")
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", impatient.url)
        for path in RECORDING + [IMAGE]:
            query = ENDLESS if path != IMAGE else "time_limit_ms=0"  # a stream has no time of its own
            body = dict(pair.split("=") for pair in query.split("&"))
            self.assertEqual(self.check(bridge.url, path, query)[0], 504)
            self.assertEqual(self.post(bridge.url, path, json.dumps(body)), 504)

    def silent(self):
        """A server that stands still takes no stream."""
        server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url, "--backend-timeout-s", "1")
        self.assertEqual(self.check(bridge.url, STREAM)[0], 200)
        server.process.send_signal(signal.SIGSTOP)
        self.addCleanup(server.process.send_signal, signal.SIGCONT)
        self.assertEqual(self.check(bridge.url, STREAM)[0], 504)
        self.assertEqual(self.post(bridge.url, STREAM, "{}"), 504)

    def streamed(self):
        """What becomes of a run that is asked for again; the first of its events are soon not kept any more."""
        large = "width=2048&height=2048&tile_w=64&tile_h=64&max_iter=1000&time_limit_ms=600000"
        run = get(self.bridge.url, f"{STREAM}?{large}")[1].split(b"/")[0][-32:].decode()
        for method, body in ("GET", None), ("POST", "{}"):
            for last, status in (f"{run}/1027", 204), (f"{run}/1", 410), (32 * "0" + "/1", 404):
                self.assertEqual(self.check(self.bridge.url, STREAM, "", method, {"Last-Event-ID": last}, body)[0], status)
        self.assertEqual(self.check(self.bridge.url, RUN, "", "DELETE", {}, 65537 * " ")[0], 413)
        for run, status in (run, 204), (run, 404):
            response, answer = get(self.bridge.url, RUN.format(run=run), "DELETE")
            self.assertEqual(response.status, status)
            self.content(self.document.answer(RUN, "DELETE", status), response.headers["Content-Type"], answer)
            self.seen.add((RUN, "delete", str(status)))

    def page(self):
        for path in PAGE, FILE:
            etag = get(self.bridge.url, path.replace("{file}", "main.js"))[0].headers["ETag"]
            self.assertEqual(self.check(self.bridge.url, path, "", "GET", {"If-None-Match": etag})[0], 304)
        for name in os.listdir(os.path.join(ROOT, "client", "web")):
            response, answer = get(self.bridge.url, "/web/" + name)
            served = name.endswith((".html", ".css", ".js", ".svg"))
            self.assertEqual(response.status, 200 if served else 404, name)
            self.content(self.document.answer(FILE, "GET", response.status), response.headers["Content-Type"], answer)

    def otherwise(self):
        """What no answer is listed for: here, that the bridge does not have the server's token."""
        with tempfile.NamedTemporaryFile("w") as token:
            token.write("0123456789abcdef\n")
            token.flush()
            os.chmod(token.name, 0o600)
            server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0", "--token-file", token.name)
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        for path in COMPUTING:
            self.assertEqual(self.check(bridge.url, path)[0], 401)
            self.assertEqual(self.post(bridge.url, path, "{}"), 401)
        for path, method, status in (("/nothing", "GET", 404), ("/healthz", "POST", 405)):
            response, body = get(self.bridge.url, path, method)
            self.assertEqual(response.status, status)
            self.assertEqual(self.document.errors(json.loads(body), {"$ref": "#/components/schemas/Error"}), [])


if __name__ == "__main__":
    unittest.main()
