import assert from "node:assert/strict";
import { it } from "node:test";
import { type DeclaredPushSecret, parsePushSecret } from "../../lib/declarations/push/push-secret-declaration.ts";
import type { PushSettings } from "../../lib/ports/fleet-push.ts";
import { allowsPath } from "../../lib/push-paths.ts";
import { complaintLines } from "../../lib/util/complaints.ts";
import type { JsonObject } from "../../lib/util/json.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_129);
/** In the longest message that a person gets. */
const MAX_TEXT = 20_000;

const PUSH: PushSettings = {
  kinds: ["VaultPushSecret"],
  namespaces: { include: ["*"], exclude: [] },
  paths: ["kv/apps/{namespace}/**"],
  identity: {
    ...{ method: "kubernetes", mount: "kubernetes", role: "push" },
    ...{ serviceAccount: { name: "push" }, audiences: ["vault"] },
  },
  ...{ secrets: "watch", pollEvery: "5m", conflict: "fail", deletion: "version", prefix: "none" },
  ...{ mountedOnly: false, projectedVolumes: false, imagePullSecrets: false },
};

const SEGMENTS = [
  ...["apps", "shop", "{namespace}", "{name}", "{cluster}", "{labels.team}", "{labels.a/b}", "{labels.__proto__}"],
  ...["..", ".", "", "sys", "%2e%2e", "?a=1", "#x", "\u0000", "\ud800", " ", "{", "}", "{{name}}", "\\", "data", "ü"],
  "a".repeat(300),
];
const LABELS = ["a", "data", "..", ".", "../pay", "a/b", "", "pay", "x".repeat(64), "\u202e", "%2e%2e", "shop"];
const TEXTS = [
  "db",
  "No",
  "a/b",
  "",
  "fail",
  "adopt",
  "metadata",
  "preserve",
  "5m",
  "1d",
  "\n",
  "__proto__",
  "x".repeat(300),
];
const STRANGE = [null, 7, true, [], {}, [[]], { length: 3 }, "text", { name: ["db"] }, -1, Number.NaN];

/** Repeatable. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

type Random = (below: number) => number;

const NAMES = { cluster: "east", namespace: "shop", name: "app" };

function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T;
}

/** One time in `times`. */
function some<T>(random: Random, times: number, value: () => T, otherwise: () => T): T {
  return random(times) === 0 ? value() : otherwise();
}

function anyText(random: Random): unknown {
  return some<unknown>(
    random,
    8,
    () => oneOf(random, STRANGE),
    () => oneOf(random, TEXTS),
  );
}

function anyPath(random: Random): unknown {
  if (random(20) === 0) return oneOf(random, STRANGE);
  if (random(3) === 0) return "apps/{namespace}/{labels.team}";
  const segments = Array.from({ length: random(5) }, () => oneOf(random, SEGMENTS));
  return segments.join(oneOf(random, ["/", "/", "/", "", "//"]));
}

function anyKey(random: Random): unknown {
  if (random(10) === 0) return oneOf(random, STRANGE);
  return { key: anyText(random), ...(random(2) === 0 ? { field: anyText(random) } : {}) };
}

function anySource(random: Random): unknown {
  if (random(3) > 0) return { secretRef: { name: "db" }, prefix: String(random(100)), keys: [{ key: "a" }] };
  if (random(10) === 0) return oneOf(random, STRANGE);
  const named = { name: random(4) === 0 ? anyText(random) : "db" };
  return {
    secretRef: random(10) === 0 ? oneOf(random, STRANGE) : named,
    ...(random(3) === 0 ? { keys: Array.from({ length: random(4) }, () => anyKey(random)) } : {}),
    ...(random(4) === 0 ? { prefix: anyText(random) } : {}),
    ...(random(6) === 0 ? { optional: oneOf(random, [true, false, "true"]) } : {}),
    ...(random(20) === 0 ? { namespace: "kube-system" } : {}),
  };
}

function anySpec(random: Random): JsonObject {
  const choices = ["conflict", "deletion", "reconcile", "identity"].filter(() => random(6) === 0);
  const sources = Array.from({ length: 1 + random(3) }, () => anySource(random));
  const spec = {
    destination: { mount: random(6) === 0 ? oneOf(random, SEGMENTS) : "kv", path: anyPath(random) },
    sources: random(20) === 0 ? oneOf(random, STRANGE) : sources,
    ...Object.fromEntries(choices.map((name) => [name, anyText(random)])),
    ...(random(20) === 0 ? { [oneOf(random, TEXTS)]: 1 } : {}),
  };
  return spec as unknown as JsonObject;
}

function mustBeSafe({ declaration, settings }: DeclaredPushSecret, about: string): void {
  const segments = declaration.path.split("/");
  const isPlain = segments.every((one) => !["", ".", ".."].includes(one) && !/[?#%\s\p{Cc}\\{}]/u.test(one));
  assert.ok(isPlain && segments.length >= 2, about);
  assert.ok(!["sys", "auth", "identity", "cubbyhole"].includes(segments[0] ?? ""), about);
  assert.deepEqual([settings.conflict, settings.deletion, settings.identity], ["fail", "version", PUSH.identity]);
}

it(`${INPUTS} random VaultPushSecrets are declarations with a plain path, or bounded complaints; none is a bug`, () => {
  const random = randomOf(SEED);
  let accepted = 0;
  let allowed = 0;
  for (let input = 0; input < INPUTS; input++) {
    const spec = anySpec(random);
    const values = { ...NAMES, labels: { team: oneOf(random, LABELS), "a/b": oneOf(random, LABELS) } };
    const about = JSON.stringify([spec, values]);
    const parsed = parsePushSecret(spec, values, PUSH);
    if ("complaints" in parsed) {
      assert.ok(parsed.complaints.length > 0);
      assert.ok(complaintLines(parsed.complaints, ["spec"]).join("; ").length < MAX_TEXT, about);
      continue;
    }
    accepted += 1;
    mustBeSafe(parsed, about);
    if (!allowsPath("kv/apps/{namespace}/**", NAMES, parsed.declaration.path)) continue;
    allowed += 1;
    assert.ok(parsed.declaration.path.startsWith("kv/apps/shop/"), about);
  }
  assert.ok(accepted > INPUTS / 50, `${accepted} were accepted`);
  assert.ok(allowed > INPUTS / 100, `${allowed} were allowed`);
});
