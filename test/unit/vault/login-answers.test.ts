import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { activeToken } from "../../../lib/vault/active-token.ts";
import { type Grant, isRefusedToItself, login, revoke } from "../../../lib/vault/login.ts";
import { type VaultClient, type VaultQuestion, vaultClient } from "../../../lib/vault/vault-client.ts";
import { ANSWERED_MS, failure, forever, httpPeer, reachOf, targetAt } from "../../broken-peer.ts";

const NOW = Date.UTC(2030, 0, 1);
const YEAR_S = 366 * 24 * 3_600;

describe("a token that asks about itself", () => {
  const token = SecretValue.of("t");
  const place = { target: targetAt("https://vault.example") };
  const INVALID = '{"errors":["permission denied","invalid token"]}';

  /** What becomes of the request when Vault answers so; `over`: it is over, as was wanted. */
  const answered = (
    ask: (client: VaultClient) => Promise<unknown>,
    status: number,
    text = '{"errors":["no"]}',
  ): Promise<unknown> =>
    ask({ ask: async () => ({ status, text }) } as Partial<VaultClient> as VaultClient).then(
      (answer) => answer ?? "over",
      (error: unknown) => Object(error).code,
    );

  const REVOKED: readonly (readonly [status: number, text: string | undefined, becomes: string])[] = [
    [204, "", "over"],
    [200, "{}", "over"],
    [400, undefined, "VAULT_ANSWER_INVALID"],
    [403, undefined, "VAULT_DENIED"],
    [403, INVALID, "over"],
    [500, undefined, "VAULT_FAILED"],
  ];
  for (const [status, text, becomes] of REVOKED) {
    it(`and is revoked, with answer ${status} ${text ?? ""}: ${becomes}`, async () => {
      assert.equal(await answered((client) => revoke(client, place, token, forever), status, text), becomes);
    });
  }

  const LOOKED_UP: readonly (readonly [status: number, becomes: unknown])[] = [
    [200, false],
    [403, true],
    [404, false],
    [429, "VAULT_THROTTLED"],
    [500, "VAULT_FAILED"],
  ];
  for (const [status, becomes] of LOOKED_UP) {
    it(`may or may not do so, with answer ${status}: ${becomes}`, async () => {
      assert.equal(await answered((client) => isRefusedToItself(client, place, token, forever), status), becomes);
    });
  }
});

describe("a login with a file that fleet.yaml names", () => {
  const logsIn = async (text: string | undefined) => {
    const bodies: unknown[] = [];
    const client = {
      ask: async (_target: unknown, { body, method, path, repeatable, token }: VaultQuestion) => {
        assert.deepEqual([method, path, repeatable, token], ["POST", "auth/jwt/login", false, undefined]);
        bodies.push(body);
        return { status: 200, text: '{"auth":{"client_token":"t","lease_duration":60}}' };
      },
    } as Partial<VaultClient> as VaultClient;
    const identity: VaultIdentity = {
      ...{ id: "one", target: targetAt("https://vault.example"), mount: "jwt", headers: {} },
      method: { kind: "jwt", role: "app", credential: { kind: "file", path: "/run/token" } },
    };
    const credentials = {
      credential: () => assert.fail(),
      secret: () => assert.fail(),
      annotations: () => assert.fail(),
    };
    const readFile = async (path: string) => (path === "/run/token" && text !== undefined ? text : assert.fail(path));
    const deps = { client, credentials, clock: () => NOW, ...(text === undefined ? {} : { readFile }) };
    await login(deps, identity, forever);
    return bodies;
  };

  it("sends what is in it, without the newline at its end", async () => {
    assert.deepEqual(await logsIn("jwt.of.file\n"), [{ role: "app", jwt: "jwt.of.file" }]);
  });

  for (const text of ["", " \n", undefined]) {
    it(`is not sent when it holds ${JSON.stringify(text)}`, async () => {
      await assert.rejects(logsIn(text), {
        code: "REFERENCE_INVALID",
        message: /^\/run\/token of fleet.yaml is empty/,
      });
    });
  }
});

describe("what a login's answer says", () => {
  let client: VaultClient;
  before(() => {
    client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, strangerMs: ANSWERED_MS });
  });
  after(() => client.close());

  const credentials = {
    credential: async () => ({ value: SecretValue.of("s"), version: "1" }),
    secret: () => assert.fail(),
    annotations: () => assert.fail(),
  };
  const identityAt = (target: VaultIdentity["target"]): VaultIdentity => ({
    id: "one",
    target,
    mount: "approle",
    headers: {},
    method: {
      kind: "appRole",
      roleId: "role",
      credential: { kind: "secret", cluster: "c", namespace: "n", name: "s", key: "id" },
    },
  });
  const granted = async (text: string): Promise<{ grant: Grant; identity: VaultIdentity }> => {
    await using peer = await httpPeer((_, response) => response.end(text));
    const identity = identityAt(peer.target);
    return { grant: await login({ client, credentials, clock: () => NOW }, identity, forever), identity };
  };

  for (const duration of ["9007199254740991", "1e15", "40000000000"]) {
    it(`may be a life of ${duration} s: what is stored of it is a time that can be stored and said`, async () => {
      const { grant, identity } = await granted(`{"auth":{"client_token":"t","lease_duration":${duration}}}`);
      assert.ok(grant.ttlSeconds <= YEAR_S);
      const { endsAt, staleAt } = activeToken(identity, grant, NOW);
      for (const at of [endsAt, staleAt])
        assert.ok(at === Number.POSITIVE_INFINITY || new Date(at).toISOString() !== "");
    });
  }

  for (const duration of ["-1", '"long"', "null", "1e400", "[]"]) {
    it(`may be a life of ${duration} s, which is taken for none that is known`, async () => {
      const { grant } = await granted(
        `{"auth":{"client_token":"t","lease_duration":${duration},"num_uses":${duration}}}`,
      );
      assert.deepEqual([grant.ttlSeconds, grant.uses], [0, 0]);
    });
  }

  it("is given up when it is larger than 1 MiB", async () => {
    const long = granted(`{"auth":{"client_token":"${"t".repeat(1024 * 1024)}"}}`);
    assert.match((await failure(long, "VAULT_ANSWER_INVALID")).message, /larger than 1 MiB/);
  });
});
