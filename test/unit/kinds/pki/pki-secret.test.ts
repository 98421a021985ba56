import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../../lib/clock.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import type { ForeseeInput } from "../../../../lib/kinds/kind.ts";
import { certificateOf } from "../../../../lib/kinds/pki/certificate.ts";
import { leftCertificate } from "../../../../lib/kinds/pki/left.ts";
import { chainIn, chainOf } from "../../../../lib/kinds/pki/look.ts";
import { leftOutOf, namesId } from "../../../../lib/kinds/pki/matches.ts";
import { pkiSecret } from "../../../../lib/kinds/pki/pki-secret.ts";
import type { ResolvedPkiSecret } from "../../../../lib/kinds/pki/resolve.ts";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aResolved } from "../issued/a-credential.ts";
import { ANSWER, aPkiRun, fail, type Given, inUse, obtained, REQUEST, SERIAL } from "./a-certificate.ts";
import { anAnswer, NOW } from "./answers.ts";

describe("a certificate that Vault issues", () => {
  it("is known by its serial number, end and issuer, told in its status, and replaced in its time", async () => {
    const { result, own } = await obtained();
    const issued = certificateOf(await ANSWER, "pki/issue/web");
    const { mount, names, ...made } = own.made ?? {};
    assert.deepEqual([typeof mount, names], ["string", namesId({ commonName: "web.example.com" })]);
    assert.deepEqual(made, { serial: SERIAL, expiration: NOW + HOUR_MS, chain: chainOf(issued) });
    assert.deepEqual(result.status, {
      ...{
        serialNumber: SERIAL,
        expiration: (NOW + HOUR_MS) / 1_000,
        lastRotation: NOW / 1_000,
        valid: true,
        error: "",
      },
    });
    // Half of 5 % of 40 minutes before its last third begins.
    assert.deepEqual(result.next, { at: NOW + HOUR_MS - HOUR_MS / 3 - 60_000 });
    assert.deepEqual(result.issues ?? [], []);
  });

  it("is recorded to be revoked, if its declaration says so", async () => {
    const { result } = await obtained({ pki: { revoke: true } });
    assert.deepEqual(
      result.issues?.map(({ certificate, tokenSeconds }) => [certificate, tokenSeconds]),
      [[{ serial: SERIAL, mount: "pki" }, 3_600]],
    );
  });

  it("keeps which names its role left out, and what Vault said of the next issuer", async () => {
    const names = { commonName: "web.example.com", altNames: ["gone.example.com"] };
    const { own } = await obtained({
      pki: { names },
      own: { keys: [], asks: [], made: { serial: "1", expiration: 1, nextChain: "n" } },
    });
    const { x509 } = certificateOf(await ANSWER, "pki/issue/web");
    assert.deepEqual([own.made?.leftOut, own.made?.nextChain], [leftOutOf(names, x509), "n"]);
  });

  it("is refused inside its renewal window", async () => {
    const { run } = aPkiRun({ pki: { expiryOffsetMs: 2 * HOUR_MS } });
    await assert.rejects(pkiSecret.obtain(run), (error: SyncError) => {
      assert.match(
        error.message,
        /^Vault's answer to POST pki\/issue\/web holds a certificate that is valid for 3600 s only/,
      );
      return error.code === "VAULT_CERTIFICATE_UNUSABLE";
    });
  });

  it("is revoked when it is refused, if its declaration says so", async () => {
    for (const [revoke, revocations] of [
      [true, ["pki revoke"]],
      [false, []],
    ] as const) {
      const { run, asked } = aPkiRun({ pki: { expiryOffsetMs: 2 * HOUR_MS, revoke } });
      await assert.rejects(pkiSecret.obtain(run), { code: "VAULT_CERTIFICATE_UNUSABLE" });
      assert.deepEqual(asked, revocations);
    }
  });

  it("has a status when it fails, which keeps the last certificate", () => {
    assert.deepEqual(pkiSecret.failedStatus?.(new SyncError("VAULT_DENIED", "no")), {
      valid: false,
      error: "VAULT_DENIED: no",
    });
  });
});

describe("a certificate that is in use", () => {
  const stays = async (given: Given, made?: JsonObject) => (await obtained(await inUse(given, made))).asked;

  it("stays while it has the declared names", async () => {
    assert.deepEqual(await stays({}), []);
    const names = { commonName: "web.example.com", altNames: ["new.example.com"] };
    assert.deepEqual(await stays({ pki: { names } }), ["pki issue/web"]);
    const { x509 } = certificateOf(await ANSWER, "pki/issue/web");
    const leftOut = leftOutOf(names, x509) ?? assert.fail();
    assert.deepEqual(await stays({ pki: { names } }, { leftOut }), []);
  });

  it("is replaced when the row does not know it, or Vault's last answer says so", async () => {
    assert.deepEqual(await stays({}, { serial: 7 as never }), ["pki issue/web"]);
    assert.deepEqual(await stays({}, { expiration: "7" as never }), ["pki issue/web"]);
    assert.deepEqual(await stays({}, { over: "its issuer changed" }), ["pki issue/web"]);
    assert.deepEqual(await stays({}, { over: 7, leftOut: 7, chain: 7, nextChain: 7 }), []);
  });

  it("stays where templates left it out of the Secret", async () => {
    const names = { commonName: "other.example.com" };
    assert.deepEqual(await stays({ pki: { names } }, { serial: "01", names: namesId(names) }), []);
    assert.deepEqual(await stays({ pki: { names } }, { serial: "01", names: "others" }), ["pki issue/web"]);
    assert.deepEqual(await stays({ pki: { names } }, { serial: "01" }), [], "a row of an earlier version");
  });
});

describe("lease-table 30: a certificate after an event in its mount", () => {
  const pem = async () => certificateOf(await ANSWER, "pki/issue/web");
  const tells = async (revoked: unknown, issuer?: string) => {
    const { issuer: own = "", chain } = await pem();
    return {
      [`cert/${SERIAL}`]: () => ({ certificate: "x", revocation_time: revoked }),
      "issuer/default/json": () => ({ certificate: issuer ?? own, ca_chain: chain }),
    };
  };
  const look = async (given: Given, made: JsonObject = {}) => obtained(await inUse({ verify: true, ...given }, made));

  it("stays when Vault has neither revoked it nor another issuer", async () => {
    const chain = chainOf(await pem()) ?? assert.fail();
    const one = await look({ tells: await tells(0) }, { chain });
    assert.deepEqual(one.asked, [`pki cert/${SERIAL}`, "pki issuer/default/json"]);
    assert.deepEqual([one.own.made?.nextChain, one.own.made?.over], [chain, undefined]);
    const request = { ...REQUEST, namespace: "team", path: "issuer/inter/issue/web" };
    const other = await look({ pki: { request } }, { chain });
    assert.deepEqual(other.asked, [`pki cert/${SERIAL} team`, "pki issuer/inter/json team"]);
  });

  it("is replaced when it was revoked, or the issuer of the next one is another", async () => {
    const chain = chainOf(await pem()) ?? assert.fail();
    const revoked = await look({ tells: await tells(1_700_000_000) }, { chain });
    assert.equal(revoked.asked.at(-1), "pki issue/web");
    const anew = certificateOf(await anAnswer(), "pki/issue/web").issuer ?? "";
    const issuer = await look({ tells: await tells(0, anew) }, { chain });
    assert.equal(issuer.asked.at(-1), "pki issue/web");
  });

  it("compares an issuer with what Vault told before, and with nothing when it tells none", async () => {
    const known = chainOf(await pem()) ?? assert.fail();
    for (const [made, isReplaced] of [
      [{ chain: "other", nextChain: known }, false],
      [{ chain: known, nextChain: "other" }, true],
      [{ nextChain: "other" }, true],
      [{}, false],
    ] as const) {
      const one = await look({ tells: await tells(0) }, made);
      assert.equal(one.asked.includes("pki issue/web"), isReplaced, JSON.stringify(made));
    }
    const untold = await look({ tells: {} }, { chain: "other" });
    assert.deepEqual([untold.asked.includes("pki issue/web"), untold.own.made?.nextChain], [false, undefined]);
  });

  it("compares all certificates between the issuer and its root, and no root", async () => {
    const [inter, other, root] = await Promise.all([
      anAnswer().then((given) => certificateOf(given, "p").issuer ?? ""),
      anAnswer().then((given) => certificateOf(given, "p").issuer ?? ""),
      anAnswer({ byRoot: true }).then((given) => certificateOf(given, "p").issuer ?? ""),
    ]);
    const of = (chain: readonly unknown[], certificate: unknown = inter) =>
      chainIn({ fields: new Map(Object.entries({ certificate, ca_chain: chain })) as never });
    assert.equal(of([inter, root]), of([inter]));
    assert.equal(of([]), of([inter]));
    assert.notEqual(of([inter, other]), of([inter]));
    assert.notEqual(of([other], other), of([inter]));
    assert.equal(of([inter, 7, "nonsense"]), of([inter]));
    assert.deepEqual([of([inter], 7), of([inter], "nonsense")], [undefined, undefined]);
    assert.equal(chainIn({ fields: new Map([["certificate", inter]]) }), of([]));
  });

  it("takes what Vault does not tell for no news, and an outage for one", async () => {
    for (const code of ["VAULT_PATH_MISSING", "VAULT_DENIED", "VAULT_ANSWER_INVALID", "VAULT_FAILED"] as const) {
      const one = await look({ tells: { [`cert/${SERIAL}`]: () => fail(code) } });
      assert.equal(one.asked.includes("pki issue/web"), false, code);
    }
    const { run } = aPkiRun(
      await inUse({ verify: true, tells: { [`cert/${SERIAL}`]: () => fail("VAULT_UNAVAILABLE") } }),
    );
    await assert.rejects(pkiSecret.obtain(run), { code: "VAULT_UNAVAILABLE" });
    assert.equal(issuedState(run.claim.row.state).inDoubt, true, "the next run asks again");
    const bug = aPkiRun(await inUse({ verify: true, tells: { [`cert/${SERIAL}`]: () => assert.fail("bug") } }));
    await assert.rejects(pkiSecret.obtain(bug.run), /bug/);
  });

  it("is looked at when the row is in doubt, and not without an event", async () => {
    const scene = await inUse({ tells: await tells(0) });
    assert.deepEqual((await obtained(scene)).asked, []);
    const doubt = await obtained({ ...scene, own: { ...scene.own, inDoubt: true } });
    assert.deepEqual([doubt.asked.length, doubt.own.inDoubt], [2, undefined]);
    assert.equal(aResolved().request.path, "creds/app");
  });
});

describe("what Vault Secrets Operator left of a certificate", () => {
  const left = async (
    status: JsonObject,
    {
      revoke = false,
      isSameSpec = true,
      altNames,
      data,
    }: { revoke?: boolean; isSameSpec?: boolean; altNames?: readonly string[]; data?: SecretData } = {},
  ) => {
    const issued = certificateOf(await ANSWER, "pki/issue/web");
    const held =
      data ??
      new Map([
        ["tls.crt", SecretValue.of(issued.pem)],
        ["tls.key", issued.privateKeyPem],
      ]);
    const names = { commonName: "web.example.com", ...(altNames && { altNames }) };
    const run = {
      resolved: { request: REQUEST, revoke, expiryOffsetMs: undefined, names },
      clock: () => NOW,
      random: () => 0,
    };
    const input = run as unknown as ForeseeInput<ResolvedPkiSecret>;
    return leftCertificate(input, { status: { serialNumber: SERIAL, ...status }, data: held, isSameSpec });
  };
  const present = { isPresent: true, issuedAt: NOW - 30_000, made: { serial: SERIAL, expiration: NOW + HOUR_MS } };
  const window = Math.floor((HOUR_MS + 30_000) / 3);

  it("is what its Secret proves", async () => {
    assert.deepEqual(await left({}), { ...present, replaceAt: NOW + HOUR_MS - window });
    assert.deepEqual((await left({ lastRotation: NOW / 1_000 - 10 }))?.issuedAt, NOW - 10_000);
    assert.deepEqual((await left({ serialNumber: SERIAL.toUpperCase() }))?.isPresent, true);
  });

  it("is revoked by the one after it, if its declaration says so and it has not ended", async () => {
    const certificate = { serial: SERIAL, mount: "pki", seconds: 3_600 };
    assert.deepEqual((await left({}, { revoke: true }))?.certificate, certificate);
    const gone = { revoke: true, data: new Map() };
    assert.deepEqual((await left({ expiration: NOW / 1_000 + 90 }, gone))?.certificate, {
      ...certificate,
      seconds: 90,
    });
    assert.equal((await left({ expiration: NOW / 1_000 }, gone))?.certificate, undefined);
    assert.equal((await left({}, gone))?.certificate, undefined);
  });

  it("is of no use without its certificate or its private key", async () => {
    const issued = certificateOf(await ANSWER, "pki/issue/web");
    const other = certificateOf(await anAnswer(), "pki/issue/web");
    const lonely = new Map([["tls.crt", SecretValue.of(issued.pem)]]);
    assert.deepEqual(await left({}, { data: lonely }), { isPresent: false, issuedAt: NOW - 30_000 });
    const foreign = new Map([...lonely, ["tls.key", other.privateKeyPem]]);
    assert.equal((await left({}, { data: foreign }))?.isPresent, false);
    assert.deepEqual(await left({}, { data: new Map() }), { isPresent: false, issuedAt: NOW });
    const broken = new Map([
      ...lonely,
      ["tls.key", SecretValue.of("-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----")],
    ]);
    assert.equal((await left({}, { data: broken }))?.isPresent, false);
    const damaged = new Map([
      ["tls.crt", SecretValue.of("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----")],
    ]);
    assert.equal((await left({}, { data: damaged }))?.isPresent, false);
  });

  it("lacks names that its role left out, if VSO synced this very declaration", async () => {
    const altNames = ["gone.example.com"];
    const made = async (isSameSpec: boolean) => (await left({}, { altNames, isSameSpec }))?.made?.leftOut;
    assert.equal(typeof (await made(true)), "string");
    assert.equal(await made(false), undefined);
  });

  it("is nothing without a serial number", async () => {
    for (const serialNumber of ["", "nonsense", 7, null, "0c:5e:ab:00:f", "0c-5e"]) {
      assert.equal(await left({ serialNumber }), undefined, String(serialNumber));
    }
  });
});
