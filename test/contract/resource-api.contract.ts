import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ResourceRef } from "../../lib/ports/objects.ts";
import type { SeenResource } from "../../lib/ports/resources.ts";
import { SECRET_TRANSFORMATION, VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import type { KubeObject } from "../harness/index.ts";
import {
  aNamespace,
  type ContractCluster,
  endsOf,
  kubeconfigWith,
  nowIn,
  type OpenCluster,
  patient,
  STATIC_SECRET_CRD,
  type TestApis,
  withCode,
} from "./kubernetes-fixtures.ts";

const NOW = Date.UTC(2030, 0, 2, 3, 4, 5, 678);
const API_VERSION = "secrets.hashicorp.com/v1beta1";
const FINALIZER = "vaultstaticsecret.secrets.hashicorp.com/finalizer";

/** What is owed over any cluster. */
export function resourceApiContract(name: string, open: OpenCluster): void {
  describe(`resource end: ${name}`, () => {
    let cluster: ContractCluster;
    let apis: TestApis;
    let resources: TestApis["resources"];
    let names = 0;

    before(async () => {
      cluster = await open({ name: "resources", crds: [STATIC_SECRET_CRD] });
      apis = endsOf(cluster);
      resources = apis.resources;
      await aNamespace(cluster, "pay");
    });
    after(async () => {
      apis?.clients.close();
      await cluster?.[Symbol.asyncDispose]();
    });

    const aRef = (change: Partial<ResourceRef> = {}): ResourceRef => ({
      cluster: "resources",
      namespace: "pay",
      name: `sync-${++names}`,
      kind: VAULT_STATIC_SECRET,
      ...change,
    });
    const objectOf = ({ namespace, name }: ResourceRef, metadata: object = {}) => ({
      apiVersion: API_VERSION,
      kind: "VaultStaticSecret",
      metadata: { namespace, name, ...metadata },
      spec: { mount: "kv", path: "db" },
    });
    const made = async (metadata: object = {}): Promise<{ ref: ResourceRef; seen: SeenResource }> => {
      const ref = aRef();
      await cluster.apply(objectOf(ref, metadata));
      return { ref, seen: await read(ref) };
    };
    const read = async (ref: ResourceRef): Promise<SeenResource> => {
      const seen = await resources.get(ref, patient());
      assert.ok(seen);
      return seen;
    };

    describe("reads", () => {
      it("sees what the declaration says, and no managed fields", async () => {
        const { ref, seen } = await made({ labels: { team: "pay" }, annotations: { a: "b" }, finalizers: [FINALIZER] });
        const { uid, resourceVersion, ...rest } = seen;
        assert.ok(uid && resourceVersion);
        assert.deepEqual(rest, {
          generation: 1,
          deleting: false,
          labels: { team: "pay" },
          annotations: { a: "b" },
          finalizers: [FINALIZER],
          spec: { mount: "kv", path: "db" },
          status: {},
          ownerReferences: [],
          namespace: "pay",
          name: ref.name,
        });
        await cluster.delete({ ...objectOf(ref) });
        assert.equal((await read(ref)).deleting, true);
        await resources.removeFinalizers(ref, [FINALIZER], patient());
      });

      it("lease-table 18: only a missing object is missing; a kind that is not served and a refusal are not", async () => {
        assert.equal(await resources.get(aRef(), patient()), undefined);
        assert.equal(await resources.get(aRef({ namespace: "nowhere" }), patient()), undefined);
        const unserved = resources.get(aRef({ kind: SECRET_TRANSFORMATION }), patient());
        await assert.rejects(unserved, withCode("KUBE_REJECTED", /does not serve SecretTransformation/));
        const otherGroup = { ...VAULT_STATIC_SECRET, group: "nobody.example.com" };
        await assert.rejects(resources.get(aRef({ kind: otherGroup }), patient()), withCode("KUBE_REJECTED"));
        const none = endsOf(cluster, await kubeconfigWith(cluster, "pay", "nobody", []));
        await assert.rejects(none.resources.get(aRef(), patient()), withCode("KUBE_DENIED", /get vaultstaticsecrets/));
        none.clients.close();
      });
    });

    describe("status", () => {
      const condition = (type: string, message: string) => ({ type, status: "True", reason: type, message });

      it("kubernetes-rules 15: it is written on the subresource, and its conditions are a list as a whole", async () => {
        const { ref, seen } = await made();
        const both = [condition("Ready", ""), condition("Healthy", "yes")];
        const first = await resources.writeStatus(
          ref,
          { lastGeneration: 1, conditions: both },
          seen.resourceVersion,
          patient(),
        );
        const one = [condition("Ready", "again")];
        const second = await resources.writeStatus(ref, { lastGeneration: 1, conditions: one }, first, patient());
        const now = await read(ref);
        assert.deepEqual(now.status, { lastGeneration: 1, conditions: one });
        assert.deepEqual([now.resourceVersion, now.generation], [second, 1]);
      });

      it("kubernetes-rules 15: a status without what the schema demands is refused by the field's name", async () => {
        const { ref, seen } = await made();
        const write = resources.writeStatus(ref, { secretMAC: "value" }, seen.resourceVersion, patient());
        await assert.rejects(write, withCode("KUBE_REJECTED", /status\.lastGeneration FieldValueRequired$/));
      });

      it("kubernetes-rules 17: it carries the resourceVersion that was read, so a recreated resource is not marked", async () => {
        const { ref, seen } = await made();
        await cluster.delete(objectOf(ref));
        await assert.rejects(
          resources.writeStatus(ref, { lastGeneration: 1 }, seen.resourceVersion, patient()),
          withCode("REFERENCE_MISSING"),
        );
        await cluster.apply(objectOf(ref));
        await assert.rejects(
          resources.writeStatus(ref, { lastGeneration: 1 }, seen.resourceVersion, patient()),
          withCode("KUBE_CONFLICT"),
        );
        assert.deepEqual((await read(ref)).status, {});
      });
    });

    describe("events", () => {
      const eventsOf = async (ref: ResourceRef): Promise<readonly KubeObject[]> => {
        const query = `fieldSelector=${encodeURIComponent(`involvedObject.name=${ref.name}`)}`;
        const path = `/api/v1/namespaces/${ref.namespace}/events?${query}`;
        return (await cluster.request<{ items: KubeObject[] }>("GET", path)).body.items;
      };

      it("kubernetes-rules 18: each one is made anew, with both times, one count, and its kind as the component", async () => {
        const { ref, seen } = await made();
        const event = { type: "Normal", reason: "SecretSynced", message: "Secret synced" } as const;
        await resources.emit(ref, seen.uid, event, NOW, patient());
        await resources.emit(ref, seen.uid, event, NOW, patient());
        const events = await eventsOf(ref);
        assert.equal(events.length, 2);
        const [{ metadata: _, apiVersion: __, kind: ___, ...rest } = assert.fail("no event")] = events;
        const time = "2030-01-02T03:04:05Z";
        assert.deepEqual(rest, {
          ...event,
          count: 1,
          eventTime: null,
          firstTimestamp: time,
          lastTimestamp: time,
          source: { component: "VaultStaticSecret" },
          reportingComponent: "VaultStaticSecret",
          reportingInstance: "",
          involvedObject: {
            apiVersion: API_VERSION,
            kind: "VaultStaticSecret",
            namespace: "pay",
            name: ref.name,
            uid: seen.uid,
          },
        });
      });

      it("kubernetes-rules 18: the message is cut at 1024 bytes, between characters", async () => {
        const { ref, seen } = await made();
        const message = `x${"é".repeat(1_000)}`;
        await resources.emit(ref, seen.uid, { type: "Warning", reason: "SecretSyncError", message }, NOW, patient());
        const [event] = await eventsOf(ref);
        assert.equal(event?.message, `x${"é".repeat(511)}`);
      });

      it("kubernetes-rules 18: one that fails is logged and fails nothing", async () => {
        const none = endsOf(cluster, await kubeconfigWith(cluster, "pay", "no-events", []));
        const event = { type: "Normal", reason: "SecretSynced", message: "Secret synced" } as const;
        await none.resources.emit(aRef(), "an-uid", event, NOW, patient());
        assert.deepEqual(
          none.log.lines.map(({ event: name, fields }) => [name, fields?.code]),
          [["event-not-written", "KUBE_DENIED"]],
        );
        none.clients.close();
      });

      it("takes the longest name that a resource may have", async () => {
        const ref = aRef({ name: "n".repeat(253) });
        await cluster.apply(objectOf(ref));
        const event = { type: "Normal", reason: "SecretSynced", message: "Secret synced" } as const;
        await resources.emit(ref, (await read(ref)).uid, event, NOW, patient());
        assert.equal((await eventsOf(ref)).length, 1);
      });
    });

    describe("finalizers", () => {
      it("takes away those that are named and leaves the others", async () => {
        const { ref } = await made({ finalizers: ["example.com/a", FINALIZER, "example.com/b"] });
        await resources.removeFinalizers(ref, [FINALIZER, "example.com/none"], patient());
        assert.deepEqual((await read(ref)).finalizers, ["example.com/a", "example.com/b"]);
        apis.clients.requests.reset();
        await resources.removeFinalizers(ref, [FINALIZER], patient());
        assert.equal(apis.clients.requests.count("patch"), 0);
        await resources.removeFinalizers(ref, ["example.com/a", "example.com/b"], patient());
        assert.deepEqual((await read(ref)).finalizers, []);
      });

      it("lets a resource go that waited for it; one that is gone is done", async () => {
        const { ref } = await made({ finalizers: [FINALIZER] });
        await cluster.delete(objectOf(ref));
        await resources.removeFinalizers(ref, [FINALIZER], patient());
        assert.equal(await resources.get(ref, patient()), undefined);
        await resources.removeFinalizers(ref, [FINALIZER], patient());
      });

      it("comes through while others write the same resource", async () => {
        const { ref } = await made({ finalizers: [FINALIZER, "example.com/a"] });
        const path = `/apis/${API_VERSION}/namespaces/pay/vaultstaticsecrets/${ref.name}`;
        const patch = (finalizers: readonly string[]) =>
          cluster.request("PATCH", path, { metadata: { finalizers } }, { contentType: "application/merge-patch+json" });
        await Promise.all([
          resources.removeFinalizers(ref, [FINALIZER], patient()),
          patch([FINALIZER, "example.com/b"]),
          patch([FINALIZER, "example.com/c"]),
        ]);
        await resources.removeFinalizers(ref, [FINALIZER], patient());
        assert.ok(!(await read(ref)).finalizers.includes(FINALIZER));
      });
    });

    describe("metadata (kubernetes-rules 21)", () => {
      it("takes a finalizer and a mark on and off, and the generation stays", async () => {
        const { ref, seen } = await made({ finalizers: ["example.com/a"], annotations: { theirs: "a" } });
        const change = { addFinalizers: [FINALIZER], annotations: { mark: "on" } };
        for (const _ of [1, 2]) await resources.change(ref, seen.uid, change, patient());
        const changed = await read(ref);
        assert.deepEqual(changed.finalizers, ["example.com/a", FINALIZER]);
        assert.deepEqual(changed.annotations, { theirs: "a", mark: "on" });
        assert.equal(changed.generation, seen.generation);
        await resources.change(ref, seen.uid, { addFinalizers: [], annotations: { mark: null } }, patient());
        const back = await read(ref);
        assert.deepEqual([back.annotations, back.finalizers], [{ theirs: "a" }, ["example.com/a", FINALIZER]]);
        await resources.change(ref, "another-uid", change, patient());
        assert.equal((await read(ref)).resourceVersion, back.resourceVersion);
        await resources.removeFinalizers(ref, back.finalizers, patient());
        await cluster.delete(objectOf(ref));
        await resources.change(ref, seen.uid, change, patient());
      });

      it("kubernetes-rules 24: another's write of the status is told with its time, until we write it again", async () => {
        const { ref, seen } = await made();
        assert.equal(seen.statusBy, undefined);
        const path = `/apis/${API_VERSION}/namespaces/pay/vaultstaticsecrets/${ref.name}/status?fieldManager=manager`;
        const merge = { contentType: "application/merge-patch+json" };
        const write = () =>
          cluster.request("PATCH", path, { status: { lastGeneration: 1, at: `${Date.now()}` } }, merge);
        await write();
        const theirs = await read(ref);
        assert.equal(theirs.statusBy?.manager, "manager");
        assert.ok(Math.abs(theirs.statusBy.at - nowIn(cluster)) < 60_000);
        await resources.writeStatus(ref, { lastGeneration: 1, ours: "yes" }, theirs.resourceVersion, patient());
        await cluster.waitFor("a later second", async () => {
          await write();
          return (await read(ref)).statusBy !== undefined;
        });
        const { resourceVersion } = await read(ref);
        await resources.writeStatus(ref, { lastGeneration: 2 }, resourceVersion, patient());
        assert.equal((await read(ref)).statusBy, undefined);
      });
    });
  });
}
