import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { ReadAgain } from "../../../lib/kinds/kind.ts";
import type { VaultApi, VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import { sourceReader } from "../../../lib/reconcile/source.ts";

const signal = new AbortController().signal;
const IDENTITY: VaultIdentity = {
  id: "of-one-tenant",
  target: { address: "https://vault.example.com", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 },
  mount: "kubernetes",
  headers: {},
  method: {
    kind: "appRole",
    roleId: "r",
    credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
  },
};
const READ: VaultRead = { identity: IDENTITY, mount: "kv", path: "app", engine: "kv-v2", version: 0 };

const TRUSTED = { ...IDENTITY.target, caPem: "PEM" };

/** A reader of one batch whose Vault answers so, and what its certificates were held responsible for. */
function aReaderOf(read: VaultApi["read"]) {
  const refused: VaultIdentity["target"][] = [];
  const ca = { resolve: async () => TRUSTED, refused: (target: VaultIdentity["target"]) => void refused.push(target) };
  return { refused, reader: sourceReader({ vault: { read } as VaultApi, sleep: async () => undefined }, ca) };
}

/** A reader of one batch, and what Vault was asked by it. */
function aReader() {
  const asked: VaultRead[] = [];
  const read: VaultApi["read"] = async (one) => {
    asked.push(one);
    return { response: null, fields: new Map() };
  };
  const ca = { resolve: async (target: VaultIdentity["target"]) => target, refused: () => undefined };
  return { asked, reader: sourceReader({ vault: { read } as VaultApi, sleep: async () => undefined }, ca) };
}

/** A reader whose Vault answers in turn, and what was slept and asked. */
function aLaggingReader(answers: readonly (number | SyncError | TypeError)[]) {
  const done: string[] = [];
  let at = 0;
  const read: VaultApi["read"] = async () => {
    const answer = answers[at++] ?? assert.fail("asked too often");
    done.push("read");
    if (typeof answer !== "number") throw answer;
    return { response: null, fields: new Map(), version: { number: answer, createdTime: "" } };
  };
  const ca = { resolve: async () => TRUSTED, refused: () => undefined };
  const sleep = async (ms: number) => void done.push(`sleep ${ms}`);
  return { done, reader: sourceReader({ vault: { read } as VaultApi, sleep }, ca) };
}

/** An answer is old below this version. */
const until = (version: number, pauses: readonly number[] = [200, 1_000]): ReadAgain => ({
  pauses,
  isOld: (answer) => answer instanceof SyncError || (answer.version?.number ?? 0) < version,
});

describe("lease-table 30: a read that must not be older than an event", () => {
  const missing = new SyncError("VAULT_PATH_MISSING", "nothing yet");

  it("is repeated after each pause, as long as its answer is older", async () => {
    for (const [answers, done] of [
      [[3], ["read"]],
      [
        [2, 3],
        ["read", "sleep 200", "read"],
      ],
      [
        [missing, 2, 3],
        ["read", "sleep 200", "read", "sleep 1000", "read"],
      ],
      [
        [1, 1, 2],
        ["read", "sleep 200", "read", "sleep 1000", "read"],
      ],
    ] as const) {
      const one = aLaggingReader(answers);
      const { version } = await one.reader.read(READ, signal, until(3));
      assert.deepEqual([one.done, version?.number], [done, answers.at(-1)]);
    }
  });

  it("is not repeated without an event, after a stop, or after a bug", async () => {
    const plain = aLaggingReader([1]);
    await plain.reader.read(READ, signal);
    assert.deepEqual(plain.done, ["read"]);
    const stopped = aLaggingReader([1]);
    await stopped.reader.read(READ, AbortSignal.abort(), until(3));
    assert.deepEqual(stopped.done, ["read"]);
    const broken = aLaggingReader([new TypeError("bug")]);
    await assert.rejects(broken.reader.read(READ, signal, until(3)), TypeError);
    const failing = aLaggingReader([missing, missing]);
    await assert.rejects(failing.reader.read(READ, signal, until(3, [200])), missing);
  });

  it("is repeated once for all that share it, and apart for what is read elsewhere or later", async () => {
    const shared = aLaggingReader([1, 2, 3]);
    const answers = await Promise.all([1, 2].map(() => shared.reader.read(READ, signal, until(3))));
    assert.deepEqual(
      answers.map(({ version }) => version?.number),
      [3, 3],
    );
    assert.equal(shared.done.filter((what) => what === "read").length, 3);
    const apart = aLaggingReader([1, 1, 3, 3]);
    const [first, second] = [READ, { ...READ, path: "other" }].map((read) => apart.reader.read(read, signal, until(3)));
    assert.deepEqual([(await first)?.version?.number, (await second)?.version?.number], [3, 3]);
    assert.equal(apart.done.filter((what) => what === "read").length, 4);
    const other = aLaggingReader([1, 3, 3]);
    await other.reader.read(READ, signal, until(3, [200]));
    await other.reader.read(READ, signal, until(3, [1_000]));
    assert.deepEqual(other.done, ["read", "sleep 200", "read", "sleep 1000", "read"]);
  });
});

describe("a read", () => {
  it("is asked as it was, with the certificates of its Vault", async () => {
    const asked: VaultRead[] = [];
    const { reader } = aReaderOf(async (one) => {
      asked.push(one);
      return { response: null, fields: new Map() };
    });
    await reader.read(READ, signal);
    assert.deepEqual(asked, [{ ...READ, identity: { ...IDENTITY, target: TRUSTED } }]);
  });

  it("that the connection refused has its certificates fetched anew, and fails; so does every other failure", async () => {
    for (const [error, at] of [
      [new SyncError("VAULT_TLS_REFUSED", "unknown CA"), [IDENTITY.target]],
      [new SyncError("VAULT_UNAVAILABLE", "away"), []],
      [Object.assign(new Error("a bug"), { code: "VAULT_TLS_REFUSED" }), []],
    ] as const) {
      const { refused, reader } = aReaderOf(() => Promise.reject(error));
      await assert.rejects(reader.read(READ, signal), error);
      assert.deepEqual(refused, at);
    }
  });
});

describe("the reads of one batch", () => {
  it("are one where identity and place are the same", async () => {
    const { asked, reader } = aReader();
    const [one, other] = await Promise.all([
      reader.read(READ, signal),
      reader.read({ ...READ, followDeleted: false }, signal),
    ]);
    assert.equal(asked.length, 1);
    assert.equal(one, other);
  });

  const OTHERS: readonly (readonly [what: string, read: VaultRead])[] = [
    [
      "another identity: one tenant's answer is not another's",
      { ...READ, identity: { ...IDENTITY, id: "of-another" } },
    ],
    ["another Vault namespace", { ...READ, namespace: "team" }],
    ["another mount", { ...READ, mount: "kv2" }],
    ["another path", { ...READ, path: "other" }],
    ["another engine", { ...READ, engine: "kv-v1" }],
    ["another version", { ...READ, version: 3 }],
    ["deleted data taken for none", { ...READ, followDeleted: true }],
    ["parts that run into each other", { ...READ, mount: "k", path: "vapp" }],
  ];
  for (const [what, read] of OTHERS) {
    it(`are two for ${what}`, async () => {
      const { asked, reader } = aReader();
      await Promise.all([reader.read(READ, signal), reader.read(read, signal)]);
      assert.equal(asked.length, 2);
    });
  }
});
