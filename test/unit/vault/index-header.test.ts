import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { vaultApi } from "../../../lib/vault/vault-api.ts";
import { forever, httpPeer, type Peer, reachOf } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const LOGIN = JSON.stringify({
  auth: { client_token: "hvs.x", lease_duration: 3_600, renewable: true, num_uses: 0, token_type: "service" },
});
const DATA = JSON.stringify({
  data: { data: { a: "1" }, metadata: { version: 3, created_time: "2026-01-01T00:00:00Z" } },
});

/** A node of Vault Enterprise, as its documentation describes it: `isBehind` until it is asked without a state. */
const aNode = (index: string, isBehind = false): Promise<Peer> =>
  httpPeer(({ url = "", headers }, response) => {
    if (url.endsWith("/login")) return response.writeHead(200, { "x-vault-index": index }).end(LOGIN);
    const lacks = isBehind && headers["x-vault-index"] !== undefined;
    return response.writeHead(lacks ? 412 : 200).end(lacks ? '{"errors":["required index state not present"]}' : DATA);
  });

/** The states that reads were asked with. */
async function readFrom(peer: Peer): Promise<readonly unknown[]> {
  const credentials = {
    credential: async () => ({ value: SecretValue.of("s") }),
    secret: async () => new Map(),
    annotations: async () => ({}),
  };
  const identity: VaultIdentity = {
    ...{ id: "one", target: peer.target, mount: "approle", headers: {} },
    method: {
      ...{ kind: "appRole", roleId: "role" },
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
    },
  };
  const read: VaultRead = { identity, by: aKey(), mount: "kv", path: "app", engine: "kv-v2", version: 0 };
  const vault = vaultApi({ clock: Date.now, credentials, log: QUIET, reachOf });
  try {
    assert.equal((await vault.read(read, forever)).version?.number, 3);
  } finally {
    await vault.close();
  }
  return peer.seen.filter(({ url }) => url?.includes("/kv/")).map(({ headers }) => headers["x-vault-index"]);
}

describe("the state in which Vault knows a token", () => {
  it("is sent with its reads, so that a node that lags does not refuse it", async () => {
    await using peer = await aNode("djE6abc==");
    assert.deepEqual(await readFrom(peer), ["djE6abc=="]);
  });

  it("is left out once the node says that it has not got there yet", async () => {
    await using peer = await aNode("djE6abc==", true);
    assert.deepEqual(await readFrom(peer), ["djE6abc==", undefined]);
  });

  it("is left out where it could not be in a header, or is none", async () => {
    for (const index of ["", "x".repeat(3_000), "a b"]) {
      await using peer = await aNode(index);
      assert.deepEqual(await readFrom(peer), [undefined]);
    }
  });
});
