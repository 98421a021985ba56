import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { after, describe, it } from "node:test";
import { guardedBy, isNotAllowed, mustBeUnicastHost, notAllowed } from "../../../lib/vault/address-guard.ts";
import { isUnicastHost } from "../../../lib/vault/ip-rule.ts";
import { type VaultClient, vaultClient } from "../../../lib/vault/vault-client.ts";
import type { VaultReach } from "../../../lib/vault-reach.ts";
import { ANSWERED_MS, failure, httpPeer, readFrom, TOKEN, targetAt } from "../../broken-peer.ts";

const CODE = "VAULT_ADDRESS_NOT_ALLOWED";
const GOOD = JSON.stringify({
  data: { data: { a: "1" }, metadata: { version: 3, created_time: "2026-01-01T00:00:00Z" } },
});
const clients: VaultClient[] = [];
after(() => Promise.all(clients.map((client) => client.close())));

function clientFor(reach: Partial<VaultReach> = {}): VaultClient {
  const reachOf = () => ({ named: [], onlyNamed: false, ...reach });
  const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, strangerMs: ANSWERED_MS });
  clients.push(client);
  return client;
}
const vault = () => httpPeer((_, response) => response.end(GOOD));

describe("an IP address that a resource may have us connect to", () => {
  for (const address of [
    ...["8.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "2606:4700::1111", "fd12:3456::1"],
    ...["::ffff:10.0.0.1", "64:ff9b::808:808", "64:ff9b:2::1", "2002:808:808::1"],
  ]) {
    it(`${address}`, () => assert.equal(isUnicastHost(address), true));
  }
});

describe("an IP address that no resource may have us connect to", () => {
  for (const [what, ...addresses] of [
    ["loopback", "127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::7f00:1"],
    ["unspecified", "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    ["link-local", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1"],
    ["multicast and broadcast", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "ff02::1"],
    ["metadata", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
    ["metadata in IPv6", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "::ffff:169.254.169.254"],
    ["IPv4 behind a translator", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2001:0:1::1"],
    ["the last address of a network", "0.255.255.255", "::ffff:ffff", "feff::1", "ffff::1", "fd00:ec2:8000::1"],
    ["the last address of a tunnel", "2001:0:8000::1", "64:ff9b:1:8000::1", "::ffff:0:ff00:1"],
    ["metadata behind a translator", "64:ff9b::6464:64c8", "64:ff9b::a83f:8110", "64:ff9b::c000:c0"],
    ["metadata behind 6to4", "2002:6464:64c8:8000::1", "2002:a83f:8110:8000::1", "2002:c000:c0::1"],
    ["no address at all", "", "vault", "127.1", "1.2.3.4.5"],
  ] as const) {
    it(what, () => {
      for (const address of addresses) assert.equal(isUnicastHost(address), false, address);
    });
  }
});

describe("a name is judged by what it resolves to", () => {
  const resolved = (addresses: readonly LookupAddress[], options: Parameters<LookupFunction>[1] = {}) => {
    const guarded = guardedBy((_name, asked, callback) => {
      assert.equal(asked.all, true, "every address is judged");
      callback(null, [...addresses]);
    });
    return new Promise<unknown>((resolve) => {
      guarded("vault.example", options, (error, found) => resolve(error ?? found));
    });
  };
  const PUBLIC = { address: "192.0.2.1", family: 4 };

  it("and it is that answer which is connected to: another one the next time gains nothing", async () => {
    assert.deepEqual(await resolved([PUBLIC], { all: true }), [PUBLIC]);
    assert.equal(await resolved([PUBLIC]), PUBLIC.address);
  });

  it("asked as the caller asks, and what fails fails as it did", async () => {
    const failed = new Error("no such name");
    const guarded = guardedBy((name, asked, callback) => {
      assert.deepEqual([name, asked], ["vault.example", { family: 6, all: true }]);
      callback(failed as NodeJS.ErrnoException, []);
    });
    const found = await new Promise((resolve) => guarded("vault.example", { family: 6 }, (error) => resolve(error)));
    assert.equal(found, failed);
  });

  it("and not before: what is an address already is judged as it stands", () => {
    for (const host of ["vault.example", "8.8.8.8", "[2606:4700::1111]"]) mustBeUnicastHost(host);
    for (const host of ["127.0.0.1", "[::1]", "::1"]) assert.throws(() => mustBeUnicastHost(host), isNotAllowed);
  });

  it("every address of it", async () => {
    const loopback = { address: "::1", family: 6 };
    for (const addresses of [[loopback], [PUBLIC, loopback], [loopback, PUBLIC], []]) {
      assert.ok(isNotAllowed(await resolved(addresses, { all: true })));
    }
  });
});

describe("what was not allowed", () => {
  it("is known by what caused a failure, however deep, and nothing else is taken for it", async () => {
    let refused: unknown;
    try {
      mustBeUnicastHost("127.0.0.1");
    } catch (error) {
      refused = error;
    }
    const other = Object.assign(new Error("reset"), { code: "ECONNRESET" });
    assert.ok(isNotAllowed(new Error("outer", { cause: new Error("inner", { cause: refused }) })));
    for (const error of [other, new Error("outer", { cause: other }), "text", undefined, null]) {
      assert.equal(isNotAllowed(error), false);
    }
  });

  it("is an error that left nothing behind, and says what rule there is", () => {
    const ofMany = notAllowed("a login", { named: [], onlyNamed: false });
    const ofNamed = notAllowed("a login", { named: [], onlyNamed: true });
    assert.deepEqual([ofMany.code, ofMany.outcome], [CODE, "none"]);
    assert.match(ofMany.message, /loopback, link-local, multicast or metadata/);
    assert.match(ofNamed.message, /only what it names/);
  });
});

describe("a Vault at a private address", () => {
  const [here] = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ family, internal, address }) => family === "IPv4" && !internal && isUnicastHost(address));

  it("is asked without being named", {
    skip: here === undefined && "this machine has no address but loopback",
  }, async () => {
    await using peer = await httpPeer((_, response) => response.end(GOOD), here?.address);
    await readFrom(clientFor(), peer.target);
    assert.equal(peer.seen.length, 1);
    await failure(readFrom(clientFor({ onlyNamed: true }), peer.target), CODE);
  });
});

describe("a Vault on loopback", () => {
  it("is not asked unless fleet.yaml names it, by number or by name, open or closed: the words are the same", async () => {
    await using peer = await vault();
    const gone = await vault();
    await gone[Symbol.asyncDispose]();
    const { port } = new URL(peer.target.address);
    const client = clientFor();
    const messages: string[] = [];
    for (const { address } of [peer.target, gone.target]) {
      const error = await failure(readFrom(client, targetAt(address)), CODE);
      assert.equal(error.circuit, undefined);
      messages.push(error.message.replace(address, "ADDRESS"));
    }
    assert.equal(messages[0], messages[1]);
    for (const host of ["localhost", "127.1", "0x7f000001", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]"]) {
      await failure(readFrom(client, targetAt(`http://${host}:${port}`)), CODE);
      await failure(readFrom(client, targetAt(`https://${host}:${port}`)), CODE);
    }
    assert.equal(peer.connections, 0);
  });

  it("is asked where fleet.yaml names it: that address, and nothing beside it", async () => {
    await using peer = await vault();
    const client = clientFor({ named: [`${peer.target.address}/vault`] });
    await readFrom(client, targetAt(`${peer.target.address}/vault/`));
    assert.equal(peer.seen.length, 1);
    for (const path of ["", "/other", "/vault2", "/vault/v1", "/vault/../other"]) {
      await failure(readFrom(client, targetAt(`${peer.target.address}${path}`)), CODE);
    }
    assert.equal(peer.seen.length, 1);
  });

  it("is not reached by a redirect: nothing is sent there, and nothing is told of it", async () => {
    await using service = await vault();
    const gone = await vault();
    await gone[Symbol.asyncDispose]();
    const messages: string[] = [];
    for (const { address } of [service.target, gone.target]) {
      await using theirs = await httpPeer((request, response) =>
        response.writeHead(307, { location: `${address}${request.url}` }).end(),
      );
      const client = clientFor({ named: [theirs.target.address] });
      const { message } = await failure(readFrom(client, theirs.target), CODE);
      messages.push(message.replace(theirs.target.address, "THEIRS").replace(address, "THERE"));
      const byName = address.replace("127.0.0.1", "localhost");
      await using again = await httpPeer((request, response) =>
        response.writeHead(307, { location: `${byName}${request.url}` }).end(),
      );
      await failure(readFrom(clientFor({ named: [again.target.address] }), again.target), CODE);
    }
    assert.equal(messages[0], messages[1]);
    assert.match(messages[0] ?? "", /was not sent to THERE, where it is redirected/);
    assert.equal(service.connections, 0);
  });

  it("is reached by a redirect to what fleet.yaml names, as a standby makes it", async () => {
    await using active = await vault();
    await using standby = await httpPeer((request, response) =>
      response.writeHead(307, { location: `${active.target.address}${request.url}` }).end(),
    );
    const named = [standby.target.address, active.target.address];
    await readFrom(clientFor({ named, onlyNamed: true }), standby.target);
    assert.equal(active.seen[0]?.headers["x-vault-token"], TOKEN);
  });
});

describe("a cluster for which only named Vaults may be asked", () => {
  it("reaches no other, wherever it lies, and no name is looked up for it", async () => {
    await using peer = await vault();
    const client = clientFor({ named: [peer.target.address], onlyNamed: true });
    await readFrom(client, peer.target);
    for (const address of ["https://vault.invalid:8200", "https://192.0.2.1:8200", "http://127.0.0.1:1"]) {
      const error = await failure(readFrom(client, targetAt(address)), CODE);
      assert.match(error.message, /reach only what it names/);
    }
  });

  it("is one cluster: connections that another one opened are not used for it", async () => {
    await using peer = await vault();
    const reachOf = (cluster: string | undefined) => ({
      named: cluster === "trusted" ? [peer.target.address] : [],
      onlyNamed: false,
    });
    const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, strangerMs: ANSWERED_MS });
    clients.push(client);
    await readFrom(client, { ...peer.target, cluster: "trusted" });
    await failure(readFrom(client, { ...peer.target, cluster: "other" }), CODE);
    await failure(readFrom(client, peer.target), CODE);
    assert.equal(peer.seen.length, 1);
  });
});
