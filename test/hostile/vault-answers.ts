import type { CredentialRef, CredentialSource } from "../../lib/ports/credentials.ts";
import type { VaultIdentity, VaultRead } from "../../lib/ports/vault.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { vaultApi } from "../../lib/vault/vault-api.ts";
import { quiet } from "../contract/vault-world.ts";
import { outcomeOf, type Report, strayRejections, tally } from "./report.ts";
import { HOSTILE_TOKEN, scriptedVault } from "./scripted-vault.ts";

const JWT = "eyJ.of-a-tenant.never-to-be-seen";
/** At once; the end keeps a few connections. */
const WIDTH = 12;
const WITHIN_MS = 400;

const CREDENTIALS: CredentialSource = {
  credential: async () => ({ value: SecretValue.of(JWT) }),
  secret: async () => new Map(),
  annotations: async () => ({ "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app" }),
};

/**
 * Asks a Vault, and a token service of AWS, that answer at random, `count` times: each question ends, by an answer or by
 * a coded error.
 */
export async function vaultAnswers(seed: number, count: number): Promise<Report> {
  using stray = strayRejections();
  await using server = await scriptedVault(seed);
  const { address } = server;
  const end = vaultApi({
    clock: Date.now,
    credentials: CREDENTIALS,
    log: quiet,
    reachOf: () => ({ named: [address], onlyNamed: false, stsEndpoint: address }),
  });
  const outcomes = tally();
  const broke: string[] = [];
  const ask = async (at: number): Promise<void> => {
    const read = aRead(address, at % 40);
    const probes = at % 7 === 0;
    const call = (signal: AbortSignal): Promise<unknown> =>
      probes ? end.probe(read.identity.target, signal) : end.read(read, signal);
    const { kind, complaint } = await outcomeOf(call, WITHIN_MS, [JWT, HOSTILE_TOKEN]);
    outcomes.add(kind);
    if (complaint !== undefined) broke.push(`seed ${seed}, question ${at}: ${complaint}`);
  };
  let next = 0;
  const worker = async (): Promise<void> => {
    while (server.answers < count && next < count * 2) await ask(next++);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  await end.close();
  const tried = { answers: server.answers, ...outcomes.counts };
  return { part: "hostile Vault, its answers", tried, broke: [...broke, ...stray.seen] };
}

function aRead(address: string, who: number): VaultRead {
  const place = { cluster: "c", namespace: "n", name: "s" };
  const account: CredentialRef = { kind: "serviceAccount", ...place, audiences: [], expirationSeconds: 600 };
  const identity: VaultIdentity = {
    id: `identity-${who}`,
    target: { address, headers: {}, skipTlsVerify: false, timeoutMs: 200 },
    mount: "kubernetes",
    headers: {},
    method:
      who % 4 === 0
        ? { kind: "aws", role: "r", credential: account, stsEndpoint: address }
        : { kind: "kubernetes", role: "r", credential: account },
  };
  return { identity, mount: "kv", path: "p", engine: "kv-v2", version: 0 };
}
