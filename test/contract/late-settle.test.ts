import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { syncKey } from "../../lib/keys.ts";
import { clusterOrigin } from "../../lib/origins/cluster.ts";
import type { RunOutcome } from "../../lib/origins/status.ts";
import type { Row } from "../../lib/ports/rows.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { aDeclared, aRow } from "../builders.ts";
import { aClaim } from "../claims.ts";
import { type Cluster, type KubeObject, startCluster } from "../harness/index.ts";
import { endsOf, patient, STATIC_SECRET_CRD, type TestApis, withCode } from "./kubernetes-fixtures.ts";

const CLUSTER = "late";
const NAMESPACE = "default";
const SYNCED: RunOutcome = { kind: "synced", wrote: "created" };

describe("a run tells its resource how it ended", () => {
  let cluster: Cluster;
  let apis: TestApis;

  before(async () => {
    cluster = await startCluster({ name: CLUSTER, crds: [STATIC_SECRET_CRD] });
    apis = endsOf(cluster);
  });
  after(async () => {
    apis?.clients.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  const resource = (name: string) => ({
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: VAULT_STATIC_SECRET.kind,
    metadata: { namespace: NAMESPACE, name },
  });
  const make = async (name: string): Promise<KubeObject> => {
    const [made] = await cluster.apply({ ...resource(name), spec: { path: name } });
    assert.ok(made);
    return made;
  };
  const statusOf = async (name: string) => (await cluster.get(resource(name)))?.status as JsonObject | undefined;
  const eventsOf = async (name: string) => {
    const path = `/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=involvedObject.name=${name}`;
    return (await cluster.request<{ items: { involvedObject: { uid: string } }[] }>("GET", path)).body.items;
  };
  /** The row as it was when this version of the resource was taken in. */
  const rowOf = ({ metadata }: KubeObject): Row => {
    const key = syncKey({
      cluster: CLUSTER,
      kind: VAULT_STATIC_SECRET.kind,
      namespace: NAMESPACE,
      name: metadata.name,
    });
    const seen = { resourceVersion: metadata.resourceVersion ?? "", status: {} };
    return aRow({ declared: aDeclared({ key, uid: metadata.uid ?? "", seen }) });
  };
  const tell = async (row: Row, until?: number, outcome: RunOutcome = SYNCED) => {
    const origin = clusterOrigin({ ...apis, clock: systemClock }, row);
    return origin.announce(outcome, await aClaim(row, systemClock, until), patient());
  };

  it("kubernetes-rules 17: a late settle marks no resource that was made anew under the same name", async () => {
    const row = rowOf(await make("reborn"));
    await cluster.delete(resource("reborn"));
    await make("reborn");
    const { isGone } = await tell(row);
    assert.ok(isGone);
    assert.equal(await statusOf("reborn"), undefined);
    assert.deepEqual(await eventsOf("reborn"), []);
  });

  it("kubernetes-rules 17: nor does it fail on one that is gone", async () => {
    const row = rowOf(await make("gone"));
    await cluster.delete(resource("gone"));
    assert.ok((await tell(row)).isGone);
    assert.deepEqual(await eventsOf("gone"), []);
  });

  it("kubernetes-rules 15: another controller's write in between is kept, and ours lands on top of it", async () => {
    const made = await make("shared");
    const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${NAMESPACE}/vaultstaticsecrets/shared/status`;
    const theirs = {
      type: "Theirs",
      status: "True",
      reason: "R",
      message: "",
      lastTransitionTime: "2030-01-01T00:00:00Z",
    };
    const status = { lastGeneration: 0, conditions: [theirs] };
    const merge = { contentType: "application/merge-patch+json" };
    assert.equal((await cluster.request("PATCH", path, { status }, merge)).status, 200);
    await tell(rowOf(made));
    const types = ((await statusOf("shared"))?.conditions as JsonObject[] | undefined)?.map(({ type }) => type);
    assert.deepEqual(types, ["Theirs", "SecretSynced", "Healthy", "Ready"]);
    assert.equal((await eventsOf("shared")).length, 1);
  });

  it("lease-table 24: what is so already is not written again", async () => {
    const row = rowOf(await make("same"));
    const { seen } = await tell(row);
    apis.clients.requests.reset();
    await tell(told(row, seen), undefined, { kind: "synced" });
    assert.equal(apis.clients.requests.count(), 0);
  });

  it("lease-table 6: nothing is written so close to the lease's end that it might end after it", async () => {
    const row = rowOf(await make("short"));
    await assert.rejects(tell(row, systemClock() + 5_000), withCode("LEASE_LOST"));
    assert.equal(await statusOf("short"), undefined);
  });
});

function told(row: Row, seen: { resourceVersion: string; status: JsonObject }): Row {
  return { ...row, state: { ...row.state, seen: { ...seen, hash: row.declared.hash } } };
}
