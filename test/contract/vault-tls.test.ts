import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import type { VaultTarget } from "../../lib/ports/vault.ts";
import { vaultClient } from "../../lib/vault/vault-client.ts";
import { failure, forever, QUESTION, reachOf, targetAt } from "../broken-peer.ts";
import { type TestCa, testCa } from "../harness/certificates.ts";

const NAME = "vault.internal";

describe("a Vault behind TLS", () => {
  const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf });
  const server = createServer((_, response) => response.end("{}"));
  let [own, other]: TestCa[] = [];
  let address: string;
  before(async () => {
    [own, other] = await Promise.all([testCa("own"), testCa("other")]);
    server.setSecureContext(await (own ?? assert.fail()).serverCert(NAME, [NAME]));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    await client.close();
    server.close();
  });
  const asks = (target: Partial<VaultTarget>) => client.ask(targetAt(address, target), QUESTION, forever);
  const pems = () => ({ own: own?.pem ?? assert.fail(), other: other?.pem ?? assert.fail() });

  it("is trusted by its CA and its name, whatever else is in the bundle", async () => {
    const { own: ca, other: another } = pems();
    const tlsServerName = NAME;
    assert.equal((await asks({ caPem: ca, tlsServerName })).status, 200);
    assert.equal((await asks({ caPem: `${another}\nsome text\n${ca}`, tlsServerName })).status, 200);
  });

  it("is not trusted by another CA, under another name, or without a CA", async () => {
    const { own: ca, other: another } = pems();
    await failure(asks({ caPem: another, tlsServerName: NAME }), "VAULT_TLS_REFUSED");
    await failure(asks({ caPem: ca }), "VAULT_TLS_REFUSED");
    await failure(asks({ caPem: ca, tlsServerName: "vault.example.com" }), "VAULT_TLS_REFUSED");
    await failure(asks({ tlsServerName: NAME }), "VAULT_TLS_REFUSED");
  });

  it("is asked without a look at its certificate where that is declared, though the CA is none", async () => {
    assert.equal((await asks({ skipTlsVerify: true, caPem: "none" })).status, 200);
    const error = await failure(asks({ caPem: "none", tlsServerName: NAME }), "VAULT_TLS_REFUSED");
    assert.match(error.message, /is not a PEM certificate/);
  });
});
