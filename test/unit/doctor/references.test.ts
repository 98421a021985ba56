import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { references } from "../../../lib/doctor/cluster/references.ts";
import type { Surveyed } from "../../../lib/doctor/context.ts";
import type { ReferenceKey } from "../../../lib/keys.ts";
import { KINDS } from "../../../lib/kinds/registry.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const CONNECTION = { "VaultConnection/vso/default": { address: "https://vault.example:8200" } };
const AUTH = { vaultConnectionRef: "vso/default", method: "kubernetes", mount: "m" };
const BLOCK = { role: "r", serviceAccount: "sa", audiences: ["vault"] };

/** What is found about a VaultStaticSecret of namespace `shop`; objects by `Kind/namespace/name`. */
async function found(objects: Readonly<Record<string, JsonObject>>, vaultAuthRef: string, cluster: ClusterSettings) {
  const reference = (key: ReferenceKey): Reference | undefined => {
    const name = key.slice("east/".length);
    const spec = { ...CONNECTION, ...objects }[name];
    const isStranger = name === "VaultAuth/vso/default";
    if (spec === undefined) return undefined;
    return { key, uid: name, generation: 1, hash: "h", labels: {}, annotations: {}, spec, isStranger };
  };
  const kind = KINDS.of("VaultStaticSecret") ?? assert.fail();
  const declared = aDeclared({ spec: { ...aDeclared().spec, vaultAuthRef } });
  const { outcome, refs } = kind.resolve({ declared, cluster, reference });
  const work = { syncs: [{ key: aKey(), spec: declared.spec, outcome, refs }], errors: [], reference };
  const [finding] = await references.find({ settings: cluster, work, deps: { vaults: [] } } as unknown as Surveyed);
  return { code: finding?.code, remedy: finding?.remedy };
}

describe("what mends a VaultAuth that may not be used", () => {
  it("is the namespace that it must allow: for a VaultAuthGlobal that of the VaultAuth", async () => {
    const auth = { "VaultAuth/other/a": { ...AUTH, allowedNamespaces: ["x"], kubernetes: BLOCK } };
    const { code, remedy } = await found(auth, "other/a", aCluster());
    assert.equal(code, "REFERENCE_NOT_ALLOWED");
    assert.match(remedy?.text ?? "", /^kubectl patch vaultauth a -n other .*\{"allowedNamespaces":\["x","shop"\]\}/m);
    const naming = { ...AUTH, allowedNamespaces: ["shop"], vaultAuthGlobalRef: { name: "g", namespace: "infra" } };
    const global = { "VaultAuth/other/a": naming, "VaultAuthGlobal/infra/g": { allowedNamespaces: ["shop"] } };
    const { text } = (await found(global, "other/a", aCluster())).remedy ?? assert.fail();
    assert.match(text, /^kubectl patch vaultauthglobal g -n infra .*\{"allowedNamespaces":\["shop","other"\]\}/m);
  });

  it("is no namespace where it can't be a default, or may not have keyferry's own identity", async () => {
    const stranger = { "VaultAuth/vso/default": { ...AUTH, kubernetes: BLOCK } };
    const own = { "VaultAuth/vso/aws": { ...AUTH, method: "aws", aws: { role: "r" }, allowedNamespaces: ["shop"] } };
    for (const [objects, ref] of [
      [stranger, ""],
      [own, "vso/aws"],
    ] as const) {
      const { code, remedy } = await found(objects, ref, aCluster());
      assert.deepEqual([code, remedy?.kind], ["REFERENCE_NOT_ALLOWED", "advice"], ref);
    }
  });

  it("is an audience where the fleet requires one, and nothing of the kind where something else is missing", async () => {
    const cluster = aCluster({ vault: { requireAudiences: true } });
    const { audiences: _none, ...bare } = BLOCK;
    const { code, remedy } = await found({ "VaultAuth/shop/a": { ...AUTH, kubernetes: bare } }, "a", cluster);
    assert.equal(code, "REFERENCE_INVALID");
    assert.match(
      remedy?.text ?? "",
      /^vault write auth\/m\/role\/r audience=vault &&\n {2}kubectl patch vaultauth a /m,
    );
    const { role: _role, ...roleless } = BLOCK;
    const other = await found({ "VaultAuth/shop/a": { ...AUTH, kubernetes: roleless } }, "a", cluster);
    assert.deepEqual([other.code, other.remedy?.kind], ["REFERENCE_INVALID", "advice"]);
  });
});
