import assert from "node:assert/strict";
import type { VaultIdentity, VaultTarget } from "../../../lib/ports/vault.ts";
import type { IssueTarget, VaultRequest } from "../../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import type { VaultAnswer } from "../../../lib/vault/answer.ts";
import { vaultApi } from "../../../lib/vault/vault-api.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { QUIET } from "../aws/records.ts";

export const TARGET: VaultTarget = {
  address: "https://vault.example",
  headers: {},
  skipTlsVerify: false,
  timeoutMs: 60_000,
};
export const WAY: IssueTarget = { target: TARGET, loginNamespace: "team", namespace: "team/db" };
export const SERVICE = SecretValue.of("hvs.own");
export const BATCH = SecretValue.of("hvb.own");
export const REQUEST: VaultRequest = { method: "GET", mount: "database", path: "creds/app" };
export const LEASE = { id: "database/creds/app/x", seconds: 60 };
export const GRANT = {
  auth: { client_token: "hvs.t", lease_duration: 60, renewable: true, num_uses: 0, token_type: "service" },
};
export const ISSUED = {
  request_id: "r-1",
  lease_id: LEASE.id,
  lease_duration: 60,
  renewable: true,
  data: { username: "u", number: 12 },
};
export const DENIED = { errors: ["1 error occurred:\n\t* permission denied\n\n"] };
export const UNEXPLAINED = { errors: ["permission denied"] };
export const INVALID = { errors: ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"] };

export const IDENTITY: VaultIdentity = {
  id: "one",
  target: TARGET,
  mount: "approle",
  headers: {},
  method: {
    kind: "appRole",
    roleId: "role",
    credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
  },
};

interface Asked extends VaultQuestion {
  readonly timeoutMs: number;
}

type Answer = readonly [status: number, body?: unknown];

/** An end whose Vault gives these answers in turn, the last one again and again. */
export function anEnd(...answers: readonly Answer[]) {
  const asked: Asked[] = [];
  const counts: string[] = [];
  const ask = async ({ timeoutMs }: VaultTarget, question: VaultQuestion): Promise<VaultAnswer> => {
    const [status = 500, body] = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push({ ...question, timeoutMs });
    return { status, text: typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body) };
  };
  const client: VaultClient = { ask, isKnown: () => true, refuse: () => undefined, close: async () => undefined };
  const { issues, own } = vaultApi({
    clock: () => Date.UTC(2030, 0, 1),
    log: QUIET,
    metrics: {
      count: (name, labels) => void counts.push([name, ...Object.values(labels)].join(" ")),
      observe: () => undefined,
    },
    credentials: {
      credential: async () => ({ value: SecretValue.of("s"), version: "1" }),
      secret: () => assert.fail(),
      annotations: () => assert.fail(),
    },
    openClient: () => client,
  });
  return {
    issues,
    own,
    asked,
    paths: () => asked.map(({ method, path }) => `${method} ${path}`),
    counted: (name: string) => counts.filter((one) => one.startsWith(`keyferry_vault_${name}`)),
  };
}
