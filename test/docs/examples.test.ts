import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import { type DeclaredKind, parseSpec, SPECS } from "../../lib/declarations/parse.ts";
import { SyncError } from "../../lib/errors.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";
import { syncKey } from "../../lib/keys.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import type { Reference } from "../../lib/ports/rows.ts";
import { blocks, pages, ROOT } from "./pages.ts";

const CLUSTER = {
  name: "prod-eu",
  labels: {},
  observe: "watch" as const,
  namespaces: { include: ["*"], exclude: [] },
  operatorNamespace: "vault-secrets-operator-system",
};

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Reference["spec"];
}

interface Example {
  readonly where: string;
  readonly text: string;
  readonly objects: readonly Resource[];
}

function example(where: string, text: string): Example {
  const documents = parseAllDocuments(text);
  for (const { errors } of documents) assert.deepEqual(errors, [], where);
  return { where, text, objects: documents.map((document) => document.toJS() as Resource) };
}

const inPages = pages().flatMap((page) =>
  blocks(page, "yaml").map((text, index) => example(`${page.path}, example ${index + 1}`, text)),
);
const folder = join(ROOT, "demo/declarations");
const inDemo = readdirSync(folder).map((name) => example(`demo/${name}`, readFileSync(join(folder, name), "utf8")));
const ours = [...inPages, ...inDemo].flatMap(({ where, objects }) =>
  objects.filter(({ kind }) => kind in SPECS).map((object) => ({ where, object })),
);

/** Fields of the example that the schema does not have: parsing leaves them aside. */
function unknownFields(written: unknown, understood: unknown, path = "spec"): readonly string[] {
  if (typeof written !== "object" || written === null || Array.isArray(written)) return [];
  return Object.entries(written).flatMap(([key, value]) => {
    const found = (understood as Record<string, unknown> | undefined)?.[key];
    return found === undefined ? [`${path}.${key}`] : unknownFields(value, found, `${path}.${key}`);
  });
}

describe("examples in the documentation", () => {
  it("are there", () => {
    assert.ok(inPages.length >= 4 && ours.length >= 8);
  });

  for (const { where, text, objects } of inPages) {
    if (objects[0]?.kind !== "Fleet") continue;
    it(`are fleets that keyferry takes: ${where}`, () => {
      const { clusters, hubs } = parseFleet(text, "fleet.yaml");
      assert.ok(clusters.length + hubs.length > 0);
    });
  }

  for (const { where, object } of ours) {
    it(`are resources that keyferry takes: ${object.kind} ${object.metadata.name}, ${where}`, () => {
      const parsed = parseSpec(object.kind as DeclaredKind, object.spec);
      assert.ok("spec" in parsed, stringify(parsed));
      assert.deepEqual(unknownFields(object.spec, parsed.spec), []);
      assert.equal(object.apiVersion, "secrets.hashicorp.com/v1beta1");
    });
  }

  it("can be carried out: no sync of theirs would be parked", () => {
    const references = new Map(ours.map(({ object }) => [keyOf(object), referenceOf(object)]));
    for (const { where, object } of ours) {
      const kind = KINDS.of(object.kind);
      if (kind === undefined) continue;
      const declared = {
        ...referenceOf(object),
        key: syncKey(nameOf(object)),
        group: "",
        deleting: false,
        seen: { resourceVersion: "1", status: {} },
      };
      const reference = (key: string): Reference | undefined => references.get(key);
      const { outcome } = kind.resolve({ declared, cluster: CLUSTER, reference });
      assert.ok(!(outcome instanceof SyncError), `${where}: ${outcome}`);
    }
  });
});

function nameOf({ kind, metadata }: Resource) {
  return { cluster: CLUSTER.name, kind, namespace: metadata.namespace, name: metadata.name };
}

function keyOf(object: Resource): string {
  const { cluster, kind, namespace, name } = nameOf(object);
  return `${cluster}/${kind}/${namespace}/${name}`;
}

function referenceOf(object: Resource): Reference {
  const key = keyOf(object) as Reference["key"];
  const uid = "00000000-0000-0000-0000-000000000001";
  return { key, uid, generation: 1, hash: "h", labels: {}, annotations: {}, spec: object.spec };
}
