import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ListOptions, WatchEvent } from "../../lib/ports/clusters.ts";
import type { CredentialRef } from "../../lib/ports/credentials.ts";
import type { DesiredSecret } from "../../lib/ports/secrets.ts";
import type { KindRef } from "../../lib/resource-kinds.ts";
import { SECRET, SECRET_TRANSFORMATION, VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import {
  aLease,
  aNamespace,
  anOwner,
  base64,
  type ContractCluster,
  dataOf,
  endsOf,
  kubeconfigWith,
  nowIn,
  type OpenCluster,
  OWNER_LABELS,
  patient,
  STATIC_SECRET_CRD,
  type TestApis,
  withCode,
} from "./kubernetes-fixtures.ts";

const NAME = "fleet-1";
const EVERYTHING: ListOptions = { metadataOnly: false };
const OURS: ListOptions = { metadataOnly: true, labelSelector: "app.kubernetes.io/managed-by=hashicorp-vso" };

/** What is owed over any cluster. */
export function clusterApiContract(name: string, open: OpenCluster): void {
  describe(`cluster end: ${name}`, () => {
    let cluster: ContractCluster;
    let apis: TestApis;
    let clusters: TestApis["clusters"];

    before(async () => {
      cluster = await open({ name: NAME, crds: [STATIC_SECRET_CRD] });
      apis = endsOf(cluster);
      clusters = apis.clusters;
    });
    after(async () => {
      apis?.clients.close();
      await cluster?.[Symbol.asyncDispose]();
    });

    const declare = (namespace: string, name: string) =>
      cluster.apply({
        apiVersion: "secrets.hashicorp.com/v1beta1",
        kind: "VaultStaticSecret",
        metadata: { namespace, name },
        spec: { path: name },
      });
    const watched = async (
      kind: KindRef,
      options: ListOptions,
      since: { resourceVersion: string; seconds: number },
      meanwhile: () => Promise<void> = async () => {},
    ): Promise<readonly WatchEvent[]> => {
      const events: WatchEvent[] = [];
      const watch = (async () => {
        for await (const event of clusters.watch(NAME, kind, options, since, patient())) events.push(event);
      })();
      await meanwhile();
      await watch;
      return events;
    };
    /** So many changes: a watch that ends before the API server tells of them all is begun anew from where it was. */
    const changed = (count: number, ...watch: Parameters<typeof watched>) =>
      cluster.waitFor(`${count} changes`, async () => {
        const changes = (await watched(...watch)).flatMap((event) => ("object" in event ? [event] : []));
        return changes.length >= count && changes;
      });
    const listed = async (kind: KindRef, options: ListOptions) => {
      const page = await clusters.list(NAME, kind, options, undefined, patient());
      assert.ok(page);
      return page;
    };

    describe("identity", () => {
      it("is the uid of kube-system", async () => {
        const system = await cluster.get({ apiVersion: "v1", kind: "Namespace", name: "kube-system" });
        assert.equal(await clusters.identity(NAME, patient()), system?.metadata.uid);
      });
    });

    describe("lists", () => {
      it("shows declarations in all namespaces or in one", async () => {
        const [one, two] = [await aNamespace(cluster, "list-1"), await aNamespace(cluster, "list-2")];
        await declare(one, "a");
        await declare(two, "b");
        const all = await listed(VAULT_STATIC_SECRET, EVERYTHING);
        assert.deepEqual(
          all.items.map(({ name, spec }) => [name, spec]),
          [
            ["a", { path: "a" }],
            ["b", { path: "b" }],
          ],
        );
        assert.ok(Number(all.resourceVersion) > 0);
        const some = await listed(VAULT_STATIC_SECRET, { ...EVERYTHING, namespace: two });
        assert.deepEqual(
          some.items.map(({ name, namespace }) => [namespace, name]),
          [[two, "b"]],
        );
      });

      it("pages by 500, at one resourceVersion", async () => {
        const namespace = await aNamespace(cluster, "many");
        const make = (n: number) =>
          cluster.request("POST", `/api/v1/namespaces/${namespace}/secrets`, {
            metadata: { name: `s-${n}`, labels: { many: "yes" } },
          });
        // In parts: each request has its time from when it is asked for.
        for (let from = 0; from < 501; from += 50) {
          await Promise.all(Array.from({ length: Math.min(50, 501 - from) }, (_, n) => make(from + n)));
        }
        const options = { metadataOnly: true, labelSelector: "many=yes", namespace };
        const first = await clusters.list(NAME, SECRET, options, undefined, patient());
        assert.equal(first?.items.length, 500);
        assert.ok(first.continue);
        const second = await clusters.list(NAME, SECRET, options, first.continue, patient());
        assert.equal(second?.items.length, 1);
        assert.equal(second.continue, undefined);
        assert.equal(second.resourceVersion, first.resourceVersion);
      });

      it("reads Secrets without their data, with owners and managed fields", async () => {
        const namespace = await aNamespace(cluster, "metadata");
        const owner = await anOwner(cluster, namespace);
        const secret = { cluster: NAME, namespace, name: "s" };
        const written = await apis.secrets.apply(secret, aDesired(owner), { kind: "absent" }, patient());
        const page = await listed(SECRET, { ...OURS, namespace });
        const [item] = page.items;
        assert.equal(page.items.length, 1);
        assert.deepEqual(
          [item?.resourceVersion, item?.ownerReferences, item?.managed, item?.spec],
          [written.resourceVersion, [owner], written.managed, {}],
        );
      });

      it("lease-table 18: a kind that is not served has no list, which is not an empty one; a refusal is thrown", async () => {
        assert.equal(await clusters.list(NAME, SECRET_TRANSFORMATION, EVERYTHING, undefined, patient()), undefined);
        const other = { ...VAULT_STATIC_SECRET, group: "nobody.example.com" };
        assert.equal(await clusters.list(NAME, other, EVERYTHING, undefined, patient()), undefined);
        const none = endsOf(cluster, await kubeconfigWith(cluster, "default", "nobody", []));
        await assert.rejects(
          none.clusters.list(NAME, SECRET, OURS, undefined, patient()),
          withCode("KUBE_DENIED", /may not list secrets of cluster fleet-1/),
        );
        none.clients.close();
      });
    });

    const aDesired = (owner: DesiredSecret["ownerReference"], value = "ann"): DesiredSecret => ({
      type: "Opaque",
      labels: OWNER_LABELS,
      annotations: {},
      ownerReference: owner,
      data: dataOf({ user: value }),
    });

    describe("watches", () => {
      it("shows what changed since, and ends by itself", async () => {
        const namespace = await aNamespace(cluster, "watch");
        await declare(namespace, "before");
        const { resourceVersion } = await listed(VAULT_STATIC_SECRET, EVERYTHING);
        await declare(namespace, "a");
        const since = { resourceVersion, seconds: 4 };
        const changes = await changed(2, VAULT_STATIC_SECRET, EVERYTHING, since, async () => {
          await cluster.delete({
            apiVersion: "secrets.hashicorp.com/v1beta1",
            kind: "VaultStaticSecret",
            namespace,
            name: "before",
          });
        });
        assert.deepEqual(
          changes.map(({ type, object }) => [type, object.name]),
          [
            ["ADDED", "a"],
            ["DELETED", "before"],
          ],
        );
      });

      it("lease-table 19: a bookmark moves the cursor of a kind that was quiet for our selection", async () => {
        const namespace = await aNamespace(cluster, "bookmarks");
        const { resourceVersion } = await listed(SECRET, OURS);
        const change = (at: number) =>
          cluster.apply({
            apiVersion: "v1",
            kind: "Secret",
            metadata: { namespace, name: "other", annotations: { at: `${at}` } },
          });
        // The API server sends one 2 s before a watch ends, if the kind has moved by then.
        await cluster.waitFor("a bookmark behind the other Secret", async () => {
          const events = await watched(SECRET, OURS, { resourceVersion, seconds: 5 }, async () => {
            for (let at = 0; at < 12; at++) await Promise.all([change(at), sleep(250)]);
          });
          const bookmarks = events.flatMap((event) =>
            event.type === "BOOKMARK" ? [Number(event.resourceVersion)] : [],
          );
          assert.equal(events.length, bookmarks.length);
          return (bookmarks.at(-1) ?? 0) > Number(resourceVersion);
        });
      });

      it("kubernetes-rules 10: an apply that changes nothing gives no event, one that does has the apply's resourceVersion", async () => {
        const namespace = await aNamespace(cluster, "drift");
        const owner = await anOwner(cluster, namespace);
        const secret = { cluster: NAME, namespace, name: "s" };
        const first = await apis.secrets.apply(secret, aDesired(owner), { kind: "absent" }, patient());
        await apis.secrets.apply(secret, aDesired(owner), { kind: "as-seen", ...first }, patient());
        const last = await apis.secrets.apply(secret, aDesired(owner, "bob"), { kind: "as-seen", ...first }, patient());
        const changes = await changed(1, SECRET, OURS, { resourceVersion: first.resourceVersion, seconds: 3 });
        assert.deepEqual(
          changes.map(({ object }) => object.resourceVersion),
          [last.resourceVersion],
        );
        assert.deepEqual(changes[0]?.object.managed, last.managed);
      });

      it("kubernetes-rules 10: a changed label comes as DELETED", async () => {
        const namespace = await aNamespace(cluster, "relabelled");
        const owner = await anOwner(cluster, namespace);
        const secret = { cluster: NAME, namespace, name: "s" };
        const { resourceVersion } = await apis.secrets.apply(secret, aDesired(owner), { kind: "absent" }, patient());
        const patch = { metadata: { labels: { "app.kubernetes.io/managed-by": "someone" } } };
        const path = `/api/v1/namespaces/${namespace}/secrets/s`;
        await cluster.request("PATCH", path, patch, { contentType: "application/merge-patch+json" });
        const changes = await changed(1, SECRET, OURS, { resourceVersion, seconds: 3 });
        assert.deepEqual(
          changes.map(({ type }) => type),
          ["DELETED"],
        );
        assert.ok(await apis.secrets.observe(secret, "get", patient()));
      });

      it("kubernetes-rules 12: a cursor from the future gives silence", async () => {
        const resourceVersion = `${Number((await listed(SECRET, OURS)).resourceVersion) + 1_000_000}`;
        assert.deepEqual(await watched(SECRET, OURS, { resourceVersion, seconds: 1 }), []);
      });

      it("says EXPIRED of a kind that is not served (any more): the list tells", async () => {
        const since = { resourceVersion: "5", seconds: 1 };
        assert.deepEqual(await watched(SECRET_TRANSFORMATION, EVERYTHING, since), [{ type: "EXPIRED" }]);
      });

      it("ends with its signal", async () => {
        const { resourceVersion } = await listed(SECRET, OURS);
        const stop = new AbortController();
        const since = { resourceVersion, seconds: 60 };
        const next = clusters.watch(NAME, SECRET, OURS, since, stop.signal)[Symbol.asyncIterator]().next();
        setTimeout(() => stop.abort(), 100);
        await assert.rejects(next, withCode("DEADLINE_EXCEEDED"));
      });

      it("kubernetes-rules 12: too old a cursor is EXPIRED, as each one is after a restart of the API server", async () => {
        const namespace = await aNamespace(cluster, "restarted");
        const { resourceVersion } = await listed(SECRET, EVERYTHING);
        for (const name of ["a", "b"]) {
          await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { namespace, name }, data: {} });
        }
        await cluster.restart();
        assert.deepEqual(await watched(SECRET, EVERYTHING, { resourceVersion, seconds: 1 }), [{ type: "EXPIRED" }]);
      });
    });

    describe("VSO's lease (kubernetes-rules 24)", () => {
      it("says who holds it and since when; where there is none, or none may be read, nothing is known", async () => {
        const namespace = await aNamespace(cluster, "vso");
        assert.equal(await clusters.vsoLease(NAME, namespace, patient()), undefined);
        assert.equal(await clusters.vsoLease(NAME, "nowhere", patient()), undefined);
        await cluster.apply(aLease({ namespace }, "pod_1"));
        const lease = await clusters.vsoLease(NAME, namespace, patient());
        assert.deepEqual([lease?.holder, lease?.durationMs], ["pod_1", 15_000]);
        assert.ok(Math.abs((lease?.renewedAt ?? 0) - Date.now()) < 60_000);
        await cluster.apply(aLease({ namespace }, ""));
        assert.equal((await clusters.vsoLease(NAME, namespace, patient()))?.holder, "");
        const none = endsOf(cluster, await kubeconfigWith(cluster, namespace, "nobody", []));
        assert.equal(await none.clusters.vsoLease(NAME, namespace, patient()), undefined);
        none.clients.close();
      });
    });

    describe("installation (lease-table 25)", () => {
      const mark = (namespace: string, id: string, of = clusters) =>
        of.markInstallation(NAME, namespace, id, patient());
      const marked = (namespace: string, of = clusters) => of.installation(NAME, namespace, patient());

      it("lease-table 25: the first id stays, and is known by its uid", async () => {
        const namespace = await aNamespace(cluster, "operator");
        assert.equal(await marked(namespace), "absent");
        const first = await mark(namespace, "one");
        assert.equal(first?.id, "one");
        assert.deepEqual(await mark(namespace, "two"), first);
        assert.deepEqual(await marked(namespace), first);
        const there = await cluster.get({
          apiVersion: "v1",
          kind: "ConfigMap",
          namespace,
          name: "keyferry-installation",
        });
        assert.deepEqual([there?.data, there?.metadata.uid], [{ id: "one" }, first.uid]);
      });

      it("lease-table 25: of two at once one wins", async () => {
        const namespace = await aNamespace(cluster, "race");
        const ids = await Promise.all(["one", "two"].map((id) => mark(namespace, id)));
        assert.deepEqual(ids[0], ids[1]);
      });

      it("lease-table 25: without the namespace it stands nowhere, and least of all in default", async () => {
        assert.equal(await marked("later"), "absent");
        assert.equal(await mark("later", "one"), undefined);
        assert.equal(await marked("default"), "absent");
      });

      it("lease-table 25: who may not read it does not know", async () => {
        const namespace = await aNamespace(cluster, "closed");
        const none = endsOf(cluster, await kubeconfigWith(cluster, namespace, "nobody", []));
        assert.equal(await marked(namespace, none.clusters), "unreadable");
        assert.equal(await mark(namespace, "one", none.clusters), undefined);
        none.clients.close();
      });

      it("the uid of a namespace; who may not ask for it finds out by a dry run whether it is there", async () => {
        const uidOf = (namespace: string, of = clusters) => of.namespaceUid(NAME, namespace, patient());
        const namespace = await aNamespace(cluster, "asked");
        const there = await cluster.get({ apiVersion: "v1", kind: "Namespace", name: namespace });
        assert.equal(await uidOf(namespace), there?.metadata.uid);
        assert.equal(await uidOf("nowhere"), undefined);
        const create = { apiGroups: [""], resources: ["configmaps"], verbs: ["create"] };
        const some = endsOf(cluster, await kubeconfigWith(cluster, namespace, "creator", [create]));
        assert.equal(await uidOf(namespace, some.clusters), "");
        assert.equal(await marked(namespace), "absent", "nothing was written");
        some.clients.close();
      });
    });

    describe("credentials", () => {
      const account = (change: object = {}): CredentialRef => ({
        kind: "serviceAccount",
        cluster: NAME,
        namespace: "default",
        name: "default",
        audiences: [],
        expirationSeconds: 3_600,
        ...change,
      });
      const claimsOf = (token: string): Record<string, unknown> =>
        JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

      it("kubernetes-rules 19: a token of a service account, with its end, for the API server's own audience", async () => {
        const { value, expiresAt } = await apis.credentials.credential(account(), patient());
        const claims = claimsOf(value.reveal().toString());
        assert.equal(claims.sub, "system:serviceaccount:default:default");
        assert.deepEqual(claims.aud, [cluster.issuer]);
        assert.ok(Math.abs((expiresAt ?? 0) - nowIn(cluster) - 3_600_000) < 60_000);
      });

      it("kubernetes-rules 19: for named audiences, and never below 600 s", async () => {
        const ref = account({ audiences: ["vault"], expirationSeconds: 60 });
        const { value, expiresAt } = await apis.credentials.credential(ref, patient());
        assert.deepEqual(claimsOf(value.reveal().toString()).aud, ["vault"]);
        assert.ok(Math.abs((expiresAt ?? 0) - nowIn(cluster) - 600_000) < 60_000);
      });

      it("kubernetes-rules 19: create on one account's token is enough", async () => {
        const rule = {
          apiGroups: [""],
          resources: ["serviceaccounts/token"],
          resourceNames: ["default"],
          verbs: ["create"],
        };
        const few = endsOf(cluster, await kubeconfigWith(cluster, "default", "minter", [rule]));
        await few.credentials.credential(account(), patient());
        await assert.rejects(
          few.credentials.credential(account({ name: "minter" }), patient()),
          withCode("KUBE_DENIED", /create serviceaccounts\/token in namespace default/),
        );
        few.clients.close();
      });

      it("a whole Secret, and a service account's annotations", async () => {
        const namespace = await aNamespace(cluster, "cloud");
        const metadata = { namespace, name: "keys", annotations: { "example.com/role": "shop" } };
        await cluster.apply([
          { apiVersion: "v1", kind: "Secret", metadata, data: { a: base64("1"), b: base64("2") } },
          { apiVersion: "v1", kind: "ServiceAccount", metadata },
        ]);
        const place = { cluster: NAME, namespace, name: "keys" };
        const data = await apis.credentials.secret(place, patient());
        const texts = [...data].map(([key, value]) => `${key}=${value.reveal()}`);
        assert.deepEqual(texts.sort(), ["a=1", "b=2"]);
        const annotations = await apis.credentials.annotations(place, patient());
        assert.equal(annotations["example.com/role"], "shop");
        const none = { ...place, name: "none" };
        const message = /ServiceAccount cloud\/none in cluster fleet-1/;
        await assert.rejects(apis.credentials.annotations(none, patient()), withCode("REFERENCE_MISSING", message));
      });

      it("names the account, the Secret, the key or the namespace that is missing", async () => {
        const namespace = await aNamespace(cluster, "creds");
        await cluster.apply({
          apiVersion: "v1",
          kind: "Secret",
          metadata: { namespace, name: "approle" },
          data: { id: base64("secret-id") },
        });
        const secret = { kind: "secret", cluster: NAME, namespace, name: "approle", key: "id" } as const;
        const found = await apis.credentials.credential(secret, patient());
        assert.equal(found.value.reveal().toString(), "secret-id");
        assert.equal(found.expiresAt, undefined);
        for (const [ref, message] of [
          [account({ name: "none" }), /ServiceAccount default\/none in cluster fleet-1/],
          [account({ namespace: "nowhere" }), /serviceaccounts\/token nowhere\/default/],
          [{ ...secret, name: "none" }, /Secret creds\/none in cluster fleet-1/],
          [{ ...secret, namespace: "nowhere" }, /nowhere\/approle/],
          [{ ...secret, key: "other" }, /Secret creds\/approle in cluster fleet-1 has no key other/],
        ] as const) {
          await assert.rejects(apis.credentials.credential(ref, patient()), withCode("REFERENCE_MISSING", message));
        }
      });
    });
  });
}
