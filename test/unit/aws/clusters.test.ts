import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Base } from "../../../functions/wiring/base.ts";
import { clustersOf } from "../../../functions/wiring/clusters.ts";
import { type Fleet, parseFleet } from "../../../lib/fleet/fleet.ts";
import { hubbedSource } from "../../../lib/hubs/hubbed-source.ts";
import { QUIET } from "./records.ts";

const NOW = Date.UTC(2030, 0, 1);
const VAULT = "https://vault.test:8200";

/** Nothing answers there. */
const KUBECONFIG = JSON.stringify({
  ...{ apiVersion: "v1", kind: "Config", "current-context": "one" },
  clusters: [{ name: "one", cluster: { server: "https://127.0.0.1:1" } }],
  users: [{ name: "one", user: { token: "t" } }],
  contexts: [{ name: "one", context: { cluster: "one", user: "one" } }],
});

interface Said {
  readonly kubeconfig: string;
  readonly requestsPerSecond: number;
  readonly vaultAddresses: "any" | "named";
}

function fleetThat({ kubeconfig, requestsPerSecond, vaultAddresses }: Said): Fleet {
  const text = JSON.stringify({
    ...{ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet" },
    vaults: [{ name: "main", addresses: [VAULT], requestsPerSecond }],
    clusters: [{ name: "east", connect: { kubeconfig: { path: kubeconfig } }, vaultAddresses }],
    hubs: [{ name: "hub", connect: { kubeconfig: { path: kubeconfig } }, argocd: {} }],
  });
  return parseFleet(text, "fleet.yaml");
}

/** The clusters of a process, with a fleet that can be replaced, and the kubeconfigs that were read. */
function aProcess(first: Said) {
  let own = fleetThat(first);
  const read: string[] = [];
  const files = {
    local: () => undefined,
    async text(path: string): Promise<string> {
      read.push(path);
      return KUBECONFIG;
    },
  };
  const clock = () => NOW;
  const leases = { hubs: async () => [], hubState: async () => undefined };
  const fleet = hubbedSource({ current: async () => own, files } as never, leases, clock);
  const base = { config: { reconcileConcurrency: 10 }, clock, leases, fleet, ...{ log: QUIET, metrics: QUIET } };
  const clusters = clustersOf(base as unknown as Base);
  const ask = async (cluster: string): Promise<readonly string[]> => {
    read.length = 0;
    await assert.rejects(clusters.clusters.identity(cluster, new AbortController().signal));
    return [...read];
  };
  const set = (said: Said): void => {
    own = fleetThat(said);
  };
  return { clusters, fleet, ask, set };
}

describe("the clusters of a function's process", () => {
  const former: Said = { kubeconfig: "former", requestsPerSecond: 50, vaultAddresses: "any" };
  const next: Said = { kubeconfig: "next", requestsPerSecond: 20, vaultAddresses: "named" };
  for (const [who, takeUp] of [
    ["an invocation reads it", ({ clusters }) => clusters.refresh()],
    ["a pass over a hub takes it up", ({ fleet }) => fleet.renewed()],
  ] as const satisfies readonly [string, (one: ReturnType<typeof aProcess>) => Promise<unknown>][]) {
    it(`have the budgets, addresses and connections of a fleet when ${who}`, async () => {
      const one = aProcess(former);
      assert.deepEqual([one.clusters.budgetOf(VAULT), one.clusters.reachOf("east").named], [undefined, []]);
      await one.clusters.refresh();
      assert.deepEqual(one.clusters.budgetOf(VAULT), { name: "main", perSecond: 5 });
      assert.deepEqual([one.clusters.reachOf("east").onlyNamed, one.clusters.fleet("east")?.name], [false, "east"]);
      for (const place of ["east", "hub:hub"]) assert.deepEqual(await one.ask(place), ["former"], place);
      assert.deepEqual(await one.ask("east"), [], "it keeps its connection");
      one.set(next);
      await takeUp(one);
      await one.clusters.refresh();
      assert.deepEqual(one.clusters.budgetOf(VAULT), { name: "main", perSecond: 2 });
      assert.equal(one.clusters.reachOf("east").onlyNamed, true);
      for (const place of ["east", "hub:hub"]) assert.deepEqual(await one.ask(place), ["next"], place);
    });
  }

  it("keep their connections to the end of an invocation, because a pass asks one API server throughout", async () => {
    const one = aProcess(former);
    await one.clusters.refresh();
    assert.deepEqual(await one.ask("east"), ["former"]);
    one.set(next);
    await one.fleet.renewed();
    assert.deepEqual(await one.ask("east"), []);
    await one.clusters.refresh();
    assert.deepEqual(await one.ask("east"), ["next"]);
    await one.clusters.refresh();
    assert.deepEqual(await one.ask("east"), [], "a move ends a connection once");
  });
});
