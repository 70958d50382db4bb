#!/usr/bin/env python3
"""The manifests of docker/kubernetes: the rules of the restricted profile, and names that must fit together."""
import os
import re
import shutil
import subprocess
import unittest

try:
    import yaml
except ImportError:
    yaml = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "docker", "kubernetes")
# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted: nothing else stands in a pod here.
POD_KEYS = {"automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext",
            "containers"}
CONTAINER_KEYS = {"name", "image", "imagePullPolicy", "ports", "env", "lifecycle", "startupProbe", "livenessProbe",
                  "readinessProbe", "resources", "securityContext"}
PROBE_KEYS = {"httpGet", "exec", "tcpSocket", "periodSeconds", "timeoutSeconds", "failureThreshold"}
API = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Service": "v1", "PodDisruptionBudget": "policy/v1"}
DNS_LABEL = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


def setUpModule():
    if yaml is None:
        raise unittest.SkipTest("no python3-yaml: client/install-deps.sh tests")


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


def cpus_of(text):
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


class Manifests(unittest.TestCase):
    def setUp(self):
        self.all = load("tilery.yaml") + load("rpc.yaml")
        self.workloads = [part for part in self.all if part["kind"] in ("Deployment", "StatefulSet")]
        self.services = [part for part in self.all if part["kind"] == "Service"]
        self.budgets = [part for part in self.all if part["kind"] == "PodDisruptionBudget"]

    def test_each_has_its_api_and_a_name(self):
        for part in self.all:
            self.assertEqual(part["apiVersion"], API[part["kind"]])
            self.assertRegex(part["metadata"]["name"], f"^{DNS_LABEL}$")
        self.assertEqual([part["kind"] for part in self.all], ["Deployment", "Service", "PodDisruptionBudget",
                                                               "StatefulSet", "Service", "PodDisruptionBudget"])

    def test_the_kustomization_names_files_that_are_there(self):
        base, = load("kustomization.yaml")
        self.assertEqual((base["apiVersion"], base["kind"]), ("kustomize.config.k8s.io/v1beta1", "Kustomization"))
        for name in base["resources"]:
            self.assertTrue(os.path.exists(os.path.join(FOLDER, name)), name)
        images = {container["image"] for part in load("tilery.yaml") if part["kind"] == "Deployment"
                  for container in part["spec"]["template"]["spec"]["containers"]}
        self.assertEqual({image["name"] for image in base["images"]}, images)

    @unittest.skipIf(shutil.which("kubectl") is None, "no kubectl: client/install-deps.sh containers")
    def test_the_kustomization_builds_what_its_files_say(self):
        built = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(built.returncode, 0, built.stderr)
        wanted = {part["kind"]: part for part in load("tilery.yaml")}
        wanted["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] = "tilery:latest"
        self.assertEqual({part["kind"]: part for part in yaml.safe_load_all(built.stdout)}, wanted)

    def test_no_variable_of_a_service_meets_the_program_s_own(self):
        for part in self.workloads:
            self.assertIs(part["spec"]["template"]["spec"]["enableServiceLinks"], False)

    def test_every_pod_keeps_to_the_restricted_profile(self):
        for part in self.workloads:
            pod = part["spec"]["template"]["spec"]
            self.assertLessEqual(set(pod), POD_KEYS)
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                                "capabilities": {"drop": ["ALL"]}})

    def test_every_container_has_probes_of_its_ports_and_limits(self):
        for part in self.workloads:
            container, = part["spec"]["template"]["spec"]["containers"]
            self.assertLessEqual(set(container), CONTAINER_KEYS)
            ports = {port["name"] for port in container["ports"]}
            for name in "startupProbe", "livenessProbe", "readinessProbe":
                probe = container[name]
                self.assertLessEqual(set(probe), PROBE_KEYS)
                self.assertEqual(len(set(probe) & {"httpGet", "exec", "tcpSocket"}), 1)
                for kind in "httpGet", "tcpSocket":
                    self.assertIn(probe.get(kind, {}).get("port", next(iter(ports))), ports)
            resources = container["resources"]
            for what, number in ("cpu", cpus_of), ("memory", bytes_of):
                self.assertLessEqual(number(resources["requests"][what]), number(resources["limits"][what]))

    def test_a_pod_that_drains_is_soon_known_to_and_the_next_one_waits_for_clients(self):
        for part in self.workloads:
            probe = part["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
            self.assertLessEqual(probe["failureThreshold"] * probe["periodSeconds"], 5)
        self.assertGreaterEqual(self.workloads[1]["spec"]["minReadySeconds"], 15)

    def test_the_all_in_one_is_scraped_and_probed_by_its_own_routes(self):
        template = self.workloads[0]["spec"]["template"]
        container, = template["spec"]["containers"]
        self.assertEqual(template["metadata"]["annotations"], {
            "prometheus.io/scrape": "true", "prometheus.io/path": "/metrics",
            "prometheus.io/port": str(container["ports"][0]["containerPort"])})
        self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")
        self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")

    def test_selectors_services_and_labels_fit_together(self):
        for part, service in zip(self.workloads, self.services):
            labels = part["spec"]["template"]["metadata"]["labels"]
            self.assertEqual(part["spec"]["selector"]["matchLabels"], labels)
            self.assertEqual(service["spec"]["selector"], labels)
            names = {port["name"] for port in part["spec"]["template"]["spec"]["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                self.assertIn(port["targetPort"], names)
        self.assertNotEqual(self.services[0]["spec"]["selector"], self.services[1]["spec"]["selector"])
        self.assertEqual(self.services[1]["spec"]["clusterIP"], "None")
        self.assertEqual(self.workloads[1]["spec"]["serviceName"], self.services[1]["metadata"]["name"])

    def test_an_emptied_node_takes_one_pod_and_leaves_another(self):
        for part, budget in zip(self.workloads, self.budgets, strict=True):
            self.assertEqual(budget["spec"], {"maxUnavailable": 1, "selector": part["spec"]["selector"]})
            self.assertGreater(part["spec"]["replicas"], 1)

    def test_a_pod_has_time_to_finish(self):
        for part in self.workloads:
            pod = part["spec"]["template"]["spec"]
            before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], before + 30 + 10)


if __name__ == "__main__":
    unittest.main()
