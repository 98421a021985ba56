import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { SyncError } from "../../lib/errors.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";
import { partsOf, syncKey } from "../../lib/keys.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import type { ClusterSettings } from "../../lib/ports/fleet.ts";
import type { Declared } from "../../lib/ports/rows.ts";
import { allowsPath } from "../../lib/push-paths.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { blocks, pages } from "./pages.ts";

const page = pages().find(({ path }) => path === "docs/push.md") ?? assert.fail();
const examples = blocks(page, "yaml");

interface Example {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec?: JsonObject;
}

describe("examples of pushes", () => {
  const [cluster] = examples
    .filter((text) => text.includes("kind: Fleet") && text.includes("VaultPushSecret"))
    .flatMap((text) => parseFleet(text, "fleet.yaml").clusters)
    .map((found) => ({ ...found, vaults: [{ name: "main", addresses: ["https://vault.example.com:8200"] }] }));

  it("a VaultPushSecret is one that its example of fleet.yaml allows, at the path that the page shows", () => {
    const settings = (cluster ?? assert.fail()) as unknown as ClusterSettings;
    const found = examples.map((text) => parse(text) as Example).filter(({ kind }) => kind === "VaultPushSecret");
    assert.equal(found.length, 1);
    const [{ kind, metadata, spec = {} } = assert.fail()] = found;
    const key = syncKey({ cluster: settings.name, kind, namespace: metadata.namespace, name: metadata.name });
    const declared = {
      ...{ key, uid: "u", generation: 1, hash: "h", group: "g", deleting: false },
      ...{ labels: metadata.labels ?? {}, annotations: {}, spec, seen: { resourceVersion: "1", status: {} } },
    } as Declared;
    const { outcome } = KINDS.of(kind)?.resolve({ declared, cluster: settings, reference: () => undefined }) ?? {};
    assert.ok(outcome !== undefined && !(outcome instanceof SyncError), String(outcome));
    const { declaration } = outcome as unknown as { readonly declaration: { readonly path: string } };
    assert.ok(page.text.includes(`   ${declaration.path}  `), declaration.path);
    assert.ok(settings.push?.paths.some((pattern) => allowsPath(pattern, partsOf(key), declaration.path)));
  });
});
