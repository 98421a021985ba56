import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HANDED_OVER } from "../../lib/origins/handed-over.ts";
import { kindNamed } from "../../lib/resource-kinds.ts";
import { aCluster } from "../builders.ts";
import { aDeployment, aNamespace, aServiceAccount, aStaticSecret, aVaultSecret, type Given } from "./world/builders.ts";
import {
  handover,
  KEY,
  macKey,
  macOf,
  metadataOf,
  namesOf,
  rivalLease,
  STATIC,
  statusOf,
  synced,
} from "./world/handing-over.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, PKI } from "./world/issuing.ts";
import { base64 } from "./world/views.ts";
import type { World } from "./world/world.ts";

const finalizerOf = (kind: string) => kindNamed(kind)?.finalizer ?? assert.fail(`none of ${kind}`);

describe("a handover to Vault Secrets Operator", () => {
  it("finds for each kind what VSO would miss, and writes nothing by looking", async () => {
    await using world = await synced(aStaticSecret(), aPkiSecret(), aDynamicSecret("login"));
    const before = metadataOf(world, "db").resourceVersion;
    const { complaints, syncs, hmacKey } = await handover(world).survey();
    assert.deepEqual([complaints, hmacKey.kind, metadataOf(world, "db").resourceVersion], [[], "absent", before]);
    const found = new Map(syncs.map((sync) => [sync.ref.kind.kind, sync]));
    assert.deepEqual([...found.keys()].sort(), [DYNAMIC, PKI, STATIC]);
    for (const [kind, { complaints: of, change }] of found) {
      assert.deepEqual(of, [], kind);
      assert.deepEqual(change, { addFinalizers: [finalizerOf(kind)], annotations: { [HANDED_OVER]: "vso" } });
    }
    assert.deepEqual(
      [STATIC, PKI, DYNAMIC].map((kind) => found.get(kind)?.needsMac),
      [true, true, false],
    );
    assert.deepEqual(
      [STATIC, PKI].map((kind) => found.get(kind)?.notes),
      [[], []],
    );
    assert.match(String(found.get(DYNAMIC)?.notes), /^VSO issues another credential when it starts/);
  });

  it("kubernetes-rules 22: leaves the key, the marks and the MACs that VSO would have written itself", async () => {
    await using world = await synced(aStaticSecret(), aPkiSecret(), aDynamicSecret("login"));
    const { give, told } = handover(world);
    await give();
    assert.equal(told[0], "key of east");
    assert.deepEqual(told.slice(1).sort(), ["db", "login", "web"]);
    assert.equal(statusOf(world, "login", DYNAMIC).secretMAC, undefined, "VSO has none for its kind");
    const key = world.resource("vso-cc-storage-hmac-key", "Secret", { namespace: "vso" })?.data?.key;
    assert.equal(key, KEY.toString("base64"));
    for (const [name, kind] of [
      ["db", STATIC],
      ["web", PKI],
    ] as const) {
      assert.equal(statusOf(world, name, kind).secretMAC, macOf(world, name), name);
      assert.deepEqual(metadataOf(world, name, kind).finalizers, [finalizerOf(kind)]);
      assert.equal(metadataOf(world, name, kind).annotations?.[HANDED_OVER], "vso");
    }
  });

  it("a second time finds nothing left to do, writes nothing, and keeps the key", async () => {
    await using world = await synced(aStaticSecret());
    const { give, survey, told } = handover(world);
    await give();
    await world.advance("10s");
    const before = metadataOf(world, "db").resourceVersion;
    const [sync] = (await survey()).syncs;
    assert.deepEqual([sync?.change, sync?.needsMac, sync?.complaints], [undefined, false, []]);
    told.length = 0;
    await give();
    assert.deepEqual(told, ["db"]);
    assert.equal(metadataOf(world, "db").resourceVersion, before);
  });

  it("completes one that was interrupted: a missing mark, a missing finalizer, another MAC", async () => {
    await using world = await synced(aStaticSecret("a", { path: "db" }), aStaticSecret("b", { path: "db" }));
    const { give, survey } = handover(world);
    await give();
    await world.advance("10s");
    await world.edit(STATIC, "a", { metadata: { finalizers: ["example.com/other"] } });
    await world.edit("Secret", "b", { data: { password: base64("eve") } });
    const found = new Map((await survey()).syncs.map((sync) => [sync.ref.name, sync]));
    assert.deepEqual(found.get("a")?.change?.addFinalizers, [finalizerOf(STATIC)]);
    assert.deepEqual([found.get("a")?.needsMac, found.get("b")?.needsMac], [false, true]);
    await give();
    assert.deepEqual(metadataOf(world, "a").finalizers?.toSorted(), ["example.com/other", finalizerOf(STATIC)]);
    assert.equal(statusOf(world, "b").secretMAC, macOf(world, "b"));
  });

  it("uses the key that VSO has already", async () => {
    await using world = await synced(aStaticSecret());
    const own = Buffer.alloc(16, 9);
    await macKey(world, own.toString("base64"));
    const { give, told } = handover(world);
    await give();
    assert.deepEqual(told, ["db"]);
    assert.equal(statusOf(world, "db").secretMAC, macOf(world, "db", own));
  });

  it("a key that can't be one is a reason not to", async () => {
    await using world = await synced(aStaticSecret());
    await macKey(world, "eA==");
    const { complaints, syncs } = await handover(world).survey();
    assert.equal(complaints.length, 1);
    assert.match(complaints[0] ?? "", /^the key of VSO's MACs: ./);
    assert.equal(syncs[0]?.needsMac, true);
  });

  it("VSO at work there is a reason not to, in either direction; one that has stopped is none", async () => {
    await using world = await synced(aStaticSecret());
    const { survey, surveyBack } = handover(world);
    await rivalLease(world, { holderIdentity: "vso-0" });
    for (const found of [await survey(), await surveyBack()]) {
      assert.equal(found.complaints.length, 1);
      assert.match(found.complaints[0] ?? "", /^Vault Secrets Operator works there.*vso-0.*Scale it to zero first$/);
    }
    await rivalLease(world, { holderIdentity: "" });
    assert.deepEqual([(await survey()).complaints, (await surveyBack()).complaints], [[], []]);
  });

  it("is for the namespaces that were asked for, and that the fleet has", async () => {
    const places = ["team", "other"].flatMap((name) => [aNamespace(name), aServiceAccount("app", name)]);
    const syncs = ["shop", "team", "other"].map((namespace) => aStaticSecret("db", { namespace }));
    await using world = await synced(...places, ...syncs);
    const { survey } = handover(world);
    assert.deepEqual(namesOf(await survey()), ["other/db", "shop/db", "team/db"]);
    assert.deepEqual(namesOf(await survey({ namespaces: ["team"] })), ["team/db"]);
    const some = aCluster({ namespaces: { include: ["*"], exclude: ["shop"] } });
    assert.deepEqual(namesOf(await survey({ settings: some })), ["other/db", "team/db"]);
    const named = aCluster({ namespaces: { include: ["shop", "team"], exclude: [] } });
    assert.deepEqual(namesOf(await survey({ settings: named })), ["shop/db", "team/db"]);
    assert.deepEqual(namesOf(await survey({ settings: named, namespaces: ["other"] })), []);
  });

  it("tells which of the namespaces that were asked for have no declarations, in either direction", async () => {
    const empty = [aNamespace("empty"), aNamespace("team"), aServiceAccount("app", "team")];
    await using world = await synced(...empty, aStaticSecret(), aStaticSecret("db", { namespace: "team" }));
    const { survey, surveyBack } = handover(world);
    const settings = aCluster({ namespaces: { include: ["*"], exclude: ["team"] } });
    for (const look of [survey, surveyBack]) {
      const asked = async (scope: object) => (await look(scope)).emptyNamespaces;
      assert.deepEqual(await asked({}), []);
      assert.deepEqual(await asked({ namespaces: ["shop", "shpo", "empty"] }), ["shpo", "empty"]);
      assert.deepEqual(await asked({ namespaces: ["shop", "team"], settings }), ["team"], "fleet.yaml leaves it out");
    }
  });

  it("leaves out what is being deleted", async () => {
    await using world = await synced(aStaticSecret());
    world.crash();
    await world.edit(STATIC, "db", { metadata: { finalizers: ["example.com/other"] } });
    await world.remove(STATIC, "db");
    assert.deepEqual(namesOf(await handover(world).survey()), []);
  });

  it("takes a cluster that has only static secrets, and refuses one without resource definitions", async () => {
    await using world = await synced(aStaticSecret());
    const { survey } = handover(world);
    const missing = (kinds: readonly string[]) => {
      world.cluster().fault = ({ kind }) =>
        kinds.includes(kind.kind) ? { http: 404, body: { kind: "Status", reason: "NotFound", code: 404 } } : undefined;
    };
    missing([DYNAMIC, PKI]);
    assert.deepEqual(namesOf(await survey()), ["shop/db"]);
    missing([STATIC]);
    await assert.rejects(survey(), { code: "KUBE_REJECTED" });
    world.cluster().fault = undefined;
  });
});

describe("a sync that VSO would write again", () => {
  const label = "app.kubernetes.io/managed-by";
  const cases: readonly {
    readonly what: string;
    readonly given?: Given;
    readonly and?: (world: World) => Promise<unknown>;
    readonly because: RegExp;
  }[] = [
    {
      what: "was never in step",
      given: aStaticSecret("db", { path: "none" }),
      because: /^it is not in step: .*none.*Secret db does not exist$/,
    },
    {
      what: "has another generation by now",
      and: (world) => world.edit(STATIC, "db", { spec: { refreshAfter: "1h" } }),
      because: /^it is not in step yet$/,
    },
    {
      what: "has no valid declaration",
      and: (world) => world.edit(STATIC, "db", { spec: { refreshAfter: "often" } }),
      because: /^its declaration is not valid$/,
    },
    {
      what: "has lost its Secret",
      and: (world) => world.remove("Secret", "db"),
      because: /^Secret db does not exist$/,
    },
    {
      what: "has a Secret with another label",
      and: (world) => world.edit("Secret", "db", { metadata: { labels: { [label]: "x" } } }),
      because: /^the Secret does not have exactly the labels and the owner reference/,
    },
    {
      what: "has a Secret without its owner reference",
      and: (world) => world.edit("Secret", "db", { metadata: { ownerReferences: null } }),
      because: /^the Secret does not have exactly the labels and the owner reference/,
    },
  ];
  for (const { what, given = aStaticSecret(), and, because } of cases) {
    it(`since it ${what} is not handed over, unless by force`, async () => {
      await using world = await synced(given);
      world.crash();
      await and?.(world);
      const { survey } = handover(world);
      const [sync] = (await survey()).syncs;
      assert.match(sync?.complaints.join("; ") ?? "", because);
      assert.deepEqual([sync?.notes, sync?.ref.name, sync?.uid], [[], "db", metadataOf(world, "db").uid]);
      const [forced] = (await survey({ force: true })).syncs;
      assert.deepEqual([forced?.complaints, forced?.notes], [[], sync?.complaints]);
      assert.deepEqual([forced?.needsMac, forced?.change !== undefined], [false, true]);
    });
  }

  it("since its targets are not restarted yet is not handed over", async () => {
    const targets = { refreshAfter: "10s", rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] };
    await using world = await synced(aDeployment("app"), aStaticSecret("db", targets));
    await world.remove("Deployment", "app");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("1m");
    const [sync] = (await handover(world).survey()).syncs;
    assert.match(String(sync?.complaints), /^its targets are not restarted yet: ./);
  });

  it("since its destination is another's Secret is handed over with a note, whatever labels that has", async () => {
    await using world = await anIssuingWorld();
    for (const name of ["db", "plain", "web"]) {
      const metadata = { name, namespace: "shop" };
      await world.cluster().apply({ apiVersion: "v1", kind: "Secret", type: "Opaque", metadata, data: { a: "eA==" } });
    }
    const destination = { create: false };
    await world.given(aVaultSecret(), aStaticSecret("db", { destination }));
    await world.given(aStaticSecret("plain", { path: "db", hmacSecretData: false, destination }));
    await world.given(aPkiSecret("web", { destination: { create: false, type: "Opaque" } }));
    await world.advance("20s");
    const found = new Map((await handover(world).survey()).syncs.map((sync) => [sync.ref.name, sync]));
    assert.deepEqual(
      [...found.values()].flatMap(({ complaints }) => complaints),
      [],
    );
    assert.match(String(found.get("db")?.notes), /^destination.create is false: VSO treats such a Secret as missing/);
    assert.match(String(found.get("web")?.notes), /^destination.create is false: .*issues another certificate/);
    assert.deepEqual([found.get("plain")?.notes, found.get("plain")?.needsMac], [[], false]);
  });

  it("kubernetes-rules 22: a static role has a MAC and no note, since VSO issues nothing for it", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putStaticRole("fixed", { rotationPeriod: "60s" });
    await world.given(aDynamicSecret("db", { path: "static-creds/fixed", allowStaticCreds: true }));
    await world.advance("10s");
    const { survey, give } = handover(world);
    const [sync] = (await survey()).syncs;
    assert.deepEqual([sync?.needsMac, sync?.notes, sync?.complaints], [true, [], []]);
    await give();
    assert.equal(statusOf(world, "db", DYNAMIC).secretMAC, macOf(world, "db"));
  });
});

describe("a handover back to keyferry", () => {
  it("takes back what was handed over, and nothing else; from then on it follows Vault again", async () => {
    await using world = await synced(aStaticSecret(), aStaticSecret("kept", { path: "db" }));
    const { give, surveyBack, takeBack, told } = handover(world);
    await world.edit(STATIC, "kept", { metadata: { annotations: { team: "shop" } } });
    assert.deepEqual(namesOf(await surveyBack()), []);
    await give();
    await world.edit(STATIC, "kept", { metadata: { annotations: { [HANDED_OVER]: null } } });
    await world.advance("10s");
    const found = await surveyBack();
    assert.deepEqual(namesOf(found), ["shop/db"]);
    const [sync] = found.syncs;
    assert.deepEqual([sync?.complaints, sync?.notes, sync?.needsMac, found.hmacKey.kind], [[], [], false, "absent"]);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one", "it is VSO's");
    told.length = 0;
    await takeBack();
    assert.deepEqual(told, ["db"]);
    assert.equal(metadataOf(world, "db").annotations?.[HANDED_OVER], undefined);
    assert.deepEqual(metadataOf(world, "db").finalizers, [finalizerOf(STATIC)]);
    await world.advance("20s");
    assert.equal(world.secret("db")?.data.password, "two");
  });
});
