import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ResolvedStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import { staticSecret } from "../../../../lib/kinds/static/static-secret.ts";
import type { Rendering } from "../../../../lib/ports/templates.ts";
import type { SourceData } from "../../../../lib/ports/vault.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { Transformation } from "../../../../lib/transform/transformation.ts";
import { parseLossless } from "../../../../lib/util/lossless.ts";
import { aDeclared, aRow } from "../../../builders.ts";

type Foreseeing = Parameters<typeof staticSecret.foresee>[0];

const PLAIN: Transformation = { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" };

/** The keys that the data begins with, and what the template engine was asked. */
async function begun(transformation: Transformation) {
  const asked: Rendering[] = [];
  const row = aRow({ declared: aDeclared({ labels: { tier: "gold" }, annotations: { a: "b" } }) });
  const response = parseLossless('{"data":{"x":"1","y":"2"},"metadata":{"version":3}}');
  const fields = new Map([
    ["x", "1"],
    ["y", "2"],
  ]);
  const source: SourceData = { response, fields };
  const obtained = await staticSecret.foresee({
    ...({ settings: {}, holding: {}, digestKey: {}, random: Math.random } as unknown as Pick<
      Foreseeing,
      "settings" | "holding" | "digestKey" | "random" | "source" | "isRead"
    >),
    row,
    resolved: { read: {}, transformation } as unknown as ResolvedStaticSecret,
    read: async () => source,
    templates: {
      render: async (rendering) => {
        asked.push(rendering);
        return { outputs: new Map([["made", SecretValue.of("m")]]), fields: new Set(["y"]), missing: [] };
      },
    },
    clock: () => 0,
    signal: new AbortController().signal,
  });
  if (obtained === "would-issue" || obtained.kind !== "data") throw new Error("no data");
  return { keys: [...obtained.data.keys()], asked };
}

describe("the data of a static secret", () => {
  it("is Vault's fields, and the template engine is not asked, without templates and filters", async () => {
    assert.deepEqual(await begun(PLAIN), { keys: ["x", "y"], asked: [] });
  });

  it("is what the template engine makes of fields, metadata, labels and annotations", async () => {
    const templates = [{ name: "t", key: "made", text: "text" }];
    for (const more of [{ templates }, { includes: ["y"] }, { excludes: ["x"] }]) {
      const { keys, asked } = await begun({ ...PLAIN, ...more });
      assert.deepEqual(keys, ["made", "y"]);
      const [rendering] = asked;
      assert.deepEqual(rendering?.input.secrets, { x: "1", y: "2" });
      assert.deepEqual(rendering?.input.labels, { tier: "gold" });
      assert.deepEqual(rendering?.input.annotations, { a: "b" });
      assert.deepEqual({ ...PLAIN, ...rendering, input: undefined }, { ...PLAIN, ...more, input: undefined });
    }
  });
});
