import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { watchTargets } from "../../../lib/discovery/watch-targets.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import { aCluster } from "../../builders.ts";

const OPTIONS = { seconds: 60, againMs: 0, probeRevision: false, acceptMissing: false, sleep: async () => undefined };
const UNUSED = {} as Parameters<typeof watchTargets>[2];

/** What is watched of a cluster: the name of each cursor, and what is asked for under it. */
function watched(settings: Partial<ClusterSettings>): ReadonlyMap<string, object> {
  const targets = watchTargets({} as DiscoveryDeps, aCluster(settings), UNUSED, OPTIONS, undefined);
  return new Map(targets.map(({ name, options }) => [name, options]));
}

describe("what is watched of a cluster", () => {
  it("is each kind at once where keyferry serves all namespaces", () => {
    const all = watched({});
    assert.deepEqual(all.get("VaultStaticSecret"), { metadataOnly: false });
    assert.deepEqual(all.get("VaultAuth"), { metadataOnly: false });
    assert.match(JSON.stringify(all.get("Secret")), /^\{"metadataOnly":true,"labelSelector":"[^"]+"\}$/);
  });

  it("is each kind in each namespace by itself where they are named: keyferry may read no others", () => {
    const named = watched({ namespaces: { include: ["bank", "shop"], exclude: [] } });
    assert.ok(named.size > 0);
    for (const [name, options] of named) {
      const [, namespace] = name.split("/");
      assert.equal((options as { namespace?: string }).namespace, namespace, name);
    }
    for (const namespace of ["bank", "shop"]) {
      assert.ok(named.has(`VaultStaticSecret/${namespace}`) && named.has(`Secret/${namespace}`));
    }
    assert.ok(named.has("VaultAuth/vso"), "the operator's defaults are references of all");
    assert.ok(!named.has("VaultStaticSecret/vso"));
  });

  it("is no Secret with observe: apply, where keyferry may not list them", () => {
    const kinds = [...watched({ observe: "apply" }).keys()];
    assert.ok(kinds.includes("VaultStaticSecret") && !kinds.includes("Secret"));
  });
});
