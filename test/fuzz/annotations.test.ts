import assert from "node:assert/strict";
import { it } from "node:test";
import { type PushDeclaration, parsePush } from "../../lib/declarations/push/annotations.ts";
import { mountedSecrets } from "../../lib/declarations/push/sources.ts";
import { complaintLines } from "../../lib/util/complaints.ts";
import type { JsonObject } from "../../lib/util/json.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_129);
/** In the longest message that a person gets. */
const MAX_TEXT = 20_000;

const PIECES = [
  ...[
    "kv",
    "data",
    "apps",
    "shop",
    "..",
    ".",
    "",
    "sys",
    "auth",
    "%2e%2e",
    "%00",
    "?a=1",
    "#x",
    "\u0000",
    "\ud800",
    " ",
  ],
  ...["a".repeat(300), "ü", "😀", "{namespace}", "*", "**", "\\", "identity", "cubbyhole", "\n", "/"],
];
const TEXTS = [
  ...[
    "5m",
    "off",
    "0",
    "-1h",
    "1d",
    "1h30m",
    "99999999999999999999h",
    "true",
    "TRUE",
    "disabled",
    "null",
    "[]",
    "{}",
    "[[[[",
  ],
  ...[
    '[{"name":"db","keys":["a"]}]',
    '[{"name":"db","keys":["__proto__"]}]',
    '[{"NAME":"db","Keys":null,"prefix":"p"}]',
  ],
  ...[
    '{"__proto__":1}',
    '[{"name":["a"],"keys":{"length":9}}]',
    '"text"',
    `[${"[".repeat(2_000)}${"]".repeat(2_000)}]`,
  ],
];

/** Repeatable. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

function isSafe({ path, objects }: PushDeclaration): boolean {
  const segments = path.split("/");
  const isPlain = segments.every(
    (segment) => segment !== "" && segment !== "." && segment !== ".." && !/[?#%\s\p{Cc}\\]/u.test(segment),
  );
  const names = objects.map(({ below = "" }) => below);
  return (
    isPlain &&
    !["sys", "auth", "identity", "cubbyhole"].includes(segments[0] ?? "") &&
    names.every((name) => !name.includes("/"))
  );
}

it(`${INPUTS} random annotations are declarations with a plain path, or complaints of a bounded length; none is a bug`, () => {
  const random = randomOf(SEED);
  const one = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const path = (): string => Array.from({ length: random(6) }, () => one(PIECES)).join(one(["/", "/", "/", "", "//"]));
  const cut = (text: string): string => (random(4) === 0 ? text.slice(0, random(text.length + 1)) : text);
  let accepted = 0;
  for (let input = 0; input < INPUTS; input++) {
    const annotations = {
      "vault-sync.io/path": random(3) === 0 ? "kv/data/apps/shop" : path(),
      ...(random(2) === 0 ? { "vault-sync.io/secrets": cut(one(TEXTS)) } : {}),
      ...(random(2) === 0 ? { "vault-sync.io/reconcile": cut(one(TEXTS)) } : {}),
      ...(random(3) === 0 ? { "vault-sync.io/preserve-on-delete": one(TEXTS) } : {}),
      ...(random(3) === 0 ? { "vault-sync.io/rotation-check": one(TEXTS) } : {}),
    };
    const spec = { template: { spec: { containers: [{ envFrom: [{ secretRef: { name: one(PIECES) } }] }] } } };
    const mounted = mountedSecrets("Deployment", spec as JsonObject, {
      projectedVolumes: true,
      imagePullSecrets: true,
    });
    const push = parsePush(
      { kind: random(2) === 0 ? "Deployment" : "Secret", name: "app", annotations, mounted },
      { mountedOnly: random(2) === 0 },
    );
    if ("complaints" in push) {
      assert.ok(push.complaints.length > 0);
      assert.ok(complaintLines(push.complaints).join("; ").length < MAX_TEXT, JSON.stringify(annotations));
      continue;
    }
    accepted += 1;
    assert.ok(isSafe(push), JSON.stringify(annotations));
  }
  assert.ok(accepted > INPUTS / 50, `${accepted} were accepted`);
});
