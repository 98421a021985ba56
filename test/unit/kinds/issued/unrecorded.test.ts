import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { START } from "../../issues/an-issue.ts";
import { aRun, type Scene } from "./a-credential.ts";
import { asked, inUse, leaseless, WAS } from "./obtained.ts";

const certificate = { serial: "17:0a", mount: "pki", seconds: 3_600 };
const REVOCATION = { method: "POST", mount: "pki", path: "revoke", body: { serial_number: "17:0a" } };

/** With the shared login, and with one of its own: the Secret has other data, so that one is asked for. */
const SCENES: readonly Scene[] = [
  { ...inUse({ own: { ...WAS, isLeaseless: true }, state: { issues: [] } }), held: undefined },
  { answers: { issue: leaseless } },
].map((scene) => ({ ...scene, answers: { issue: leaseless, ask: leaseless } }));

const lost = () => {
  throw new SyncError("LEASE_LOST", "another worker has it");
};

/** What Vault was asked to revoke. */
function revocations({ vault }: Pick<ReturnType<typeof aRun>, "vault">): readonly unknown[] {
  const requests = vault.requests.map((one) => (one as { readonly request: typeof REVOCATION }).request);
  return requests.filter(({ path }) => path === "revoke");
}

describe("a certificate that no row knows", () => {
  for (const scene of SCENES) {
    const how = scene.own?.isLeaseless ? "the shared login" : "a login of its own";

    it(`is revoked at once when it can't be recorded: ${how}`, async () => {
      const one = aRun({ ...scene, made: { certificate } });
      const { record } = one.claim;
      const claim = Object.assign(one.claim, {
        record: async (learned: Parameters<typeof record>[0]) =>
          learned.issues?.some(({ state }) => state === "got") ? lost() : record(learned),
      });
      assert.ok(claim);
      await assert.rejects(one.obtain(), { code: "LEASE_LOST" });
      assert.deepEqual(revocations(one), [REVOCATION]);
    });

    it(`is revoked at once when it is of no use: ${how}`, async () => {
      const refuse = async () => {
        throw new SyncError("VAULT_CERTIFICATE_UNUSABLE", "it ends at once");
      };
      const revoked = aRun({ ...scene, kind: { make: refuse, answered: () => certificate } });
      await assert.rejects(revoked.obtain(), { code: "VAULT_CERTIFICATE_UNUSABLE" });
      assert.deepEqual(revocations(revoked), [REVOCATION]);
      const left = aRun({ ...scene, kind: { make: refuse, answered: () => undefined } });
      await assert.rejects(left.obtain(), { code: "VAULT_CERTIFICATE_UNUSABLE" });
      assert.deepEqual(revocations(left), []);
    });
  }

  it("is told where it can't be revoked either, and hides no bug", async () => {
    const [scene] = SCENES;
    let count = 0;
    const once = (then: () => never) => () => (count++ === 0 ? leaseless() : then());
    const refused = once(() => {
      throw new SyncError("VAULT_DENIED", "no");
    });
    const kind: Scene["kind"] = {
      answered: () => certificate,
      make: async () => lost(),
    };
    const one = aRun({ ...scene, kind, answers: { ask: refused } });
    await assert.rejects(one.obtain(), { code: "LEASE_LOST" });
    assert.ok(one.vault.said.includes("certificate-not-revoked: VAULT_DENIED"));
    assert.deepEqual(asked(one), ["ask", "ask"]);
    const kept = one.claim.row.state.issues?.map(({ serial, state, tries, endAt }) => [serial, state, tries, endAt]);
    assert.deepEqual(kept, [["17:0a", "ending", 1, START + 5_000]], "tried again later");
    count = 0;
    const bug = once(() => {
      throw new TypeError("bug");
    });
    await assert.rejects(aRun({ ...scene, kind, answers: { ask: bug } }).obtain(), TypeError);
  });
});
