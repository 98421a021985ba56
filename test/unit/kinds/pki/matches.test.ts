import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { certificateOf } from "../../../../lib/kinds/pki/certificate.ts";
import {
  type DeclaredNames,
  differences,
  leftOutOf,
  matchesNames,
  namesId,
} from "../../../../lib/kinds/pki/matches.ts";
import { anAnswer, type Order } from "./answers.ts";

const x509Of = async (order: Order) => certificateOf(await anAnswer(order), "pki/issue/web").x509;

const ALL = x509Of({
  subject: "CN=web.example.com, 0.9.2342.19200300.100.1.1=u1, 0.9.2342.19200300.100.1.1=u 2",
  names: [
    { type: "dns", value: "web.example.com" },
    { type: "dns", value: "WWW.Example.com" },
    { type: "dns", value: "*.x.example.com" },
    { type: "dns", value: "xn--bcher-kva.example" },
    { type: "dns", value: "a_b.example.com" },
    { type: "email", value: "Me@Example.com" },
    { type: "ip", value: "10.0.0.1" },
    { type: "ip", value: "2001:db8::1" },
    { type: "url", value: "spiffe://a/B%20c" },
    { type: "url", value: "urn:Foo:b,c" },
    { type: "url", value: 'urn:"q"' },
    { type: "upn", value: "dev@ops.com" },
  ],
});

const NAMES: DeclaredNames = {
  commonName: "web.example.com",
  altNames: ["www.example.com, *.x.example.com", "bücher.example", "a_b.example.com", "me@example.com", ""],
  ipSans: ["10.0.0.1", "2001:DB8::0:1"],
  uriSans: ["spiffe://a/B c", 'URN:"q"'],
  otherSans: ["1.3.6.1.4.1.311.20.2.3;UTF8:dev@ops.com", "1.3.6.1.4.1.311.20.2.3;utf-8:dev@ops.com"],
  userIDs: ["u1", "u 2"],
};

describe("the names of a certificate", () => {
  it("match when all declared ones are there, however Vault writes them", async () => {
    assert.deepEqual(differences(NAMES, await ALL), []);
    assert.ok(matchesNames(NAMES, await ALL));
  });

  it("match a declaration without names, since a role may add some", async () => {
    assert.deepEqual(differences({}, await ALL), []);
  });

  const others: ReadonlyArray<readonly [DeclaredNames, string]> = [
    [{ commonName: "other.example.com" }, "commonName other.example.com"],
    [{ altNames: ["other.example.com"] }, "altNames other.example.com"],
    [{ altNames: ["other@example.com"] }, "altNames other@example.com"],
    [{ altNames: ["10.0.0.1"] }, "altNames 10.0.0.1"],
    [{ ipSans: ["10.0.0.2"] }, "ipSans 10.0.0.2"],
    [{ ipSans: ["2001:db8::2"] }, "ipSans 2001:db8::2"],
    [{ uriSans: ["spiffe://a/other"] }, "uriSans spiffe://a/other"],
    [{ otherSans: ["1.3.6.1.4.1.311.20.2.3;UTF8:dev@ops.co"] }, "otherSans 1.3.6.1.4.1.311.20.2.3;UTF8:dev@ops.co"],
    [{ otherSans: ["1.3.6.1.4.1.311.20.2.4;UTF8:dev@ops.com"] }, "otherSans 1.3.6.1.4.1.311.20.2.4;UTF8:dev@ops.com"],
    [{ otherSans: ["nonsense"] }, "otherSans nonsense"],
    [{ userIDs: ["u3"] }, "userIDs u3"],
    [{ commonName: "web.example.com", excludeCNFromSans: true }, "excludeCNFromSans true"],
  ];
  for (const [names, difference] of others) {
    it(`differ by ${difference}`, async () => {
      const found = differences(names, await ALL);
      assert.ok(found.includes(difference), found.join("; "));
      assert.ok(!matchesNames(names, await ALL));
    });
  }

  it("lack a common name that is no longer excluded, if it is a name of a host or a mailbox", async () => {
    const bare = (subject: string) => x509Of({ subject });
    const of = async (commonName: string) => differences({ commonName }, await bare(`CN=${commonName}`));
    assert.deepEqual(await of("web.example.com"), ["excludeCNFromSans false"]);
    assert.deepEqual(await of("me@example.com"), ["excludeCNFromSans false"]);
    assert.deepEqual(await of("My App"), []);
    const excluded: DeclaredNames = { commonName: "web.example.com", excludeCNFromSans: true };
    assert.deepEqual(differences(excluded, await bare("CN=web.example.com")), []);
  });

  it("keep an excluded common name that the alternative names ask for", async () => {
    const both: DeclaredNames = {
      commonName: "web.example.com",
      excludeCNFromSans: true,
      altNames: ["web.example.com"],
    };
    assert.deepEqual(differences(both, await ALL), []);
  });

  it("match without those that the role left out before, until another one is missing", async () => {
    const names: DeclaredNames = { altNames: ["gone.example.com", "www.example.com"] };
    const leftOut = leftOutOf(names, await ALL);
    assert.ok(leftOut);
    assert.ok(matchesNames(names, await ALL, leftOut));
    assert.ok(!matchesNames({ altNames: ["gone.example.com", "new.example.com"] }, await ALL, leftOut));
    assert.ok(matchesNames({ altNames: ["www.example.com"] }, await ALL, leftOut));
    assert.equal(leftOutOf({ altNames: ["www.example.com"] }, await ALL), undefined);
  });

  it("are compared as addresses, of whatever form", async () => {
    const x509 = await x509Of({
      names: [
        { type: "ip", value: "10.1.2.254" },
        { type: "ip", value: "2001:db8::ff" },
      ],
    });
    for (const same of ["::ffff:10.1.2.254", "::ffff:0a01:02fe", "0:0:0:0:0:FFFF:a01:2fe", "10.1.2.254"]) {
      assert.deepEqual(differences({ ipSans: [same] }, x509), [], same);
    }
    for (const other of [
      "::fffe:10.1.2.254",
      "::ffff:10.1.2.253",
      "::ffff:10.1.3.254",
      "::10.1.2.254",
      "2001:db8::fe",
    ]) {
      assert.deepEqual(differences({ ipSans: [other] }, x509), [`ipSans ${other}`], other);
    }
    assert.deepEqual(differences({ ipSans: ["2001:0db8::00ff"] }, x509), []);
  });

  it("are found as other names of whatever length", async () => {
    const oid = "1.3.6.1.4.1.311.20.2.3";
    for (const length of [1, 100, 109, 110, 111, 127, 128, 240, 255, 256, 1_000]) {
      const value = "a".repeat(length);
      const x509 = await x509Of({ names: [{ type: "upn", value }] });
      assert.deepEqual(differences({ otherSans: [`${oid};UTF8:${value}`] }, x509), [], `of ${length} bytes`);
      assert.equal(differences({ otherSans: [`${oid};UTF8:${value}x`] }, x509).length, 1);
    }
  });

  it("are found as other names of whatever number", async () => {
    const numbers = "a014060d557f8100ff7f81800081808000a0030c0162";
    const wide = await x509Of({ holds: numbers });
    assert.deepEqual(differences({ otherSans: ["2.5.127.128.16383.16384.2097152;UTF8:b"] }, wide), []);
    const uid = "a012060a0992268993f22c640101a0040c02c3bc";
    const pilot = await x509Of({ holds: uid });
    assert.deepEqual(differences({ otherSans: ["0.9.2342.19200300.100.1.1;UTF8:ü"] }, pilot), []);
    for (const other of [
      "2.5.127.128.16383.16384.2097153",
      "2.6.127.128.16383.16384.2097152",
      "1.5.127.128.16383.16384.2097152",
    ]) {
      assert.equal(differences({ otherSans: [`${other};UTF8:b`] }, wide).length, 1, other);
    }
  });

  it("are compared in no time, whatever a declaration holds", async () => {
    const otherSans = [
      `1.2.${"9".repeat(200_000)};UTF8:a`,
      `${"1.".repeat(100_000)}1;UTF8:a`,
      `1.2.3;UTF8:${"a".repeat(200_000)}`,
    ];
    const ipSans = ["::1]/a", ":", "[::1]", "1:2:3:4:5:6:7:8:9"];
    assert.equal(differences({ otherSans, ipSans, uriSans: ["http://[", "%"] }, await ALL).length, 9);
  });
});

describe("the fingerprint of declared names", () => {
  const all: DeclaredNames = {
    ...{ commonName: "web.example.com", altNames: ["a.example.com", "b.example.com"], ipSans: ["10.0.0.1"] },
    ...{ uriSans: ["spiffe://web"], otherSans: ["1.2.3;UTF8:x"], userIDs: ["u1"], excludeCNFromSans: true },
  };

  it("is that of the same names in another order and form", () => {
    const same = {
      ...{ altNames: ["B.example.com,a.example.com", "b.example.com "], ipSans: ["::ffff:10.0.0.1"] },
      uriSans: ["spiffe://web", "spiffe://web"],
    };
    assert.equal(namesId({ ...all, ...same }), namesId(all));
    assert.equal(namesId({ commonName: "", altNames: [], excludeCNFromSans: false }), namesId({}));
  });

  it("is another one for each name that is new, missing or in another field", () => {
    const others: readonly DeclaredNames[] = [
      ...[{ commonName: "x" }, { altNames: ["a.example.com"] }, { ipSans: ["10.0.0.2"] }, { uriSans: [] }],
      ...[{ otherSans: ["1.2.3;UTF8:y"] }, { userIDs: ["u1", "u2"] }, { excludeCNFromSans: false }],
      { otherSans: ["u1"], userIDs: ["1.2.3;UTF8:x"] },
    ];
    const prints = [all, ...others.map((one) => ({ ...all, ...one }))].map(namesId);
    assert.equal(new Set(prints).size, prints.length);
  });
});
