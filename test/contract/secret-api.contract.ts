import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { NamedObject } from "../../lib/ports/objects.ts";
import type { DesiredSecret, Precondition, SeenSecret } from "../../lib/ports/secrets.ts";
import type { KubeObject } from "../harness/index.ts";
import {
  aNamespace,
  anOwner,
  base64,
  type ContractCluster,
  dataOf,
  endsOf,
  kubeconfigWith,
  type OpenCluster,
  OWNER_LABELS,
  patient,
  type TestApis,
  withCode,
} from "./kubernetes-fixtures.ts";

const ABSENT = { kind: "absent" } as const;
const placeOf = ({ namespace, name }: NamedObject) => ({ namespace, name });
const seenAs = (seen: { uid: string; resourceVersion: string }) => ({ ...seen, kind: "as-seen" }) as const;

/** What is owed over any cluster. */
export function secretApiContract(name: string, open: OpenCluster): void {
  describe(`secret end: ${name}`, () => {
    let cluster: ContractCluster;
    let apis: TestApis;
    let secrets: TestApis["secrets"];
    let owner: DesiredSecret["ownerReference"];
    let names = 0;

    before(async () => {
      cluster = await open({ name: "secrets", admissionPlugins: ["OwnerReferencesPermissionEnforcement"] });
      apis = endsOf(cluster);
      secrets = apis.secrets;
      await aNamespace(cluster, "pay");
      owner = await anOwner(cluster, "pay");
    });
    after(async () => {
      apis?.clients.close();
      await cluster?.[Symbol.asyncDispose]();
    });

    const aSecret = (namespace = "pay"): NamedObject => ({ cluster: "secrets", namespace, name: `secret-${++names}` });
    const aDesired = (values: Record<string, string>, change: Partial<DesiredSecret> = {}): DesiredSecret => ({
      type: "Opaque",
      labels: OWNER_LABELS,
      annotations: {},
      ownerReference: owner,
      data: dataOf(values),
      ...change,
    });
    const stored = async (secret: NamedObject): Promise<KubeObject> => {
      const found = await cluster.get({ apiVersion: "v1", kind: "Secret", ...secret });
      assert.ok(found, `${secret.name} is there`);
      return found;
    };
    const seen = async (secret: NamedObject): Promise<SeenSecret> => {
      const found = await secrets.observe(secret, "get", patient());
      assert.ok(found);
      return found;
    };
    /** A Secret of an owner that does not exist, until it is gone. */
    const collected = async (): Promise<void> => {
      const secret = aSecret();
      const nobody = { ...owner, name: "nobody", uid: "11111111-2222-3333-4444-555555555555" };
      await secrets.apply(secret, aDesired({}, { ownerReference: nobody }), ABSENT, patient());
      await cluster.waitFor("the collector", async () => !(await secrets.observe(secret, "get", patient())));
    };
    /** Writes as someone else, as a full update does. */
    const edit = (secret: NamedObject, patch: object, manager = "kubectl-edit") =>
      cluster.request(
        "PATCH",
        `/api/v1/namespaces/${secret.namespace}/secrets/${secret.name}?fieldManager=${manager}`,
        patch,
        {
          contentType: "application/merge-patch+json",
        },
      );

    describe("writes", () => {
      it("kubernetes-rules 1: the first write creates, and only that", async () => {
        const secret = aSecret();
        const written = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const object = await stored(secret);
        assert.deepEqual(object.data, { user: base64("ann") });
        assert.equal(object.metadata.uid, written.uid);
        assert.equal(object.metadata.resourceVersion, written.resourceVersion);
        assert.deepEqual(written.foreignKeys, []);
        await assert.rejects(
          secrets.apply(secret, aDesired({ user: "bob" }), ABSENT, patient()),
          withCode("KUBE_CONFLICT", /pay\/secret-/),
        );
      });

      it("kubernetes-rules 1: a later write of the same content leaves the resourceVersion where it was", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const second = await secrets.apply(secret, aDesired({ user: "ann" }), seenAs(first), patient());
        assert.deepEqual(second, first);
      });

      it("kubernetes-rules 1: a pinned uid never makes or changes another Secret", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await cluster.delete({ apiVersion: "v1", kind: "Secret", ...secret });
        await assert.rejects(secrets.apply(secret, aDesired({}), seenAs(first), patient()), withCode("KUBE_CONFLICT"));
        assert.equal(await secrets.observe(secret, "get", patient()), undefined);
        const again = await secrets.apply(secret, aDesired({ user: "bob" }), ABSENT, patient());
        const stale = { ...again, uid: first.uid };
        await assert.rejects(secrets.apply(secret, aDesired({}), seenAs(stale), patient()), withCode("KUBE_CONFLICT"));
      });

      it("lease-table 6: a hand edit stops a writer that did not see it, force or not", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { data: { user: base64("eve") } });
        await assert.rejects(
          secrets.apply(secret, aDesired({ user: "bob" }), seenAs(first), patient()),
          withCode("KUBE_CONFLICT"),
        );
        await secrets.apply(secret, aDesired({ user: "bob" }), seenAs(await seen(secret)), patient());
        assert.deepEqual((await stored(secret)).data, { user: base64("bob") });
      });

      it("kubernetes-rules 2: we own what we wrote in one entry, so keys that are not wanted any more go by themselves", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ a: "1", b: "2" }), ABSENT, patient());
        const labels = { ...OWNER_LABELS, "app.kubernetes.io/component": "other" };
        await secrets.apply(secret, aDesired({ b: "3" }, { labels }), seenAs(first), patient());
        const object = await stored(secret);
        assert.deepEqual(object.data, { b: base64("3") });
        assert.deepEqual(object.metadata.labels, labels);
        assert.deepEqual(
          object.metadata.managedFields?.map(({ manager, operation }) => [manager, operation]),
          [["keyferry", "Apply"]],
        );
      });

      it("keeps the bytes of a value as they are", async () => {
        const secret = aSecret();
        const bytes = "\u0000\u00ff\n\r\t\"'<>&\u2028";
        await secrets.apply(secret, aDesired({ a: bytes, empty: "" }), ABSENT, patient());
        const { data } = await seen(secret);
        assert.equal(data.get("a")?.reveal().toString(), bytes);
        assert.equal(data.get("empty")?.byteLength, 0);
      });

      it("kubernetes-rules 6: the owner reference has exactly four members", async () => {
        const secret = aSecret();
        const chatty = { ...owner, controller: false, blockOwnerDeletion: false };
        await secrets.apply(secret, aDesired({}, { ownerReference: chatty }), ABSENT, patient());
        assert.deepEqual((await stored(secret)).metadata.ownerReferences, [owner]);
        assert.deepEqual((await seen(secret)).ownerReferences, [owner]);
      });

      it("kubernetes-rules 6: a reference to a uid that does not exist gets the Secret collected at once", async () => {
        await collected();
      });

      it("kubernetes-rules 6: orphaning strips the reference and keeps the labels", async () => {
        const secret = aSecret();
        const parent = await anOwner(cluster, "pay", "parent");
        await secrets.apply(secret, aDesired({}, { ownerReference: parent }), ABSENT, patient());
        // The collector orphans only what it knows, and learns of Secrets in their order: now it knows this one.
        await collected();
        await cluster.delete(
          { apiVersion: "v1", kind: "ConfigMap", namespace: "pay", name: "parent" },
          { propagationPolicy: "Orphan" },
        );
        const left = await cluster.waitFor("the collector", async () => {
          const found = await seen(secret);
          return found.ownerReferences.length === 0 && found;
        });
        assert.deepEqual(left.labels, OWNER_LABELS);
      });

      it("kubernetes-rules 7: a Secret on its way out takes the write and is not in step", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { metadata: { finalizers: ["example.com/hold"] } });
        await cluster.delete({ apiVersion: "v1", kind: "Secret", ...secret });
        const going = await seen(secret);
        assert.equal(going.deleting, true);
        const write = secrets.apply(secret, aDesired({ user: "bob" }), seenAs({ ...going, uid: first.uid }), patient());
        await assert.rejects(write, withCode("SECRET_TERMINATING"));
        await edit(secret, { metadata: { finalizers: null } });
      });
    });

    describe("a rehearsal of a write", () => {
      const applying = (desired: DesiredSecret, precondition: Precondition) =>
        ({ kind: "apply", desired, precondition }) as const;

      it("of the first one creates nothing, and is refused where there is a Secret", async () => {
        const secret = aSecret();
        const write = applying(aDesired({ user: "ann" }), ABSENT);
        apis.clients.requests.reset();
        await secrets.rehearse(secret, write, patient());
        assert.equal(apis.clients.requests.count(), 1);
        assert.equal(await secrets.observe(secret, "get", patient()), undefined);
        await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await assert.rejects(secrets.rehearse(secret, write, patient()), withCode("KUBE_CONFLICT"));
      });

      it("of a later one changes nothing, at what was seen alone", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const before = await stored(secret);
        const write = applying(aDesired({ user: "bob", more: "1" }), seenAs(first));
        await secrets.rehearse(secret, write, patient());
        assert.deepEqual(await stored(secret), before);
        const second = await secrets.apply(secret, aDesired({ user: "bob" }), seenAs(first), patient());
        await assert.rejects(secrets.rehearse(secret, write, patient()), withCode("KUBE_CONFLICT"));
        const another = { ...second, uid: "11111111-2222-3333-4444-555555555555" };
        const stale = secrets.rehearse(secret, applying(aDesired({}), seenAs(another)), patient());
        await assert.rejects(stale, withCode("KUBE_CONFLICT"));
      });

      it("of VSO's Secret needs no take-over first", async () => {
        const secret = aSecret();
        const metadata = { ...placeOf(secret), labels: OWNER_LABELS, ownerReferences: [owner] };
        const body = { apiVersion: "v1", kind: "Secret", metadata, data: { user: base64("ann") } };
        const path = `/api/v1/namespaces/pay/secrets?fieldManager=vault-secrets-operator`;
        assert.equal((await cluster.request("POST", path, body)).status, 201);
        await secrets.rehearse(secret, applying(aDesired({ user: "bob" }), seenAs(await seen(secret))), patient());
        assert.deepEqual((await stored(secret)).data, { user: base64("ann") });
      });

      it("of a Secret that is not ours replaces nothing, and is refused for a missing or another one", async () => {
        const secret = aSecret();
        const write = (uid: string) => ({ kind: "replace-data", uid, data: dataOf({ user: "bob" }) }) as const;
        await assert.rejects(secrets.rehearse(secret, write("an-uid"), patient()), withCode("SECRET_MISSING"));
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: placeOf(secret), data: { a: base64("1") } });
        const before = await stored(secret);
        await secrets.rehearse(secret, write((await seen(secret)).uid), patient());
        assert.deepEqual(await stored(secret), before);
        await assert.rejects(secrets.rehearse(secret, write("an-uid"), patient()), withCode("KUBE_CONFLICT"));
      });

      it("of an immutable Secret, of another type, of keys that the type lacks, and of one on its way out", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const rehearse = async (desired: DesiredSecret) =>
          secrets.rehearse(secret, applying(desired, seenAs(await seen(secret))), patient());
        const basic = aDesired({ username: "a", password: "p" }, { type: "kubernetes.io/basic-auth" });
        await assert.rejects(rehearse(basic), withCode("SECRET_TYPE_DIFFERS"));
        const tls = aDesired({ user: "ann" }, { type: "kubernetes.io/tls" });
        await assert.rejects(rehearse(tls), withCode("SECRET_REFUSED", /tls\.crt/));
        await assert.rejects(rehearse(aDesired({ "a b": "1" })), withCode("SECRET_REFUSED"));
        await edit(secret, { immutable: true, metadata: { finalizers: ["example.com/hold"] } });
        await assert.rejects(rehearse(aDesired({ user: "bob" })), withCode("SECRET_IMMUTABLE"));
        await cluster.delete({ apiVersion: "v1", kind: "Secret", ...secret });
        await assert.rejects(rehearse(aDesired({ user: "ann" })), withCode("SECRET_TERMINATING"));
        await edit(secret, { metadata: { finalizers: null } });
      });

      it("accepts placeholders for every type that users declare", async () => {
        const types = {
          "kubernetes.io/tls": ["tls.crt", "tls.key"],
          "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
          "kubernetes.io/dockercfg": [".dockercfg"],
          "kubernetes.io/ssh-auth": ["ssh-privatekey"],
          "kubernetes.io/basic-auth": ["username", "password"],
          "example.com/own": ["any"],
        };
        for (const [type, keys] of Object.entries(types)) {
          const data = Object.fromEntries(keys.map((key) => [key, "{}"]));
          await secrets.rehearse(aSecret(), applying(aDesired(data, { type }), ABSENT), patient());
        }
      });

      it("needs the rights of the write, and no more", async () => {
        const endsWith = async (account: string, verbs: string[]) =>
          endsOf(
            cluster,
            await kubeconfigWith(cluster, "pay", account, [{ apiGroups: [""], resources: ["secrets"], verbs }]),
          );
        const both = await endsWith("rehearses", ["create", "patch"]);
        await both.secrets.rehearse(aSecret(), applying(aDesired({ user: "ann" }), ABSENT), patient());
        both.clients.close();
        for (const [account, verb] of [
          ["creates-only", "create"],
          ["patches-only", "patch"],
        ] as const) {
          const one = await endsWith(account, [verb]);
          const refused = one.secrets.rehearse(aSecret(), applying(aDesired({ user: "ann" }), ABSENT), patient());
          await assert.rejects(refused, withCode("KUBE_DENIED"));
          one.clients.close();
        }
      });
    });

    describe("foreign keys", () => {
      it("kubernetes-rules 4: they are seen in the answer and removed at its resourceVersion, with create and patch alone", async () => {
        const may = [{ apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch"] }];
        const few = endsOf(cluster, await kubeconfigWith(cluster, "pay", "foreign", may));
        const secret = aSecret();
        await few.secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { data: { extra: base64("1"), other: base64("2") } });
        const found = await few.secrets.observe(secret, "patch", patient());
        assert.ok(found);
        const written = await few.secrets.apply(secret, aDesired({ user: "bob" }), seenAs(found), patient());
        assert.deepEqual([...written.foreignKeys].sort(), ["extra", "other"]);
        const dropped = await few.secrets.dropKeys(secret, written.foreignKeys, written.resourceVersion, patient());
        assert.deepEqual(dropped.foreignKeys, []);
        assert.deepEqual((await stored(secret)).data, { user: base64("bob") });
        assert.equal(dropped.managed.fingerprint, (await seen(secret)).managed.fingerprint);
        const late = few.secrets.dropKeys(secret, ["user"], written.resourceVersion, patient());
        await assert.rejects(late, withCode("KUBE_CONFLICT"));
        few.clients.close();
      });
    });

    describe("a Secret that is not ours", () => {
      it("kubernetes-rules 5: its data is replaced in one call, by uid, and a repeat changes nothing", async () => {
        const secret = aSecret();
        const plain = { apiVersion: "v1", kind: "Secret", metadata: { ...placeOf(secret), labels: { team: "pay" } } };
        await cluster.apply({ ...plain, data: { old: base64("1") } });
        const { uid } = await seen(secret);
        apis.clients.requests.reset();
        const written = await secrets.replaceData(secret, uid, dataOf({ user: "ann" }), patient());
        assert.equal(apis.clients.requests.count(), 1);
        const object = await stored(secret);
        assert.deepEqual(object.data, { user: base64("ann") });
        assert.deepEqual(object.metadata.labels, { team: "pay" });
        assert.equal(object.metadata.ownerReferences, undefined);
        const repeat = await secrets.replaceData(secret, uid, dataOf({ user: "ann" }), patient());
        assert.deepEqual(repeat, written);
      });

      it("kubernetes-rules 5: a missing one is not made, another one under the name is left alone", async () => {
        const secret = aSecret();
        await assert.rejects(
          secrets.replaceData(secret, "an-uid", dataOf({ user: "ann" }), patient()),
          withCode("SECRET_MISSING", /there is no secrets pay\/secret-/),
        );
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: placeOf(secret), data: {} });
        await assert.rejects(
          secrets.replaceData(secret, "an-uid", dataOf({ user: "ann" }), patient()),
          withCode("KUBE_CONFLICT"),
        );
      });
    });

    describe("take-over", () => {
      /** A Secret as another operator's full updates leave it: one Update entry that owns everything. */
      const vsoSecret = async (secret: NamedObject, data: Record<string, string>): Promise<void> => {
        const labels = { ...OWNER_LABELS, old: "label" };
        const metadata = { name: secret.name, namespace: secret.namespace, labels, ownerReferences: [owner] };
        const body = { apiVersion: "v1", kind: "Secret", metadata, data };
        const path = `/api/v1/namespaces/${secret.namespace}/secrets?fieldManager=vault-secrets-operator`;
        const { status } = await cluster.request("POST", path, body);
        assert.equal(status, 201);
      };

      it("kubernetes-rules 3: after it the next apply drops keys and labels that VSO's entry owned", async () => {
        const secret = aSecret();
        await vsoSecret(secret, { a: base64("1"), b: base64("2") });
        const found = await seen(secret);
        assert.deepEqual([found.managed.ours, found.managed.vso], [false, true]);
        const moved = await secrets.takeOverFields(secret, found.resourceVersion, patient());
        assert.deepEqual([moved.managed.ours, moved.managed.vso], [true, false]);
        assert.equal(moved.uid, found.uid);
        assert.deepEqual(moved.foreignKeys, []);
        const written = await secrets.apply(secret, aDesired({ a: "1" }), seenAs(moved), patient());
        const object = await stored(secret);
        assert.deepEqual(object.data, { a: base64("1") });
        assert.deepEqual(object.metadata.labels, OWNER_LABELS);
        assert.deepEqual(written.foreignKeys, []);
      });

      it("kubernetes-rules 3: without it the keys and labels would stay", async () => {
        const secret = aSecret();
        await vsoSecret(secret, { a: base64("1"), b: base64("2") });
        const written = await secrets.apply(secret, aDesired({ a: "1" }), seenAs(await seen(secret)), patient());
        assert.deepEqual(written.foreignKeys, ["b"]);
        assert.equal((await stored(secret)).metadata.labels?.old, "label");
      });

      it("kubernetes-rules 3: it also works where we own fields already", async () => {
        const secret = aSecret();
        await vsoSecret(secret, { a: base64("1"), b: base64("2") });
        const first = await secrets.apply(secret, aDesired({ a: "1", c: "3" }), seenAs(await seen(secret)), patient());
        const moved = await secrets.takeOverFields(secret, first.resourceVersion, patient());
        await secrets.apply(secret, aDesired({ a: "1" }), seenAs(moved), patient());
        const object = await stored(secret);
        assert.deepEqual(object.data, { a: base64("1") });
        assert.deepEqual(object.metadata.labels, OWNER_LABELS);
      });

      it("kubernetes-rules 3: it is refused when the Secret moved since it was read", async () => {
        const secret = aSecret();
        await vsoSecret(secret, { a: base64("1") });
        const { resourceVersion } = await seen(secret);
        await edit(secret, { metadata: { annotations: { a: "b" } } });
        await assert.rejects(secrets.takeOverFields(secret, resourceVersion, patient()), withCode("KUBE_CONFLICT"));
      });
    });

    describe("kubernetes-rules 6: two declarations of one Secret, while one takes over from the other", () => {
      const next = () => anOwner(cluster, "pay", "next");

      it("the second reference is added and nothing else, and it is no drift to who writes the Secret", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const before = await stored(secret);
        const second = await next();
        const resourceVersion = await secrets.standBeside(secret, second, await seen(secret), patient());
        const found = await seen(secret);
        assert.deepEqual(found.ownerReferences, [owner, second]);
        assert.equal(found.resourceVersion, resourceVersion);
        assert.equal(found.managed.fingerprint, first.managed.fingerprint);
        const { data, metadata } = await stored(secret);
        assert.deepEqual([data, metadata.labels], [before.data, before.metadata.labels]);
      });

      it("the writer's next apply leaves it there, and drops a key of its own as before", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ a: "1", b: "2" }), ABSENT, patient());
        await secrets.standBeside(secret, await next(), await seen(secret), patient());
        await secrets.apply(secret, aDesired({ a: "3" }), seenAs(await seen(secret)), patient());
        assert.deepEqual((await stored(secret)).data, { a: base64("3") });
        assert.equal((await seen(secret)).ownerReferences.length, 2);
      });

      it("when the second one writes, the first one's reference goes with all else that it wrote", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ a: "1", b: "2" }), ABSENT, patient());
        const second = await next();
        await secrets.standBeside(secret, second, await seen(secret), patient());
        const desired = aDesired({ c: "3" }, { ownerReference: second });
        const written = await secrets.apply(secret, desired, seenAs(await seen(secret)), patient());
        assert.deepEqual(written.foreignKeys, []);
        assert.deepEqual((await stored(secret)).data, { c: base64("3") });
        assert.deepEqual((await seen(secret)).ownerReferences, [second]);
      });

      it("either reference is taken off alone, and by who saw what stands there now", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ a: "1" }), ABSENT, patient());
        const stale = await seen(secret);
        const second = await next();
        await secrets.standBeside(secret, second, stale, patient());
        const both = await seen(secret);
        await assert.rejects(secrets.standBeside(secret, second, stale, patient()), withCode("KUBE_CONFLICT"));
        await assert.rejects(secrets.dropOwner(secret, owner.uid, stale, patient()), withCode("KUBE_CONFLICT"));
        await secrets.dropOwner(secret, owner.uid, both, patient());
        const left = await seen(secret);
        assert.deepEqual(left.ownerReferences, [second]);
        assert.deepEqual(left.data.get("a")?.reveal().toString(), "1");
        const anew = await secrets.apply(secret, aDesired({ a: "1" }), seenAs(left), patient());
        assert.equal((await seen(secret)).ownerReferences.length, 2);
        await secrets.dropOwner(secret, second.uid, await seen(secret), patient());
        assert.deepEqual((await seen(secret)).ownerReferences, [owner]);
        assert.equal((await seen(secret)).managed.fingerprint, anew.managed.fingerprint);
      });

      it("the collector takes off the reference of who is gone, and leaves the Secret to who is there", async () => {
        const secret = aSecret();
        const parent = await anOwner(cluster, "pay", "goes-first");
        await secrets.apply(secret, aDesired({ a: "1" }, { ownerReference: parent }), ABSENT, patient());
        const second = await next();
        await secrets.standBeside(secret, second, await seen(secret), patient());
        const { uid } = await seen(secret);
        await cluster.delete({ apiVersion: "v1", kind: "ConfigMap", namespace: "pay", name: "goes-first" });
        await cluster.waitFor("the collector", async () => (await seen(secret)).ownerReferences.length === 1);
        const left = await seen(secret);
        assert.deepEqual([left.uid, left.ownerReferences], [uid, [second]]);
      });

      it("our own reference that was made a controller's is plain after the next apply", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ a: "1" }), ABSENT, patient());
        await edit(secret, {
          metadata: { ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }] },
        });
        await secrets.apply(secret, aDesired({ a: "1" }), seenAs(await seen(secret)), patient());
        assert.deepEqual((await seen(secret)).ownerReferences, [owner]);
      });
    });

    describe("removal", () => {
      it("kubernetes-rules 6: it needs the uid and the resourceVersion that were looked at", async () => {
        const secret = aSecret();
        const first = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { metadata: { annotations: { a: "b" } } });
        await assert.rejects(secrets.remove(secret, first, patient()), withCode("KUBE_CONFLICT"));
        const now = await seen(secret);
        const other = { ...now, uid: "11111111-2222-3333-4444-555555555555" };
        await assert.rejects(secrets.remove(secret, other, patient()), withCode("KUBE_CONFLICT"));
        await secrets.remove(secret, now, patient());
        assert.equal(await secrets.observe(secret, "get", patient()), undefined);
        await secrets.remove(secret, now, patient());
        await secrets.remove({ ...secret, namespace: "nowhere" }, now, patient());
      });
    });

    describe("observes", () => {
      it("kubernetes-rules 9: an empty patch shows the Secret to who may not get it, and changes nothing", async () => {
        const may = [{ apiGroups: [""], resources: ["secrets"], verbs: ["patch"] }];
        const few = endsOf(cluster, await kubeconfigWith(cluster, "pay", "patcher", may));
        const secret = aSecret();
        for (const how of ["patch", "dry-run"] as const) {
          assert.equal(await few.secrets.observe(secret, how, patient()), undefined);
        }
        const written = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        for (const how of ["patch", "dry-run"] as const) {
          const found = await few.secrets.observe(secret, how, patient());
          assert.deepEqual(found, await seen(secret));
          assert.equal(found?.resourceVersion, written.resourceVersion);
        }
        await assert.rejects(
          few.secrets.observe(secret, "get", patient()),
          withCode("KUBE_DENIED", /may not get secrets in namespace pay of cluster secrets/),
        );
        few.clients.close();
      });

      it("kubernetes-rules 9: where owner references are guarded, a new one on an existing Secret needs delete", async () => {
        const verbs = ["create", "patch"];
        const few = endsOf(
          cluster,
          await kubeconfigWith(cluster, "pay", "few", [{ apiGroups: [""], resources: ["secrets"], verbs }]),
        );
        const all = endsOf(
          cluster,
          await kubeconfigWith(cluster, "pay", "all", [
            { apiGroups: [""], resources: ["secrets"], verbs: [...verbs, "delete"] },
          ]),
        );
        const secret = aSecret();
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: placeOf(secret), data: {} });
        const found = seenAs(await seen(secret));
        await assert.rejects(few.secrets.apply(secret, aDesired({}), found, patient()), withCode("KUBE_DENIED"));
        await all.secrets.apply(secret, aDesired({}), found, patient());
        await few.secrets.apply(aSecret(), aDesired({}), ABSENT, patient());
        few.clients.close();
        all.clients.close();
      });

      it("sees no Secret in a namespace that is not there", async () => {
        assert.equal(await secrets.observe(aSecret("nowhere"), "get", patient()), undefined);
        assert.equal(await secrets.observe(aSecret("nowhere"), "patch", patient()), undefined);
      });
    });

    describe("drift", () => {
      it("kubernetes-rules 10: another controller's annotation moves the resourceVersion and is no drift", async () => {
        const secret = aSecret();
        const written = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { metadata: { annotations: { "example.com/seen": "yes" } } }, "other-controller");
        const found = await seen(secret);
        assert.notEqual(found.resourceVersion, written.resourceVersion);
        assert.equal(found.managed.fingerprint, written.managed.fingerprint);
      });

      for (const [what, patch] of Object.entries({
        "a changed value": { data: { user: base64("eve") } },
        "a removed key": { data: { user: null } },
        "a key of someone else": { data: { extra: base64("1") } },
        "a changed label of ours": { metadata: { labels: { "app.kubernetes.io/name": "other" } } },
      })) {
        it(`kubernetes-rules 10: ${what} is drift`, async () => {
          const secret = aSecret();
          const written = await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
          await edit(secret, patch);
          assert.notEqual((await seen(secret)).managed.fingerprint, written.managed.fingerprint);
        });
      }
    });

    describe("refusals (kubernetes-rules 13)", () => {
      const aFirst = (change: Partial<DesiredSecret> = {}) =>
        ({ kind: "apply", desired: aDesired({}, change), precondition: ABSENT }) as const;
      const refused = async (desired: DesiredSecret, code: Parameters<typeof withCode>[0], message?: RegExp) => {
        const secret = aSecret();
        await assert.rejects(secrets.apply(secret, desired, ABSENT, patient()), withCode(code, message));
      };

      it("kubernetes-rules 13: an immutable Secret", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        await edit(secret, { immutable: true });
        const found = await seen(secret);
        assert.equal(found.immutable, true);
        await assert.rejects(
          secrets.apply(secret, aDesired({ user: "bob" }), seenAs(found), patient()),
          withCode("SECRET_IMMUTABLE"),
        );
      });

      it("kubernetes-rules 13: another type, but not when the new type would refuse the data", async () => {
        const secret = aSecret();
        await secrets.apply(secret, aDesired({ user: "ann" }), ABSENT, patient());
        const found = seenAs(await seen(secret));
        const basic = aDesired({ username: "ann", password: "p" }, { type: "kubernetes.io/basic-auth" });
        await assert.rejects(secrets.apply(secret, basic, found, patient()), withCode("SECRET_TYPE_DIFFERS"));
        const tls = aDesired({ user: "ann" }, { type: "kubernetes.io/tls" });
        await assert.rejects(secrets.apply(secret, tls, found, patient()), withCode("SECRET_REFUSED", /tls\.crt/));
      });

      it("kubernetes-rules 13: a key that the type needs", () =>
        refused(
          aDesired({ a: "1" }, { type: "kubernetes.io/tls" }),
          "SECRET_REFUSED",
          /data\[tls\.crt\] FieldValueRequired/,
        ));

      it("kubernetes-rules 13: a key that can't be one", () =>
        refused(aDesired({ "a b": "1" }), "SECRET_REFUSED", /data\[a b\] FieldValueInvalid/));

      it("kubernetes-rules 13: a label that can't be one", () =>
        refused(aDesired({}, { labels: { a: "b c" } }), "SECRET_REFUSED", /metadata\.labels/));

      it("kubernetes-rules 13: 1,048,576 bytes pass, one more does not, far more neither", async () => {
        await secrets.apply(aSecret(), aDesired({ a: "x".repeat(1_048_575), b: "y" }), ABSENT, patient());
        await refused(aDesired({ a: "x".repeat(1_048_577) }), "SECRET_TOO_LARGE", /1048576 bytes/);
        await refused(aDesired({ a: "x".repeat(4_000_000) }), "SECRET_TOO_LARGE");
      });

      it("kubernetes-rules 13: no such namespace", async () => {
        const write = secrets.apply(aSecret("nowhere"), aDesired({}), ABSENT, patient());
        await assert.rejects(write, withCode("NAMESPACE_MISSING", /no namespace nowhere/));
        const rehearsal = secrets.rehearse(aSecret("nowhere"), aFirst(), patient());
        await assert.rejects(rehearsal, withCode("NAMESPACE_MISSING"));
      });

      it("kubernetes-rules 13: a namespace on its way out", async () => {
        const namespace = await aNamespace(cluster, "leaving");
        const held = aSecret(namespace);
        const metadata = { ...placeOf(held), finalizers: ["example.com/hold"] };
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: {} });
        await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: namespace });
        const write = secrets.apply(aSecret(namespace), aDesired({}), ABSENT, patient());
        await assert.rejects(write, withCode("NAMESPACE_TERMINATING"));
        const rehearsal = secrets.rehearse(aSecret(namespace), aFirst(), patient());
        await assert.rejects(rehearsal, withCode("NAMESPACE_TERMINATING"));
        await edit(held, { metadata: { finalizers: null } });
      });

      it("kubernetes-rules 13: a role that lacks the verb", async () => {
        const none = endsOf(cluster, await kubeconfigWith(cluster, "pay", "nobody", []));
        await assert.rejects(
          none.secrets.apply(aSecret(), aDesired({}), ABSENT, patient()),
          withCode("KUBE_DENIED", /may not patch secrets in namespace pay of cluster secrets/),
        );
        none.clients.close();
      });

      it("kubernetes-rules 13: a quota", async () => {
        const namespace = await aNamespace(cluster, "full");
        const hard = { "count/secrets": "0" };
        await cluster.apply({
          apiVersion: "v1",
          kind: "ResourceQuota",
          metadata: { namespace, name: "none" },
          spec: { hard },
        });
        // The controller that would fill in the status does not run in test clusters.
        const path = `/api/v1/namespaces/${namespace}/resourcequotas/none/status`;
        const status = { hard, used: { "count/secrets": "0" } };
        await cluster.request("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
        const there = await anOwner(cluster, namespace);
        // Until the API server knows the quota it takes the Secret; until it knows its status it says another word.
        await cluster.waitFor("the quota", () =>
          secrets.apply(aSecret(namespace), aDesired({}, { ownerReference: there }), ABSENT, patient()).then(
            () => false,
            (thrown: unknown) => thrown instanceof SyncError && thrown.code === "QUOTA_EXCEEDED",
          ),
        );
        const rehearsal = secrets.rehearse(aSecret(namespace), aFirst({ ownerReference: there }), patient());
        await assert.rejects(rehearsal, withCode("QUOTA_EXCEEDED"));
      });

      it("kubernetes-rules 14: no refusal repeats a value", async () => {
        const value = "s3cr3t-value";
        const attempts = [
          aDesired({ ".dockerconfigjson": value }, { type: "kubernetes.io/dockerconfigjson" }),
          aDesired({ a: value }, { labels: { a: `${value} ` } }),
        ];
        for (const desired of attempts) {
          const error: unknown = await secrets.apply(aSecret(), desired, ABSENT, patient()).catch((thrown) => thrown);
          assert.ok(withCode("SECRET_REFUSED")(error));
          assert.ok(!String(error).includes(value) && !JSON.stringify(error).includes(value));
        }
      });
    });

    it("names the Secrets that carry an owner's label, in one list of metadata", async () => {
      const namespace = await aNamespace(cluster, "orphans");
      for (const [name, uid] of [
        ["one", "u-1"],
        ["two", "u-1"],
        ["other", "u-2"],
      ]) {
        const labels = { ...OWNER_LABELS, "secrets.hashicorp.com/vso-ownerRefUID": uid };
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { namespace, name, labels } });
      }
      apis.clients.requests.reset();
      assert.deepEqual(await secrets.ownedNames({ cluster: "secrets", namespace }, "u-1", patient()), ["one", "two"]);
      assert.equal(apis.clients.requests.count(), 1);
    });

    describe("VSO's HMAC key", () => {
      it("is read once in ten minutes, and looked for again each minute while it is missing", async () => {
        const namespace = await aNamespace(cluster, "vso");
        apis.clients.requests.reset();
        assert.equal(await secrets.hmacKey("secrets", namespace, patient()), undefined);
        assert.equal(await secrets.hmacKey("secrets", namespace, patient()), undefined);
        assert.equal(apis.clients.requests.count("get", "secrets"), 1);
        const key = Buffer.alloc(16, 7).toString("base64");
        const metadata = { namespace, name: "vso-cc-storage-hmac-key" };
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { key } });
        const fresh = endsOf(cluster);
        assert.deepEqual(await fresh.secrets.hmacKey("secrets", namespace, patient()), Buffer.alloc(16, 7));
        await fresh.secrets.hmacKey("secrets", namespace, patient());
        assert.equal(fresh.clients.requests.count(), 1);
        fresh.clients.close();
      });

      it("is no key when it is too short or may not be read", async () => {
        const namespace = await aNamespace(cluster, "vso-broken");
        const metadata = { namespace, name: "vso-cc-storage-hmac-key" };
        await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { key: base64("short") } });
        assert.equal(await secrets.hmacKey("secrets", namespace, patient()), undefined);
        const none = endsOf(cluster, await kubeconfigWith(cluster, namespace, "nobody", []));
        assert.equal(await none.secrets.hmacKey("secrets", namespace, patient()), undefined);
        none.clients.close();
      });

      it("kubernetes-rules 21: is made as VSO makes it, once, and told apart from one that is no key", async () => {
        const namespace = await aNamespace(cluster, "vso-new");
        assert.deepEqual(await secrets.findHmacKey("secrets", namespace, patient()), { kind: "absent" });
        for (const byte of [7, 8]) await secrets.createHmacKey("secrets", namespace, Buffer.alloc(16, byte), patient());
        const found = await secrets.findHmacKey("secrets", namespace, patient());
        assert.deepEqual(found, { kind: "found", key: Buffer.alloc(16, 7) });
        const there = await cluster.get({
          apiVersion: "v1",
          kind: "Secret",
          namespace,
          name: "vso-cc-storage-hmac-key",
        });
        assert.equal(there?.immutable, true);
        assert.deepEqual(there?.metadata.labels, {
          "app.kubernetes.io/name": "vault-secrets-operator",
          "app.kubernetes.io/managed-by": "hashicorp-vso",
          "app.kubernetes.io/component": "client-cache-storage-verification",
        });
        assert.equal((await secrets.findHmacKey("secrets", "vso-broken", patient())).kind, "unusable");
        const nowhere = secrets.createHmacKey("secrets", "no-such-namespace", Buffer.alloc(16), patient());
        await assert.rejects(nowhere, withCode("NAMESPACE_MISSING"));
      });
    });
  });
}
