import assert from "node:assert/strict";
import type { Log } from "../../../lib/ports/telemetry.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import type { ActiveToken } from "../../../lib/vault/active-token.ts";
import type { TokenCache } from "../../../lib/vault/token-cache.ts";
import { tokens } from "../../../lib/vault/tokens.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

export const START = Date.UTC(2030, 0, 1);
export const BY = aKey();

export function anIdentity(id: string, version = "1"): VaultIdentity {
  return {
    id,
    target: { address: "https://vault.example", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 },
    mount: "approle",
    headers: {},
    method: {
      kind: "appRole",
      roleId: id,
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id", version },
    },
  };
}
export const ONE = anIdentity("one");
export const OTHER = anIdentity("other");

/** A Vault that logs in whoever asks, and remembers what it was asked. The real one: vault-tokens.contract.ts. */
export function aVault() {
  const grant = { lease_duration: 3_600, renewable: true, num_uses: 0, token_type: "service" };
  const asked: string[] = [];
  const ended = new Set<string>();
  const world = {
    grant,
    asked,
    ended,
    now: START,
    logins: 0,
    refusesLogins: false,
    refusesRenewals: false,
    /** Goes on with a request that nobody waits for. */
    isDeaf: false,
    /** Fails revocations. */
    isSick: false,
    /** Of `verb`s. */
    count: (verb: string) => asked.filter((one) => one.startsWith(verb)).length,
    /** What a login waits for. */
    gate: Promise.resolve(),
  };
  const answer = (status: number, body: unknown) => ({ status, text: JSON.stringify(body) });
  const ask = async (_target: unknown, { path, body, token }: VaultQuestion, signal: AbortSignal) => {
    const held = token?.reveal().toString("utf8") ?? "";
    const role = (body as { role_id?: string } | undefined)?.role_id ?? "";
    asked.push(`${path.split("/").at(-1)} ${role || held}`);
    await world.gate;
    if (!world.isDeaf) signal.throwIfAborted();
    return path.endsWith("/login") ? loggedIn(role) : toToken(path.split("/").at(-1), held);
  };
  const loggedIn = (role: string) => {
    if (world.refusesLogins) return answer(400, { errors: ["invalid role or secret ID"] });
    world.logins += 1;
    return answer(200, { auth: { ...grant, client_token: `${role}-${world.logins}` } });
  };
  const toToken = (verb: string | undefined, held: string) => {
    if (ended.has(held)) return answer(403, { errors: ["permission denied", "invalid token"] });
    if (verb === "renew-self") {
      const refused = { errors: ["permission denied"] };
      return world.refusesRenewals ? answer(403, refused) : answer(200, { auth: { ...grant, client_token: held } });
    }
    if (verb === "revoke-self" && world.isSick) return answer(500, { errors: ["internal error"] });
    if (verb === "revoke-self") ended.add(held);
    return answer(200, {});
  };
  const process = (cache?: TokenCache, log: Log = QUIET) =>
    tokens({
      client: { ask } as Partial<VaultClient> as VaultClient,
      credentials: {
        credential: async () => ({ value: SecretValue.of("s"), version: "1" }),
        secret: () => assert.fail(),
        annotations: () => assert.fail(),
      },
      clock: () => world.now,
      log,
      cache,
    });
  return { ...world, world, process };
}

/** What runs beside who asked has been done: nothing here waits for anything outside of the process. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const textOf = (token: ActiveToken | undefined) => token?.value.reveal().toString("utf8");
