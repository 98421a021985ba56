import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressProblem, declaredAddressProblem, normalAddress } from "../../lib/vault-address.ts";
import { NOTHING_NAMED, wayTo, wayToSts } from "../../lib/vault-reach.ts";

const OWN = "sts.eu-west-1.amazonaws.com";
const INSIDE = "https://sts.internal";

describe("the way to a Vault", () => {
  it("where nobody says anything is checked, and nothing is named", () => {
    assert.deepEqual(NOTHING_NAMED, { named: [], onlyNamed: false });
    assert.equal(wayTo(NOTHING_NAMED, "https://vault"), "checked");
  });

  it("is open to what is named, and where only that may be asked to nothing else", () => {
    const named = ["https://vault"];
    assert.equal(wayTo({ named, onlyNamed: true }, "https://vault"), "named");
    assert.equal(wayTo({ named, onlyNamed: true }, "https://other"), undefined);
    assert.equal(wayTo({ named, onlyNamed: false }, "https://other"), "checked");
  });
});

describe("the way to the token service of AWS", () => {
  const reach = { named: [], onlyNamed: true, stsEndpoint: INSIDE };

  it("is open to the one that fleet.yaml names, in any spelling", () => {
    assert.equal(wayToSts(reach, `${INSIDE}/`, OWN), "named");
    assert.equal(wayToSts({ ...reach, onlyNamed: false }, INSIDE, OWN), "named");
  });

  it("is checked for AWS's own host, and for others where not only what is named may be asked", () => {
    assert.equal(wayToSts(reach, `https://${OWN}`, OWN), "checked");
    assert.equal(wayToSts({ ...reach, onlyNamed: false }, "https://sts.example", OWN), "checked");
    assert.equal(wayToSts({ ...reach, onlyNamed: false }, `https://${OWN}`, OWN), "checked");
  });

  it("is closed to others where only what is named may be asked", () => {
    assert.equal(wayToSts(reach, "https://sts.example", OWN), undefined);
    assert.equal(wayToSts(reach, `http://${OWN}`, OWN), undefined);
  });
});

describe("an address of Vault", () => {
  it("has one spelling", () => {
    assert.equal(normalAddress("HTTPS://Vault.Example:443/base//"), "https://vault.example/base");
    assert.equal(normalAddress("no address/"), "no address");
  });

  it("is a base URL, and nothing beside", () => {
    for (const address of ["https://vault", "http://vault:8200/base"]) assert.equal(addressProblem(address), undefined);
    for (const [address, problem] of [
      ["vault", /begins with http/],
      ["ftp://vault", /begins with http/],
      ["https://user@vault", /user name or password/],
      ["https://:password@vault", /user name or password/],
      ["https://vault?a=b", /query or a fragment/],
      ["https://vault#a", /query or a fragment/],
      ["https://vault/a b", /spaces or control/],
      ["https://vault/a\u0000", /spaces or control/],
    ] as const) {
      assert.match(addressProblem(address) ?? "", problem, address);
      assert.match(declaredAddressProblem(address) ?? "", problem, address);
    }
  });

  it("has at most 512 characters as a URL where it is declared; what was stored before is used", () => {
    const long = (length: number, letter = "a") => `https://vault/${letter.repeat(length - 14)}`;
    for (const address of [long(512), `${long(510)}//`]) assert.equal(declaredAddressProblem(address), undefined);
    // Each of these letters has two bytes, of three characters each in a URL.
    for (const address of [long(513), long(2_000), long(100, "ü"), long(300_000)]) {
      assert.match(declaredAddressProblem(address) ?? "", /at most 512 characters/, `${address.length}`);
      assert.equal(addressProblem(address), undefined);
    }
  });
});
