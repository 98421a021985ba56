import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkReference } from "../../lib/declarations/check-reference.ts";
import { SPECS } from "../../lib/declarations/parse.ts";
import { SyncError } from "../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../lib/keys.ts";
import { resolveStaticSecret } from "../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../lib/ports/rows.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { aCluster, aDeclared } from "../builders.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_122);

/** Stands for what people put where it does not belong. */
const CANARY = "hunter2-canary";
/** Stands for what must be in no message: values of headers, texts of templates, passwords in addresses. */
const HIDDEN = "hidden-canary";

const EAST = aCluster();

const METHODS = {
  kubernetes: { role: "shop", serviceAccount: "app", audiences: ["vault"], tokenExpirationSeconds: 600 },
  jwt: { role: "shop", secretRef: "jwt", serviceAccount: "app", audiences: ["vault"], tokenExpirationSeconds: 900 },
  appRole: { roleId: "id", secretRef: "approle", secretIDPath: "" },
  aws: { role: "shop", region: "eu-west-1", headerValue: "v", sessionName: "s", stsEndpoint: "", secretRef: "aws" },
  gcp: {
    role: "shop",
    workloadIdentityServiceAccount: "app",
    region: "europe-west1",
    clusterName: "c",
    projectID: "p",
  },
};

/** Each kind with all its fields filled in. */
const WHOLE: Readonly<Record<string, JsonObject>> = {
  VaultStaticSecret: {
    vaultAuthRef: "shop/login",
    namespace: "team",
    mount: "kv",
    path: "app/db",
    type: "kv-v2",
    version: 3,
    refreshAfter: "30s",
    hmacSecretData: true,
    rolloutRestartTargets: [{ kind: "Deployment", name: "web" }],
    syncConfig: { instantUpdates: true },
    destination: {
      name: "app",
      create: true,
      overwrite: true,
      labels: { team: "shop" },
      annotations: { note: "n" },
      type: "Opaque",
      transformation: {
        templates: { url: { name: "url", text: `{{ ${HIDDEN}` } },
        transformationRefs: [
          {
            namespace: "shop",
            name: "shared",
            templateRefs: [{ name: "dsn", keyOverride: "DSN" }],
            ignoreIncludes: true,
          },
        ],
        includes: ["^a"],
        excludes: ["b$"],
        excludeRaw: true,
      },
    },
  },
  VaultAuth: {
    vaultConnectionRef: "shop/vault",
    vaultAuthGlobalRef: { name: "all", namespace: "shop", mergeStrategy: { headers: "union", params: "none" } },
    namespace: "team",
    allowedNamespaces: ["*"],
    method: "kubernetes",
    mount: "kubernetes",
    params: { a: "b" },
    headers: { "X-Team": HIDDEN },
    storageEncryption: { mount: "transit", keyName: "k" },
    ...METHODS,
  },
  VaultAuthGlobal: {
    allowedNamespaces: ["shop"],
    vaultConnectionRef: "vault",
    defaultVaultNamespace: "team",
    defaultAuthMethod: "kubernetes",
    defaultMount: "kubernetes",
    params: { a: "b" },
    headers: { "X-All": HIDDEN },
    ...METHODS,
  },
  VaultConnection: {
    address: "https://vault.example:8200",
    headers: { "X-From": HIDDEN },
    tlsServerName: "vault",
    caCertSecretRef: "ca",
    skipTLSVerify: false,
    timeout: "5s",
  },
  SecretTransformation: {
    templates: { dsn: { name: "dsn", text: HIDDEN } },
    sourceTemplates: [{ name: "helper", text: `{{ if ${HIDDEN}` }],
    includes: ["^a"],
    excludes: ["b$"],
  },
};

const KINDS = Object.keys(WHOLE);

/** mulberry32: the same inputs for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;

function deep(depth: number): unknown {
  let value: unknown = CANARY;
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { [CANARY]: value };
  return value;
}

const WEIRD: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => true,
  () => "",
  () => 0,
  () => -1,
  () => 1.5,
  () => Number.MAX_SAFE_INTEGER,
  () => 1e308,
  () => CANARY,
  () => `../${CANARY}`,
  () => `${CANARY}/${CANARY}/${CANARY}`,
  () => `https://${CANARY}:${HIDDEN}@host`,
  () => `http://[${CANARY}`,
  () => `{{ ${CANARY}`,
  () => `(${CANARY}`,
  () => `${CANARY}\n\r\u0000\ud800`,
  () => "9".repeat(400).concat("h"),
  () => CANARY.repeat(2_000),
  () => `${"a".repeat(3_000)}!`,
  () => `${"a.".repeat(3_000)}!`,
  () => "/".repeat(3_000),
  () => [],
  () => ({}),
  () => [CANARY, null, 3],
  () => ({ [CANARY]: CANARY, "": null, constructor: 1, toString: "x" }),
  () => JSON.parse(`{"__proto__": {"a": "${CANARY}"}, "b": "${CANARY}"}`),
  (random) => deep(Math.floor(random() * 300)),
  (random) => Array.from({ length: Math.floor(random() * 300) }, () => CANARY),
  (random) => Object.fromEntries(Array.from({ length: Math.floor(random() * 300) }, (_, at) => [`${CANARY}${at}`, at])),
];

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Puts something else at a random place of it, takes something away, or adds what nobody asked for. */
function mutated(random: Random, value: unknown): unknown {
  const isLeaf = typeof value !== "object" || value === null || Object.keys(value).length === 0;
  if (isLeaf || random() < 0.15) return pick(random, WEIRD)(random);
  if (Array.isArray(value)) {
    const at = Math.floor(random() * value.length);
    return value.map((item, index) => (index === at ? mutated(random, item) : item));
  }
  const entries = Object.entries(value);
  const [name] = pick(random, entries);
  const how = random();
  if (how < 0.1) return Object.fromEntries(entries.filter(([key]) => key !== name));
  if (how < 0.2) return { ...value, [random() < 0.5 ? CANARY : ""]: pick(random, WEIRD)(random) };
  return Object.fromEntries(entries.map(([key, item]) => [key, key === name ? mutated(random, item) : item]));
}

function worldOf(specs: Readonly<Record<string, unknown>>) {
  return (key: ReferenceKey): Reference | undefined => {
    const [, kind = ""] = key.split("/");
    const spec = specs[kind];
    if (spec === undefined) return undefined;
    const rest = { uid: "u", generation: 1, hash: "h", labels: {}, annotations: {} };
    return { key, ...rest, spec: spec as JsonObject };
  };
}

/** Every error is one of ours, has no value in it, and can be read by people. */
function mustBeFine(outcome: unknown, describeInput: () => string): void {
  if (!(outcome instanceof Error)) return;
  assert.ok(outcome instanceof SyncError, describeInput());
  assert.ok(!outcome.message.includes(HIDDEN), describeInput());
  assert.ok(outcome.message.length < 20_000, `${outcome.message.length} characters\n${describeInput()}`);
}

/** Some of the specs, each changed in one to three places. */
function inputOf(random: Random): Readonly<Record<string, unknown>> {
  const specs: Record<string, unknown> = { ...WHOLE };
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    const kind = pick(random, KINDS);
    specs[kind] = mutated(random, specs[kind]);
  }
  return specs;
}

const WITH_STATUS = ["VaultAuth", "VaultConnection", "SecretTransformation"];

/** Resolves the sync, and judges one of what it refers to; answers whether the sync could be resolved. */
function run(random: Random, specs: Readonly<Record<string, unknown>>, describeInput: () => string): boolean {
  const { VaultStaticSecret: _, ...references } = specs;
  const reference = worldOf(references);
  const declared = (kind: string) => {
    const key = syncKey({ cluster: "east", kind, namespace: "shop", name: "app" });
    return aDeclared({ key, uid: `uid of ${kind}`, spec: specs[kind] as JsonObject });
  };
  const { outcome } = resolveStaticSecret({ declared: declared("VaultStaticSecret"), cluster: EAST, reference });
  mustBeFine(outcome, describeInput);
  mustBeFine(
    checkReference({ declared: declared(pick(random, WITH_STATUS)), cluster: EAST, reference }).outcome,
    describeInput,
  );
  return !(outcome instanceof Error);
}

describe("declarations of any content", () => {
  it(`end as a declaration or as an error of ours, and none hangs: ${INPUTS} inputs`, () => {
    const random = randomOf(SEED);
    let fine = 0;
    for (let at = 0; at < INPUTS; at++) {
      const specs = inputOf(random);
      const describeInput = () => `seed ${SEED}, input ${at}: ${JSON.stringify(specs).slice(0, 2_000)}`;
      try {
        if (run(random, specs, describeInput)) fine++;
      } catch (error) {
        throw new Error(`${describeInput()}\n${error instanceof Error ? error.stack : error}`, { cause: error });
      }
    }
    assert.ok(fine > INPUTS / 100 && fine < INPUTS / 2, `${fine} of ${INPUTS} were fine`);
  });

  it("has every kind that can be declared for a sync in it", () => {
    const left = Object.keys(SPECS).filter((kind) => !KINDS.includes(kind));
    assert.deepEqual(left.toSorted(), ["VaultDynamicSecret", "VaultPKISecret"]);
  });
});
