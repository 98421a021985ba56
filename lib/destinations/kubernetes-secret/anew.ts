import { fingerprint } from "../../digest.ts";
import { type ErrorCode, SyncError } from "../../errors.ts";
import type { NamedObject } from "../../ports/objects.ts";
import type { DesiredSecret, SeenSecret } from "../../ports/secrets.ts";
import type { SecretWrites } from "../destination.ts";

/** The Secret that is deleted first still counts in a quota; and rights may be limited to names. */
const NOT_JUDGED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["QUOTA_EXCEEDED", "KUBE_DENIED"]);

/** Of a Secret's name, in characters. */
const MAX_NAME = 253;

/**
 * Tries, as a dry run under a name that no Secret has, to create what shall replace this Secret: throws what refuses it.
 * The API server refuses an update of the type before it asks webhooks and policies that validate, so only a creation
 * asks them.
 */
export async function rehearseAnew(
  secrets: Pick<SecretWrites, "rehearse">,
  secret: NamedObject,
  { uid }: Pick<SeenSecret, "uid">,
  desired: DesiredSecret,
  signal: AbortSignal,
): Promise<void> {
  const rehearsal = { kind: "apply", desired, precondition: { kind: "absent" } } as const;
  try {
    await secrets.rehearse({ ...secret, name: unusedName(secret.name, uid) }, rehearsal, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || !NOT_JUDGED.has(error.code)) throw error;
  }
}

/** Begins like the name, because policies tell Secrets apart by that; says in an audit log what it is. */
function unusedName(name: string, uid: string): string {
  const end = `-keyferry-dry-run-${fingerprint(uid)}`;
  return `${name.slice(0, MAX_NAME - end.length).replace(/[.-]+$/, "")}${end}`;
}
