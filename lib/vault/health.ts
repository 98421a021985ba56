import { isLosslessNumber } from "lossless-json";
import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import { answerError, bodyOf, invalidAnswer } from "./vault-errors.ts";

/** What a Vault tells without a login. */
export interface VaultHealth {
  readonly version: string;
  readonly isSealed: boolean;
  readonly isInitialized: boolean;
  /** Its own time, in full seconds; undefined: it does not tell. */
  readonly time: EpochMs | undefined;
  /** The same at every address of one Vault; undefined while it is sealed. */
  readonly clusterId: string | undefined;
}

/** Any state of Vault is answered with 200, so that its body tells it. */
const HEALTH = "?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200";
const MOST = 64;

/** Throws a SyncError when it can't be reached, or is no Vault. */
export async function askHealth(
  client: Pick<VaultClient, "ask">,
  target: VaultTarget,
  signal: AbortSignal,
): Promise<VaultHealth> {
  const how = { purpose: "probe", method: "GET", repeatable: true } as const;
  const question: VaultQuestion = { ...how, path: "sys/health", query: HEALTH };
  const answer = await client.ask(target, question, signal);
  const asked = askedOf(target, question);
  if (answer.status !== 200) throw answerError(asked, answer);
  const { sealed, initialized, version, server_time_utc: time, cluster_id: id } = bodyOf(answer) ?? {};
  if (typeof sealed !== "boolean") throw invalidAnswer(asked, "has no seal status: does the address point at Vault?");
  return {
    version: typeof version === "string" ? version.slice(0, MOST) : "",
    isSealed: sealed,
    isInitialized: initialized !== false,
    time: isLosslessNumber(time) ? Number(time.value) * SECOND_MS : undefined,
    clusterId: typeof id === "string" && id !== "" ? id.slice(0, MOST) : undefined,
  };
}
