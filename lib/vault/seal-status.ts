import { SyncError } from "../errors.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { VaultAnswer } from "./answer.ts";
import type { Asked } from "./asked.ts";
import { SHORTEST_TIMEOUT_MS } from "./network-errors.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import { answerError, bodyOf, objectOf, sealedError } from "./vault-errors.ts";

/** Needs no token; standbys and sealed servers answer it too. */
const SEAL_STATUS = { method: "GET", path: "sys/seal-status", repeatable: true } as const;

/** Whether a server answers there, and its seal status. Any other answer only proves that a server is there. */
export async function askSealStatus(
  client: VaultClient,
  target: VaultTarget,
  signal: AbortSignal,
): Promise<"unsealed" | "answered"> {
  const question: VaultQuestion = { purpose: "seal-status", ...SEAL_STATUS };
  const patient = { ...target, timeoutMs: Math.max(target.timeoutMs, SHORTEST_TIMEOUT_MS) };
  try {
    return sealStatusOf(askedOf(patient, question), await client.ask(patient, question, signal));
  } catch (error) {
    if (isAnswer(error)) return "answered";
    throw error;
  }
}

/** A proxy that can't reach Vault. */
const UNREACHED = new Set([502, 503, 504]);

function sealStatusOf(asked: Asked, answer: VaultAnswer): "unsealed" | "answered" {
  if (UNREACHED.has(answer.status)) throw answerError(asked, answer);
  const { sealed, initialized } = (answer.status === 200 && bodyOf(answer)) || {};
  if (sealed === true || initialized === false) throw sealedError(asked, initialized !== false);
  return sealed === false ? "unsealed" : "answered";
}

/** Whether any server answered, Vault or not. A request that could not be sent has no cause. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof SyncError) || error.cause === undefined) return false;
  return error.code === "VAULT_TLS_REFUSED" || error.code === "VAULT_ANSWER_INVALID";
}

/**
 * For a VaultConnection's status, with the settings that its users use. A sealed Vault counts as reachable; any other
 * failure is thrown.
 */
export async function reach(client: VaultClient, target: VaultTarget, signal: AbortSignal): Promise<void> {
  const question: VaultQuestion = { purpose: "probe", ...SEAL_STATUS };
  const asked = askedOf(target, question);
  const answer = await client.ask(target, question, signal);
  if (answer.status !== 200) throw answerError(asked, answer);
  objectOf(asked, answer);
}
