import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DiscoveryDeps, REFERENCE_KINDS } from "../../../lib/discovery/deps.ts";
import { watchTargets } from "../../../lib/discovery/watch-targets.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import { PUSH_KINDS } from "../../../lib/resource-kinds.ts";
import { aCluster } from "../../builders.ts";
import { aSeen } from "./a-seen.ts";

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

  it("is certain only after some time where there is some, and at once in one list", async () => {
    for (const [seconds, dueAfter] of [
      [60, 2_000],
      [1, 2_000],
      [0, 0],
    ] as const) {
      const times: number[] = [];
      const store = {
        putReference: async () => true,
        referencesOf: async () => [],
        byReference: async () => ({ items: [] }),
        nudgeAll: async () => [],
        declare: async (_declared: unknown, at: number) => void times.push(at),
        tombstone: async (_key: unknown, _uid: unknown, at: number) => void times.push(at),
      };
      const deps = {
        leases: store,
        clock: () => 0,
        queue: { send: async () => undefined },
      } as unknown as DiscoveryDeps;
      const parts = {
        guard: { check: async () => undefined, isStranger: () => false },
        budget: { hasRoom: async () => true, took: () => undefined },
      } as unknown as typeof UNUSED;
      const targets = watchTargets(deps, aCluster(), parts, { ...OPTIONS, seconds }, undefined);
      const named = (name: string) => targets.find((target) => target.name === name)?.handler ?? assert.fail(name);
      const { signal } = new AbortController();
      await named("VaultAuth")
        .list()
        .page([aSeen({ name: "auth" })], signal);
      await named("VaultStaticSecret").deleted(aSeen());
      assert.deepEqual(times, [dueAfter, dueAfter === 0 ? 0 : 3_000], `${seconds} s`);
      assert.deepEqual(
        targets.filter(({ isReference }) => isReference).map(({ kind }) => kind),
        [...REFERENCE_KINDS],
      );
    }
  });

  it("lease-table 18: says under the name of its cursor what its list lacks", async () => {
    const taken: string[] = [];
    const missing = { take: async ({ list }: { readonly list: string }) => void taken.push(list) };
    const deps = {
      leases: {
        byCluster: async () => [],
        read: async () => new Map(),
        referencesOf: async () => [],
        nudgeAll: async () => [],
        byReference: async () => ({ items: [] }),
      },
      ...{ clock: () => 0, queue: { send: async () => undefined } },
    } as unknown as DiscoveryDeps;
    for (const include of [["*"], ["bank", "shop"]]) {
      const namespaces = { include, exclude: [] };
      const push = { kinds: PUSH_KINDS, namespaces, secrets: "watch" } as unknown as NonNullable<
        ClusterSettings["push"]
      >;
      const drift = { missing: async () => undefined };
      const parts = { missing, drift } as unknown as typeof UNUSED;
      const targets = watchTargets(deps, aCluster({ namespaces, push }), parts, OPTIONS, undefined);
      const declaring = targets.filter(({ kind, name }) => !REFERENCE_KINDS.includes(kind) && !/^Secret/.test(name));
      taken.length = 0;
      for (const { handler } of targets) await handler.list().end(new AbortController().signal);
      assert.deepEqual(taken.sort(), declaring.map(({ name }) => name).sort());
      assert.ok(taken.some((name) => name.startsWith("push:Secret")));
    }
  });

  it("is no Secret with observe: apply, where keyferry may not list them", () => {
    const kinds = [...watched({ observe: "apply" }).keys()];
    assert.ok(kinds.includes("VaultStaticSecret") && !kinds.includes("Secret"));
  });
});
