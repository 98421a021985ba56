import type { EpochMs } from "../../clock.ts";
import { asObject } from "../../util/canonical.ts";
import { countOf, isOfVso, leaseIn, timeIn } from "../../vso/take-over/last-status.ts";
import type { Left, LeftByVso } from "../issued/issuing-kind.ts";
import type { ResolvedDynamicSecret } from "./resolve.ts";

/** Of `refreshAfter`: when data without a lease is read again. VSO read it at random times, so that needs no spread. */
const REFRESH_SHARE = 0.9;

/** The lease, rotation or data of a VaultDynamicSecret that VSO synced, by its status. */
export function leftDynamic(
  { request, allowStaticCreds, refreshAfterMs }: ResolvedDynamicSecret,
  { status, isSameSpec }: LeftByVso,
  now: EpochMs,
): Left | undefined {
  if (!isOfVso(status)) return undefined;
  const issuedAt = timeIn(status, "lastRenewalTime", now);
  if (issuedAt === undefined) return undefined;
  const lease = leaseIn(status);
  const isStatic = countOf(asObject(status.staticCredsMetaData)?.lastVaultRotation) > 0;
  // Reading a static role issues nothing.
  if (lease === undefined && allowStaticCreds && isStatic) return { isPresent: false, issuedAt, isLeaseless: true };
  if (lease === undefined) {
    if (refreshAfterMs === undefined) return undefined;
    const replaceAt = Math.floor(issuedAt + refreshAfterMs * REFRESH_SHARE);
    return { isPresent: isSameSpec, issuedAt, replaceAt, isLeaseless: true };
  }
  // A status is no proof: the lease must at least be of what is asked for here.
  if (!lease.id.startsWith(`${request.mount}/${request.path}/`)) return undefined;
  return {
    isPresent: isSameSpec,
    issuedAt,
    made: { requestId: lease.requestId },
    lease,
  };
}
