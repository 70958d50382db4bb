// The manifests of docker/kubernetes against Kubernetes' published schemas, as the package kubernetes-models has them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Pod } from "kubernetes-models/v1/Pod";
import { Service } from "kubernetes-models/v1/Service";
import { parseAllDocuments } from "yaml";

const kinds = {
  "apps/v1 Deployment": Deployment,
  "apps/v1 StatefulSet": StatefulSet,
  "policy/v1 PodDisruptionBudget": PodDisruptionBudget,
  "v1 Service": Service,
};

async function load(name) {
  const text = await readFile(new URL(`../../docker/kubernetes/${name}`, import.meta.url), "utf8");
  return parseAllDocuments(text).map((part) => part.toJS());
}

function validate(part) {
  const Kind = kinds[`${part.apiVersion} ${part.kind}`];
  assert.ok(Kind, `${part.apiVersion} ${part.kind}`);
  new Kind(part).validate();
}

for (const name of ["tilery.yaml", "rpc.yaml"])
  test(`${name} is valid`, async () => {
    const parts = await load(name);
    assert.equal(parts.length, 3);
    parts.forEach(validate);
    const { metadata, spec } = parts[0].spec.template;
    new Pod({ metadata, spec }).validate();
  });

const damages = {
  "a number as text": (part) => { part.spec.replicas = "2"; },
  "no selector": (part) => { delete part.spec.selector; },
  "a port that is none": (part) => { part.spec.template.spec.containers[0].ports[0].containerPort = "http"; },
  "a pause of no length": (part) => { part.spec.template.spec.containers[0].lifecycle.preStop.sleep = {}; },
};
for (const [name, damage] of Object.entries(damages))
  test(`${name} is noticed`, async () => {
    const [part] = await load("tilery.yaml");
    damage(part);
    assert.throws(() => validate(part));
  });
