import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../../lib/clock.ts";
import type { IssuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { mountOf } from "../../../../lib/kinds/pki/known.ts";
import { pkiSecret } from "../../../../lib/kinds/pki/pki-secret.ts";
import type { RowState } from "../../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aDeclared } from "../../../builders.ts";
import { leaseless } from "../../issues/an-issue.ts";
import { aPkiRun, type Given, inUse, obtained, SERIAL } from "./a-certificate.ts";
import { NOW } from "./answers.ts";

describe("an edit of a certificate's declaration", () => {
  const THIRD = NOW + HOUR_MS - HOUR_MS / 3;
  const at = async (replaceAt: number, pki: Given["pki"] = {}) => {
    const scene = await inUse({ pki });
    const { asked, own, result } = await obtained({ ...scene, own: { ...scene.own, replaceAt } });
    assert.deepEqual(result.next, { at: own.replaceAt });
    return [asked.length, own.replaceAt];
  };

  it("keeps a time that is within its window, as rows of earlier versions have it", async () => {
    for (const time of [THIRD, THIRD - 60_000, THIRD - 120_000]) assert.deepEqual(await at(time), [0, time]);
    for (const time of [THIRD + 1, THIRD - 120_001]) assert.deepEqual(await at(time), [0, THIRD - 60_000]);
  });

  it("chooses another one by expiryOffset, also where it had none", async () => {
    const edited = { expiryOffsetMs: 600_000 };
    assert.deepEqual(await at(THIRD, edited), [0, NOW + 3_000_000 - 75_000]);
    assert.equal((await obtained(await inUse({ pki: edited }))).own.replaceAt, NOW + 3_000_000 - 75_000);
  });

  it("is refused where no such certificate could be used, until the former time", async () => {
    const scene = await inUse({ pki: { expiryOffsetMs: 2 * HOUR_MS } });
    const run = (replaceAt: number) => pkiSecret.obtain(aPkiRun({ ...scene, own: { ...scene.own, replaceAt } }).run);
    await assert.rejects(run(NOW + 1), { code: "VAULT_CERTIFICATE_UNUSABLE", message: /^the certificate in use/ });
    await assert.rejects(run(NOW), { code: "VAULT_CERTIFICATE_UNUSABLE", message: /^Vault's answer/ });
  });

  it("is not asked for again before the former time, when Vault's answer to it was refused", async () => {
    const run = async (
      expiryOffsetMs: number,
      { code = "VAULT_CERTIFICATE_UNUSABLE", hash = aDeclared().hash } = {},
    ) => {
      const error = { code, message: "Vault's answer", since: NOW };
      const seen = { hash, status: {} };
      const scene = await inUse({ pki: { expiryOffsetMs } });
      const state = { ...scene.state, error, seen } as unknown as Partial<RowState>;
      const one = aPkiRun({ ...scene, state, own: { ...scene.own, issuedAt: NOW - HOUR_MS, replaceAt: NOW + 60_000 } });
      const outcome = await pkiSecret.obtain(one.run).then(
        () => "in step",
        ({ message }: Error) => message,
      );
      return [outcome, one.asked.length];
    };
    const [over, early] = [1.5 * HOUR_MS, 600_000];
    assert.deepEqual(await run(over), ["Vault's answer", 0]);
    assert.deepEqual(await run(early), ["in step", 0]);
    assert.equal((await run(over, { hash: "former" }))[1], 1);
    assert.equal((await run(over, { code: "VAULT_DENIED" }))[1], 1);
  });

  it("has the certificate in use recorded, if it is to be revoked now, where its mount is known", async () => {
    const { run } = aPkiRun();
    const mount = mountOf(run.resolved);
    const states = async (made: JsonObject, own: Partial<IssuedState> = {}, revokesReplaced = true) => {
      const scene = await inUse({ pki: { revoke: true, revokesReplaced } }, made);
      const { result } = await obtained({ ...scene, own: { ...scene.own, ...own } });
      return result.issues?.map(({ certificate, state }) => `${certificate?.mount} ${state}`) ?? [];
    };
    assert.deepEqual(await states({}), ["pki live"]);
    assert.deepEqual(await states({ mount }), ["pki live"]);
    assert.deepEqual(await states({ mount: "another" }), []);
    assert.deepEqual(await states({}, {}, false), []);
    const other = { request: "another" };
    assert.deepEqual(await states({ serial: "01", mount }, other), ["pki ending", "pki live"]);
    assert.deepEqual(await states({ serial: "01" }, other), ["pki live"], "of an earlier version");
    assert.deepEqual(await states({ serial: "01", mount, expiration: NOW }, other), ["pki live"], "it has ended");
  });

  it("brings no certificate back that is to be revoked", async () => {
    const mount = mountOf(aPkiRun().run.resolved);
    const ending = leaseless({ certificate: { serial: SERIAL, mount: "pki" }, state: "ending", shared: true });
    const scene = await inUse({ pki: { revoke: true, revokesReplaced: true }, state: { issues: [ending] } }, { mount });
    const { asked, result } = await obtained(scene);
    const states = result.issues?.map(({ state }) => state);
    assert.deepEqual(states, ["ending", "live"], "that one, and the new one");
    assert.equal(asked.length, 1, "another one is asked for");
  });

  it("is not taken for done by a row of a former version that knows another certificate than the one in use", async () => {
    const state = async (serial: string) => {
      const { digest } = (await inUse()).state;
      const certificate = { serial, mount: "pki" };
      return { digest, issues: [leaseless({ certificate, sealedToken: "", shared: true })] };
    };
    const pki = { revoke: true, revokesReplaced: true };
    for (const [serial, posts] of [
      [SERIAL, 0],
      ["17:0a", 1],
    ] as const) {
      const { asked } = await obtained({ ...(await inUse({ pki })), state: await state(serial) });
      assert.equal(asked.length, posts, serial);
    }
  });
});
