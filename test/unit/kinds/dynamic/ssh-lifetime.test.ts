import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sshLifetime } from "../../../../lib/kinds/dynamic/ssh-lifetime.ts";

const NOW = Date.UTC(2030, 0, 1);
const HOUR_S = 3_600;
const END = BigInt(NOW / 1_000 + HOUR_S);

function text(value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(value)]);
}
function number(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** As OpenSSH's PROTOCOL.certkeys says, with so many strings of a public key. */
function aCertificate(type: string, keyParts: number, before: bigint): string {
  const key = Array.from({ length: keyParts }, (_, part) => text(`part-${part}`));
  const [serial, kind] = [number(7n), Buffer.from([0, 0, 0, 1])];
  const after = number(1n);
  const parts = [text(type), text("nonce"), ...key, serial, kind, text("id"), text("principals"), after];
  return `${type} ${Buffer.concat([...parts, number(before), text("options")]).toString("base64")}`;
}
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
