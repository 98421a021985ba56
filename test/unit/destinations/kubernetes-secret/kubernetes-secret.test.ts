import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DestinationApis } from "../../../../lib/destinations/destination.ts";
import { kubernetesSecrets } from "../../../../lib/destinations/kubernetes-secret/kubernetes-secret.ts";
import { recorded, type Work } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import type { Claim } from "../../../../lib/ports/claim.ts";
import { EMPTY_STATE } from "../../../../lib/ports/rows.ts";
import { converge } from "../../../../lib/reconcile/converge.ts";
import { aCluster, aDeclared, aRow } from "../../../builders.ts";

const declared = aDeclared();
const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: declared.uid };
const forever = new AbortController().signal;

describe("the Secrets that a sync owns", () => {
  const owned = [{ name: "former", uid: "u" }];
  const wants = (create: boolean, name: string) =>
    ({ destination: { create, name }, rolloutTargets: [] }) as unknown as Parameters<
      typeof kubernetesSecrets.ownedWith
    >[0];

  it("are known by name before the first write, once; one of another's is never ours", () => {
    assert.deepEqual(kubernetesSecrets.ownedWith(wants(true, "db"), owned), [...owned, { name: "db" }]);
    assert.deepEqual(kubernetesSecrets.ownedWith(wants(true, "former"), owned), owned);
    assert.deepEqual(kubernetesSecrets.ownedWith(wants(false, "db"), owned), owned);
  });

  it("are recorded as they were written: with whom VSO shares them, and with nothing left to verify", () => {
    const written = (vso: boolean) => {
      const row = { ...aRow({ declared, state: { ...EMPTY_STATE, owned } }), verify: true };
      const work = { seen: { row, destination: { name: "db", create: true, type: "Opaque" } } } as unknown as Work;
      const managed = { fingerprint: "m", ours: true, vso };
      const { row: after } = recorded(work, "it differs", { uid: "new", resourceVersion: "8", managed }).seen;
      return { owned: after.state.owned, verify: after.verify };
    };
    const entry = { name: "db", uid: "new", resourceVersion: "8", managed: "m", type: "Opaque" };
    assert.deepEqual(written(false), { owned: [entry, ...owned], verify: false });
    assert.deepEqual(written(true), { owned: [{ ...entry, ofVso: true }, ...owned], verify: false });
  });

  it("lease-table 6: are cleared one by one, each under a lease that is required anew", async () => {
    const done: string[] = [];
    const secrets = {
      async observe({ namespace, name }: { readonly namespace: string; readonly name: string }) {
        done.push(`observe ${namespace}/${name}`);
        return { uid: `uid-of-${name}`, resourceVersion: "7", deleting: false, ownerReferences: [OWNER] };
      },
      remove: async ({ name }: { readonly name: string }) => void done.push(`remove ${name}`),
    };
    const apis = { secrets, origin: { owner: OWNER } } as unknown as DestinationApis;
    const row = aRow({ declared, state: { ...EMPTY_STATE, owned: [{ name: "db" }, { name: "former" }] } });
    const claim = { row, takeToWrite: async () => void done.push("takeToWrite") } as unknown as Claim;
    await converge(kubernetesSecrets.toClear(apis, { row, settings: aCluster() }), claim, forever);
    const each = (name: string) => ["takeToWrite", `observe shop/${name}`, "takeToWrite", `remove ${name}`];
    assert.deepEqual(done, [...each("db"), ...each("former")]);
  });
});
