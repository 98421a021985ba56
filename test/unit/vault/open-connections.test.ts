import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rootCertificates } from "node:tls";
import { openConnections } from "../../../lib/vault/open-connections.ts";
import { askedOf } from "../../../lib/vault/vault-client.ts";
import { QUESTION, targetAt } from "../../broken-peer.ts";

describe("the connections that are kept", () => {
  it("have no more than 32 MiB of CA bundles: beyond that the ones that were not used for longest are closed", async () => {
    const connections = openConnections({ clock: () => 0, connections: 1 });
    const caPem = String(rootCertificates[0]).padEnd(256 * 1_024);
    const open = (at: number) => {
      const target = targetAt(`https://vault-${at}.test`, { caPem });
      return connections.of(target, askedOf(target, QUESTION));
    };
    const [first, second] = [open(0), open(1)];
    for (let at = 2; at < 127; at++) open(at);
    assert.equal(open(0), first);
    for (let at = 127; at < 130; at++) open(at);
    assert.equal(open(0), first);
    assert.notEqual(open(1), second);
    await connections.close();
  });
});
