import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DestinationApis, DestinationAwaited } from "../../../../lib/destinations/destination.ts";
import { kubernetesSecrets } from "../../../../lib/destinations/kubernetes-secret/kubernetes-secret.ts";
import type { WantedSecret } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { desiredLabels, OWNER_UID_LABEL } from "../../../../lib/owner-labels.ts";
import type { Rehearsal, SeenSecret } from "../../../../lib/ports/secrets.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aDeclared, aRow } from "../../../builders.ts";
import { QUIET } from "../../aws/records.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const declared = aDeclared();
const apiVersion = "secrets.hashicorp.com/v1beta1";
const OWNER = { apiVersion, kind: "VaultDynamicSecret", name: "db", uid: declared.uid };
const RIVAL = { apiVersion, kind: "VaultStaticSecret", name: "older", uid: "u-older" };
const WANTED: WantedSecret = {
  ...{ name: "db", create: true, overwrite: false, type: "Opaque", annotations: {} },
  labels: desiredLabels({}, declared.uid),
};
const dataOf = (values: Record<string, string>) =>
  new Map(Object.entries(values).map(([name, value]) => [name, SecretValue.of(value)]));
const DATA = dataOf({ username: "v-1", password: "p-1" });
const THERE: SeenSecret = {
  ...{ uid: "u1", resourceVersion: "7", type: "Opaque", immutable: false, deleting: false },
  ...{ labels: WANTED.labels, annotations: {}, ownerReferences: [OWNER], data: DATA },
  managed: { fingerprint: "m", ours: true, vso: false },
};
const AT_7 = { kind: "as-seen", uid: "u1", resourceVersion: "7" } as const;
const RECORDED = { name: "db", uid: "u1", resourceVersion: "7", managed: "m", type: "Opaque" };
/** In step with its declaration and its data, as far as the row knows. */
const IN_STEP = aRow({
  declared,
  state: { ...aRow().state, digest: digestOf(KEY, DATA), appliedHash: declared.hash, owned: [RECORDED] },
});
const forever = new AbortController().signal;
const refusal = (code: ErrorCode) => (error: unknown) => error instanceof SyncError && error.code === code;

interface Given {
  readonly row?: typeof IN_STEP;
  readonly destination?: Partial<WantedSecret>;
  readonly observe?: "watch" | "apply";
  /** What is there; more than one: it changes before each further observation. */
  readonly there?: readonly (SeenSecret | undefined)[];
  /** What the dry runs answer, one by one. */
  readonly refusals?: readonly (ErrorCode | undefined)[];
  readonly isDeclared?: boolean;
}

/** A holding over a Secret, and the requests that it sends. */
function given({
  row = IN_STEP,
  destination,
  observe = "watch",
  there = [THERE],
  refusals = [],
  ...world
}: Given = {}) {
  const { isDeclared = true } = world;
  const requests: string[] = [];
  const rehearsals: Rehearsal[] = [];
  let observations = 0;
  const apis = {
    ...{ digestKey: KEY, log: QUIET },
    secrets: {
      async observe(_secret: unknown, how: string) {
        requests.push(how);
        return there[Math.min(observations++, there.length - 1)];
      },
      async rehearse(_secret: unknown, write: Rehearsal) {
        requests.push("rehearse");
        const code = refusals[rehearsals.push(write) - 1];
        if (code) throw new SyncError(code, "refused");
      },
    },
    resources: { get: async () => ({ uid: RIVAL.uid, deleting: false, spec: {} }) },
    clusters: { list: async () => ({ items: [] }) },
    origin: {
      owner: OWNER,
      async mustBeDeclared() {
        if (!isDeclared) throw new SyncError("DECLARATION_GONE", "gone");
      },
    },
  } as unknown as DestinationApis;
  const resolved = { destination: { ...WANTED, ...destination }, rolloutTargets: [] };
  return { holding: kubernetesSecrets.holding(apis, { row, settings: { observe }, resolved }), requests, rehearsals };
}

const admits = (world: Given, keys?: readonly string[]) => {
  const { holding, ...rest } = given(world);
  return { ...rest, done: holding.admit(keys, forever) };
};

describe("a Secret before new data for it is issued", () => {
  describe("admits with one request", () => {
    const cases: readonly (readonly [string, Given])[] = [
      ["a Secret in step", {}],
      ["none, where nothing was ever written", { row: aRow({ declared }), there: [undefined] }],
      ["one of another type, which is deleted and created", { destination: { type: "kubernetes.io/basic-auth" } }],
      ["one of VSO", { there: [{ ...THERE, managed: { fingerprint: "m", ours: false, vso: true } }] }],
      ["one that is not ours, with create: false", { destination: { create: false } }],
    ];
    for (const [what, world] of cases) {
      it(what, async () => {
        const { done, requests } = admits(world);
        await done;
        assert.deepEqual(requests, ["get"]);
      });
    }

    it("kubernetes-rules 9: by an empty patch with observe: apply", async () => {
      const { done, requests } = admits({ observe: "apply" });
      await done;
      assert.deepEqual(requests, ["patch"]);
    });
  });

  describe("refuses as the write would, without a write", () => {
    const others = { ...THERE, labels: {}, ownerReferences: [] };
    const foreign = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "u-x" };
    const cases: readonly (readonly [string, ErrorCode, Given])[] = [
      [
        "an immutable Secret, though the row has it in step",
        "SECRET_IMMUTABLE",
        { there: [{ ...THERE, immutable: true }] },
      ],
      [
        "an immutable one with create: false",
        "SECRET_IMMUTABLE",
        { destination: { create: false }, there: [{ ...THERE, immutable: true }] },
      ],
      ["a missing one with create: false", "SECRET_MISSING", { destination: { create: false }, there: [undefined] }],
      ["one that is being deleted", "SECRET_TERMINATING", { there: [{ ...THERE, deleting: true }] }],
      ["one without our labels", "SECRET_NOT_OURS", { row: aRow({ declared }), there: [others] }],
      ["one of another owner", "SECRET_NOT_OURS", { there: [{ ...THERE, ownerReferences: [OWNER, foreign] }] }],
      ["ours that went with its declaration", "DECLARATION_GONE", { there: [undefined], isDeclared: false }],
    ];
    for (const [what, code, world] of cases) {
      it(what, async () => {
        const { done, requests } = admits(world);
        await assert.rejects(done, refusal(code));
        assert.deepEqual(requests, ["get"]);
      });
    }

    it("kubernetes-rules 6: another declaration's, and waits for it", async () => {
      const labels = { ...THERE.labels, [OWNER_UID_LABEL]: RIVAL.uid };
      const there = { ...THERE, labels, ownerReferences: [RIVAL] };
      for (const secret of [there, { ...there, ownerReferences: [RIVAL, OWNER] }]) {
        const { done, requests } = admits({ row: aRow({ declared }), there: [secret] });
        await assert.rejects(done, (error) => error instanceof DestinationAwaited && error.message.includes("older"));
        assert.deepEqual(requests, ["get"]);
      }
    });

    it("but not ours, whose reference was replaced by that of another declaration", async () => {
      await admits({ row: aRow({ declared }), there: [{ ...THERE, ownerReferences: [RIVAL] }] }).done;
    });
  });

  describe("rehearses the write", () => {
    const KEYS = ["username", "password"];

    it("at what was observed, with placeholders", async () => {
      const { done, requests, rehearsals } = admits({}, KEYS);
      await done;
      assert.deepEqual(requests, ["get", "rehearse"]);
      const [write] = rehearsals;
      assert.ok(write?.kind === "apply");
      assert.deepEqual(write.precondition, AT_7);
      assert.deepEqual([...write.desired.data.keys()], KEYS);
      assert.ok([...write.desired.data.values()].every((value) => value.reveal().toString() === "{}"));
      assert.deepEqual(write.desired.ownerReference, OWNER);
    });

    it("as a first write, where there is none", async () => {
      const { done, rehearsals } = admits({ row: aRow({ declared }), there: [undefined] }, KEYS);
      await done;
      assert.deepEqual(
        rehearsals.map((write) => write.kind === "apply" && write.precondition),
        [{ kind: "absent" }],
      );
    });

    it("as a replacement of data, with create: false", async () => {
      const { done, rehearsals } = admits({ destination: { create: false } }, KEYS);
      await done;
      assert.deepEqual(
        rehearsals.map((write) => write.kind === "replace-data" && write.uid),
        ["u1"],
      );
    });

    it("and throws its refusal", async () => {
      const { done } = admits({ refusals: ["ADMISSION_DENIED"] }, KEYS);
      await assert.rejects(done, refusal("ADMISSION_DENIED"));
    });

    it("and does not mind the refusal of another type, but any other one", async () => {
      const destination = { type: "kubernetes.io/basic-auth" };
      const recreated = admits({ destination, refusals: ["SECRET_TYPE_DIFFERS"] }, KEYS);
      await recreated.done;
      assert.deepEqual(recreated.requests, ["get", "rehearse", "rehearse"], "and it is created anew");
      const preconditions = recreated.rehearsals.map((write) => write.kind === "apply" && write.precondition);
      assert.deepEqual(preconditions, [AT_7, { kind: "absent" }]);
      const unmade = { destination, refusals: ["SECRET_TYPE_DIFFERS", "ADMISSION_DENIED"] } as const;
      await assert.rejects(admits(unmade, KEYS).done, refusal("ADMISSION_DENIED"));
      const changed = admits({ refusals: ["SECRET_TYPE_DIFFERS"] }, KEYS);
      await changed.done;
      assert.deepEqual(changed.requests, ["get", "rehearse", "get", "rehearse"], "somebody changed its type");
      await assert.rejects(admits({ destination, refusals: ["SECRET_REFUSED"] }, KEYS).done, refusal("SECRET_REFUSED"));
    });

    it("and observes again when it changed in between", async () => {
      const there = [THERE, { ...THERE, resourceVersion: "8" }];
      const { done, requests, rehearsals } = admits({ there, refusals: ["KUBE_CONFLICT"] }, KEYS);
      await done;
      assert.deepEqual(requests, ["get", "rehearse", "get", "rehearse"]);
      const versions = rehearsals.map((write) => write.kind === "apply" && write.precondition);
      assert.deepEqual(versions, [AT_7, { ...AT_7, resourceVersion: "8" }]);
    });

    it("and refuses what it finds then", async () => {
      const there = [THERE, { ...THERE, immutable: true }];
      await assert.rejects(admits({ there, refusals: ["KUBE_CONFLICT"] }, KEYS).done, refusal("SECRET_IMMUTABLE"));
    });

    it("but not for ever", async () => {
      const { done, rehearsals } = admits({ refusals: Array(9).fill("KUBE_CONFLICT") }, KEYS);
      await assert.rejects(done, refusal("KUBE_CONFLICT"));
      assert.equal(rehearsals.length, 3);
    });
  });

  describe("tells whether it holds data", () => {
    const keys = [...DATA.keys()];
    const digest = digestOf(KEY, DATA);
    const holds = (there: SeenSecret | undefined, asked = keys) =>
      given({ there: [there] }).holding.holds(asked, digest, forever);

    it("under these keys, whatever else is there", async () => {
      const more = new Map([...DATA, ["extra", SecretValue.of("x")]]);
      assert.deepEqual([...((await holds({ ...THERE, data: more })) ?? [])], [...DATA]);
    });

    it("and nothing where a value differs, a key or the Secret is missing, or more keys are asked for", async () => {
      assert.equal(await holds({ ...THERE, data: new Map([...DATA, ["password", SecretValue.of("p-2")]]) }), undefined);
      assert.equal(await holds({ ...THERE, data: dataOf({ username: "v-1" }) }), undefined);
      assert.equal(await holds(undefined), undefined);
      assert.equal(await holds(THERE, ["username"]), undefined);
      assert.equal(await holds(THERE, [...keys, "extra"]), undefined);
    });

    it("with the observation that admitted it", async () => {
      for (const order of ["admit first", "holds first"]) {
        const { holding, requests } = given();
        if (order === "admit first") await holding.admit(undefined, forever);
        assert.ok(await holding.holds(keys, digest, forever));
        await holding.admit(undefined, forever);
        assert.deepEqual(requests, ["get"]);
      }
    });
  });

  describe("tells what another controller left in it", () => {
    const left = async (changed: Partial<SeenSecret> | undefined, destination: Partial<WantedSecret> = {}) => {
      const there = changed === undefined ? undefined : { ...THERE, ...changed };
      return given({ there: [there], destination }).holding.left(forever);
    };

    it("with its label and type, where it is made for the declaration", async () => {
      assert.equal(await left({}), DATA);
      for (const other of [
        undefined,
        { deleting: true },
        { data: new Map() },
        { type: "kubernetes.io/tls" },
        { labels: {} },
        { labels: { [OWNER_UID_LABEL]: "another" } },
      ]) {
        assert.equal(await left(other), undefined, JSON.stringify(other));
      }
    });

    it("whatever it is, where it is only filled", async () => {
      const filled = { create: false };
      assert.equal(await left({ type: "kubernetes.io/tls", labels: {} }, filled), DATA);
      assert.equal(await left({ deleting: true }, filled), undefined);
      assert.equal(await left({ data: new Map() }, filled), undefined);
    });
  });
});
