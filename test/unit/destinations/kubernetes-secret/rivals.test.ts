import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rivalsFor } from "../../../../lib/destinations/kubernetes-secret/rivals.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { referenceTo } from "../../../../lib/origins/cluster.ts";
import { OWNER_UID_LABEL } from "../../../../lib/owner-labels.ts";
import type { SeenResource } from "../../../../lib/ports/resources.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { type KindRef, VAULT_DYNAMIC_SECRET, VAULT_STATIC_SECRET } from "../../../../lib/resource-kinds.ts";
import { aSeen } from "../../discovery/a-seen.ts";

const OWNER = referenceTo(VAULT_STATIC_SECRET, "db", "ours");
const SECRET = { cluster: "east", namespace: "shop", name: "app" };
const { signal } = new AbortController();

interface Scene {
  readonly declared?: readonly SeenResource[];
  readonly secret?: Partial<SeenSecret>;
  readonly isRecorded?: boolean;
  /** Reading a declaration by name ends like this. */
  readonly fails?: ErrorCode;
  /** How many pages a list has before the declarations. */
  readonly emptyPages?: number;
}

/** The rivals for a Secret `app`, and what the cluster was asked. */
async function scene({ declared = [], secret = {}, isRecorded = false, fails, emptyPages = 0 }: Scene) {
  const asked: string[] = [];
  const apis = {
    resources: {
      async get({ name, kind }: { readonly name: string; readonly kind: KindRef }) {
        asked.push(`${kind.kind} ${name}`);
        if (fails !== undefined) throw new SyncError(fails, "no");
        return declared.find((one) => one.name === name);
      },
    },
    clusters: {
      async list(_cluster: string, kind: KindRef, options: object, page = "0") {
        assert.deepEqual(options, { metadataOnly: false, namespace: "shop" });
        asked.push(`${kind.kind}s ${page}`);
        if (kind !== VAULT_DYNAMIC_SECRET) return kind === VAULT_STATIC_SECRET ? { items: [] } : undefined;
        return Number(page) < emptyPages ? { items: [], continue: String(Number(page) + 1) } : { items: declared };
      },
    },
  } as unknown as Parameters<typeof rivalsFor>[0];
  const found = { labels: {}, ownerReferences: [], managed: { ours: true }, ...secret } as unknown as SeenSecret;
  const rivals = await rivalsFor(apis, SECRET, found, { owner: OWNER, isRecorded }, signal);
  return { rivals, asked };
}

const codeIs = (code: ErrorCode) => (error: unknown) => error instanceof SyncError && error.code === code;
const referenceOf = (name: string) => ({ ...referenceTo(VAULT_DYNAMIC_SECRET, name, `uid-of-${name}`) });
const wanting = (name: string, changed: Partial<SeenResource> = {}) =>
  aSeen({ name, spec: { destination: { name: "app", create: true } }, ...changed });

describe("another declaration in a Secret's owner references", () => {
  const beside = { ownerReferences: [{ ...OWNER }, referenceOf("other")] };
  const rival = { kind: "VaultDynamicSecret", name: "other", by: "reference", wrote: false };

  it("is a rival while it exists, and has written the Secret that has its label", async () => {
    const { rivals, asked } = await scene({ declared: [aSeen({ name: "other" })], secret: beside, isRecorded: true });
    assert.deepEqual([rivals, asked], [[rival], ["VaultDynamicSecret other"]]);
    const labels = { [OWNER_UID_LABEL]: "uid-of-other" };
    const wrote = await scene({
      declared: [aSeen({ name: "other" })],
      secret: { ...beside, labels },
      isRecorded: true,
    });
    assert.deepEqual(wrote.rivals, [{ ...rival, wrote: true }]);
  });

  it("is one that still has to leave the Secret, where it names another one", async () => {
    const named = async (name: unknown) => {
      const moved = aSeen({ name: "other", spec: { destination: { name } } as SeenResource["spec"] });
      return (await scene({ declared: [moved], secret: beside, isRecorded: true })).rivals;
    };
    assert.deepEqual(await named("elsewhere"), [{ ...rival, names: "elsewhere" }]);
    for (const name of ["app", "Not/A/Name", undefined]) assert.deepEqual(await named(name), [rival]);
  });

  it("is none once it is gone, is going, or is another one of its name", async () => {
    for (const declared of [[], [aSeen({ name: "other", deleting: true })], [aSeen({ name: "other", uid: "next" })]]) {
      assert.deepEqual((await scene({ declared, secret: beside, isRecorded: true })).rivals, []);
    }
  });

  it("is none where no object can have such a name: nothing is asked", async () => {
    const secret = { ownerReferences: [{ ...OWNER }, referenceOf("Not/A/Name")] };
    const { rivals, asked } = await scene({ secret, isRecorded: true });
    assert.deepEqual([rivals, asked], [[], []]);
  });

  it("is believed when it may not be read, and only then", async () => {
    for (const fails of ["KUBE_DENIED", "KUBE_REJECTED"] as const)
      assert.deepEqual((await scene({ secret: beside, isRecorded: true, fails })).rivals, [rival]);
    const unreachable = scene({ secret: beside, isRecorded: true, fails: "KUBE_UNREACHABLE" });
    await assert.rejects(unreachable, codeIs("KUBE_UNREACHABLE"));
  });

  it("is believed from the ninth on, so that a forged list costs eight reads", async () => {
    const ownerReferences = Array.from({ length: 10 }, (_, at) => referenceOf(`n${at}`));
    const { rivals, asked } = await scene({
      secret: { ownerReferences: [{ ...OWNER }, ...ownerReferences] },
      isRecorded: true,
    });
    assert.deepEqual([rivals.map(({ name }) => name), asked.length], [["n8", "n9"], 8]);
  });
});

describe("another declaration whose reference was removed from a Secret", () => {
  const labelled = { labels: { [OWNER_UID_LABEL]: "uid-of-other" } };
  const marked = [{ kind: "VaultDynamicSecret", name: "other", by: "mark", wrote: true }];

  it("is found by the owner's label, wherever in the list it is", async () => {
    const { rivals, asked } = await scene({ declared: [wanting("other")], secret: labelled, emptyPages: 2 });
    assert.deepEqual(rivals, marked);
    assert.deepEqual(asked.slice(-3), ["VaultDynamicSecrets 0", "VaultDynamicSecrets 1", "VaultDynamicSecrets 2"]);
  });

  it("is none when it has another uid, is going, or wants another Secret", async () => {
    for (const one of [
      wanting("other", { uid: "next" }),
      wanting("other", { deleting: true }),
      wanting("other", { spec: { destination: { name: "elsewhere" } } }),
    ]) {
      assert.deepEqual((await scene({ declared: [one], secret: labelled })).rivals, []);
    }
  });

  it("is looked for when our own write is recorded and our reference is gone", async () => {
    const recorded = await scene({ declared: [wanting("other")], secret: labelled, isRecorded: true });
    assert.deepEqual(recorded.rivals, marked);
    const ours = { ...labelled, ownerReferences: [{ ...OWNER }] };
    const there = await scene({ declared: [wanting("other")], secret: ours, isRecorded: true });
    assert.deepEqual([there.rivals, there.asked], [[], []]);
    assert.deepEqual((await scene({ declared: [wanting("other")], secret: ours })).rivals, marked);
  });

  it("is not looked for under our own label, or under that of one in a reference", async () => {
    const own = await scene({ secret: { labels: { [OWNER_UID_LABEL]: "ours" } } });
    assert.deepEqual(own.asked, []);
    const known = await scene({ secret: { ...labelled, ownerReferences: [referenceOf("other")] } });
    assert.deepEqual(known.asked, ["VaultDynamicSecret other"]);
  });

  it("may be any that makes this Secret when keyferry wrote it and all labels are gone", async () => {
    const { rivals } = await scene({ declared: [wanting("db", { uid: "ours" }), wanting("other")] });
    assert.deepEqual(rivals, marked, "our own declaration is none");
    const lent = wanting("other", { spec: { destination: { name: "app" } } });
    assert.deepEqual((await scene({ declared: [lent] })).rivals, [], "it does not make it");
    for (const secret of [
      { managed: { ours: false } },
      { ownerReferences: [{ ...OWNER }] },
      { ownerReferences: [referenceOf("Not/A/Name")] },
    ]) {
      const other = await scene({ declared: [wanting("other")], secret: secret as unknown as Partial<SeenSecret> });
      assert.deepEqual([other.rivals, other.asked], [[], []]);
    }
    const recorded = await scene({ declared: [wanting("other")], isRecorded: true });
    assert.deepEqual([recorded.rivals, recorded.asked], [[], []]);
  });

  it("is not decided where there are too many to look through", async () => {
    const pages = (emptyPages: number) => scene({ declared: [wanting("other")], secret: labelled, emptyPages });
    assert.deepEqual((await pages(19)).rivals, marked);
    await assert.rejects(pages(20), codeIs("KUBE_REJECTED"));
  });
});
