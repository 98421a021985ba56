import { SECOND_MS } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { canonical } from "../util/canonical.ts";
import type { Json } from "../util/json.ts";

/** The time-out of our own probe. A tenant's may be too short, and proves nothing then. */
const PROBE_TIMEOUT_MS = 3 * SECOND_MS;

/** How many ways to one Vault are tried at once. */
const MAX_WAYS = 8;

export type OutageDeps = Pick<ReconcileDeps, "vault" | "log">;

/**
 * Whether a Vault is out of reach or sealed, by a probe that tenants can't influence: without headers, server name or
 * CA of a tenant, and with our own time-out. It sends no secret, so any answer proves that a server is there. If a
 * gateway requires a header or a name, Vault itself must answer one of the ways that syncs use now. Undefined: it
 * answers. An error of another code: the probe could not be sent.
 */
export async function vaultOutage(
  deps: OutageDeps,
  ca: CaCache,
  plainly: readonly VaultTarget[],
  targetsNow: () => Promise<readonly VaultTarget[]>,
  signal: AbortSignal,
): Promise<SyncError | undefined> {
  const outage = await asked(distinct(plainly.map(plain)), (target) => deps.vault.probe(target, signal));
  if (outage?.code !== "VAULT_UNAVAILABLE") return outage;
  const others = distinct([...plainly, ...(await targetsNow())].flatMap(asDeclared));
  if (others.length === 0) return outage;
  const found = await asked(others, async (target) => {
    const sealStatus = await deps.vault.probe(await trusted(ca, target, signal), signal);
    // An answer without a seal status may come from a proxy instead of Vault.
    if (sealStatus !== "unsealed") throw outage;
  });
  if (found === undefined || found.code === "VAULT_SEALED") return found;
  deps.log.debug("vault-ways-failed", { circuit: outage.circuit, ways: others.length, code: found.code });
  return outage;
}

/** Tries all at once. Undefined as soon as one succeeds; otherwise the most significant error. */
async function asked<T>(
  targets: readonly VaultTarget[],
  work: (target: VaultTarget) => Promise<T>,
): Promise<SyncError | undefined> {
  try {
    await Promise.any(targets.slice(0, MAX_WAYS).map(async (target) => work(target)));
    return undefined;
  } catch (error) {
    const failures: readonly unknown[] = (error as AggregateError).errors;
    const errors = failures.filter((failure) => failure instanceof SyncError);
    if (errors.length < failures.length) throw failures.find((failure) => !(failure instanceof SyncError));
    const says = (code: ErrorCode) => errors.find((found) => found.code === code);
    return says("VAULT_SEALED") ?? says("VAULT_UNAVAILABLE") ?? errors[0];
  }
}

/** The way to a Vault of which only the address is known. */
export function addressAlone(address: string): VaultTarget {
  return { address, headers: {}, skipTlsVerify: true, timeoutMs: PROBE_TIMEOUT_MS };
}

/** The target with only the address of its VaultConnection. */
function plain({ address, cluster }: VaultTarget): VaultTarget {
  return { ...addressAlone(address), ...(cluster === undefined ? {} : { cluster }) };
}

/** With the headers and server name that a gateway may need, if there are any. */
function asDeclared(target: VaultTarget): readonly VaultTarget[] {
  const { tlsServerName, headers } = target;
  // Only headers may be secret: without them any certificate is accepted.
  if (Object.keys(headers).length > 0) {
    const { connection: _connection, place: _place, ...rest } = target;
    return [{ ...rest, timeoutMs: PROBE_TIMEOUT_MS }];
  }
  return tlsServerName === undefined ? [] : [{ ...plain(target), tlsServerName }];
}

function distinct(targets: readonly VaultTarget[]): readonly VaultTarget[] {
  return [...new Map(targets.map((target) => [canonical(target as unknown as Json), target])).values()];
}

async function trusted(ca: CaCache, target: VaultTarget, signal: AbortSignal): Promise<VaultTarget> {
  return target.caRef === undefined && target.caOf === undefined ? target : ca.resolve(target, signal);
}
