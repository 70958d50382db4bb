#!/usr/bin/env python3
"""The pods of docker/kubernetes, as `podman kube play` runs them, which knows Pods and Deployments: the all-in-one's, of one
replica, and the pod that the controller of the RPC servers would make."""
import json
import os
import tempfile
import unittest

import yaml

from containers import ROOT, podman, prepare
from programs import QUERY, ServedTest, get, until

FOLDER = os.path.join(ROOT, "docker", "kubernetes")


def setUpModule():
    prepare()


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


class Pods(ServedTest):
    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def play(self, part):
        """The name of the container that serves."""
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(file.close)
        yaml.safe_dump(part, file)
        file.flush()
        self.addCleanup(podman, "kube", "down", file.name)
        podman("kube", "play", file.name)
        names = podman("ps", "--format", "{{.Names}} {{.Image}}").stdout.splitlines()
        name, = [line.split()[0] for line in names if "pause" not in line]
        return name

    def check_hardened(self, name, limits):
        about = json.loads(podman("inspect", name).stdout)[0]
        self.assertTrue(about["HostConfig"]["ReadonlyRootfs"])
        self.assertEqual(about["EffectiveCaps"] or [], [])
        self.assertEqual((about["HostConfig"]["Memory"], about["HostConfig"]["NanoCpus"]), limits)
        with open(f"/proc/{about['State']['Pid']}/status", encoding="ascii") as status:
            text = status.read()
        self.assertRegex(text, r"Uid:\t65532\t")
        self.assertRegex(text, r"NoNewPrivs:\t1\n")

    def answers(self, url, path):
        try:
            return get(url, path)[0].status == 200
        except OSError:
            return False

    def test_the_all_in_one_serves(self):
        deployment = load("tilery.yaml")[0]
        deployment["spec"]["replicas"] = 1  # which would have the same port
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
            if variable.pop("valueFrom", None) is not None:
                variable["value"] = "default"  # podman knows no metadata.namespace, nor $(...)
            variable["value"] = variable["value"].replace("$(NAMESPACE)", "default")
        name = self.play(deployment)
        url = "http://127.0.0.1:8405"
        until(lambda: self.answers(url, "/readyz"), "the pod is ready")
        self.assertTrue(self.answers(url, "/healthz"))
        self.assertTrue(self.answers(url, "/metrics"))
        self.check_documented(get(url, "/api/compute/concurrent?" + QUERY)[1])
        self.check_hardened(name, (512 << 20, 2 * 10**9))

    def test_a_server_answers_its_probe(self):
        template = load("rpc.yaml")[0]["spec"]["template"]
        name = self.play({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tileryd-0", **template["metadata"]},
                          "spec": template["spec"]})
        command = template["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
        until(lambda: podman("exec", name, *command, check=False).returncode == 0, "the server is healthy")
        self.check_hardened(name, (1 << 30, 4 * 10**9))


if __name__ == "__main__":
    unittest.main()
