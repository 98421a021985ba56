import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sshLifetime } from "../../../../lib/kinds/dynamic/ssh-lifetime.ts";
import { aCertificate } from "./an-ssh-certificate.ts";

const NOW = Date.UTC(2030, 0, 1);
const HOUR_S = 3_600;
const END = BigInt(NOW / 1_000 + HOUR_S);

const lifetimeOf = (signed: unknown, now = NOW) =>
  sshLifetime({ fields: new Map([["signed_key", signed]]) as Parameters<typeof sshLifetime>[0]["fields"] }, now);

const TYPES = [
  ["ssh-rsa-cert-v01@openssh.com", 2],
  ["ssh-dss-cert-v01@openssh.com", 4],
  ["ssh-ed25519-cert-v01@openssh.com", 1],
  ["ecdsa-sha2-nistp256-cert-v01@openssh.com", 2],
  ["ecdsa-sha2-nistp384-cert-v01@openssh.com", 2],
  ["ecdsa-sha2-nistp521-cert-v01@openssh.com", 2],
] as const;

describe("the lifetime of a signed SSH key", () => {
  for (const [type, parts] of TYPES) {
    it(`of ${type} lasts to the end that is in it`, () => {
      const certificate = aCertificate(type, parts, END);
      assert.equal(lifetimeOf(`${certificate}\n`), HOUR_S);
      assert.equal(lifetimeOf(` ${certificate} a comment`, NOW + 1_999), HOUR_S - 1);
    });
  }

  it("is not known of what has ended, of what never ends, and of other answers", () => {
    const ending = (before: bigint) => lifetimeOf(aCertificate("ssh-ed25519-cert-v01@openssh.com", 1, before));
    assert.equal(ending(BigInt(NOW / 1_000 + 1)), 1);
    assert.equal(ending(BigInt(NOW / 1_000)), undefined);
    assert.equal(ending(2n ** 64n - 1n), undefined);
    for (const signed of [undefined, 7, "", "ssh-rsa AAAA", "ssh-ed25519-cert-v01@openssh.com"])
      assert.equal(lifetimeOf(signed), undefined);
    const [type = "", cut = ""] = aCertificate("ssh-ed25519-cert-v01@openssh.com", 1, END).split(" ");
    assert.equal(lifetimeOf(`${type} ${cut.slice(0, 40)}`), undefined);
  });
});
