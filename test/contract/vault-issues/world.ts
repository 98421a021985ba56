import assert from "node:assert/strict";
import {
  type Cluster,
  type DatabaseRole,
  type HttpAnswer,
  type IssuerToken,
  type Postgres,
  type Vault,
  type VaultAnswer,
  waitFor,
} from "../../harness/index.ts";

export interface IssueServers {
  readonly vault: Vault;
  readonly postgres: Postgres;
  readonly cluster: Cluster;
}

/** A credential of the database as Vault answers it. */
export interface Credential {
  readonly leaseId: string;
  /** Of the lease, as the answer says. */
  readonly seconds: number;
  readonly user: string;
  readonly password: string;
}

let names = 0;
/** Tests of one file share their servers: each has roles of its own. */
export const fresh = (name: string): string => `${name}-${++names}`;

/** A role of the database engine, and a token that may ask it and nothing more. */
export async function databaseRole(
  { vault }: IssueServers,
  role: DatabaseRole = {},
  settings: Readonly<Record<string, string | number | boolean>> = {},
): Promise<{ readonly name: string; readonly path: string; readonly login: () => Promise<IssuerToken> }> {
  const name = fresh("db");
  const path = `database/creds/${name}`;
  await vault.putDatabaseRole(name, role);
  const { login } = await vault.putIssuer(name, { reads: [path] }, settings);
  return { name, path, login };
}

export function credentialOf(answer: HttpAnswer<VaultAnswer>): Credential {
  assert.equal(answer.status, 200, answer.text);
  const { lease_id = "", lease_duration = 0, data } = answer.body;
  return { leaseId: lease_id, seconds: lease_duration, user: String(data.username), password: String(data.password) };
}

export const ask = async (vault: Vault, path: string, token: string): Promise<Credential> =>
  credentialOf(await vault.request("GET", path, undefined, { token }));

export const renew = (vault: Vault, leaseId: string, increment: number, token = vault.token) =>
  vault.request("POST", "sys/leases/renew", { lease_id: leaseId, increment }, { token });

export const revokeSelf = async (vault: Vault, token: string): Promise<number> =>
  (await vault.request("POST", "auth/token/revoke-self", undefined, { token })).status;

/** Nothing of it in Vault's own list, and no such user in the database. */
export async function untilGone({ vault, postgres }: IssueServers, credential: Credential): Promise<void> {
  await waitFor(
    "the end of a lease and of its user",
    async () =>
      (await vault.lease(credential.leaseId)) === undefined && !(await postgres.roles()).includes(credential.user),
    60_000,
  );
  assert.equal(await postgres.login(credential.user, credential.password), false);
}

/** Creations of such a role wait for a lock: whoever holds it decides when they go on. */
const LOCK = 1;
export const HELD: DatabaseRole = { creationLock: LOCK };
export const holdCreations = ({ postgres }: IssueServers): Promise<AsyncDisposable> => postgres.lock(LOCK);

const CREATING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_advisory_xact_lock%' AND state = 'active'";
/** The database works on a creation, which is held. */
export const isCreating = async ({ postgres }: IssueServers): Promise<boolean> =>
  (await postgres.query(CREATING)).length > 0;

/** Vault has revoked what the token has so far, and forgotten the token. */
export const untilForgotten = (vault: Vault, accessor: string): Promise<unknown> =>
  waitFor("the end of a token", async () => {
    const { body } = await vault.request<{ data?: { keys?: readonly string[] } }>("LIST", "auth/token/accessors");
    return !body.data?.keys?.includes(accessor);
  });

/** Vault has answered this path, whoever still listened. */
export const untilAnswered = (vault: Vault, path: string, count = 1): Promise<unknown> =>
  waitFor(`an answer of ${path} in the audit log`, async () => {
    const lines = await vault.auditLines();
    return lines.filter(({ type, request }) => type === "response" && request.path === path).length >= count;
  });
