import { type EpochMs, SECOND_MS } from "../../clock.ts";
import type { SyncError } from "../../errors.ts";
import { failureMessage } from "../../origins/status.ts";
import type { JsonObject } from "../../util/json.ts";

/** The current certificate, for a status. */
export interface CurrentCertificate {
  readonly serial: string;
  readonly expiration: EpochMs;
  readonly issuedAt: EpochMs;
}

/**
 * VSO's fields of a VaultPKISecret's status. Without a certificate those about it are left out, so that the status
 * keeps what it has: the serial number of a certificate that VSO issued.
 */
export function pkiStatus(current: CurrentCertificate | undefined, error?: SyncError): JsonObject {
  return {
    ...(current === undefined
      ? {}
      : {
          serialNumber: current.serial,
          expiration: Math.floor(current.expiration / SECOND_MS),
          lastRotation: Math.floor(current.issuedAt / SECOND_MS),
        }),
    valid: error === undefined,
    error: error === undefined ? "" : failureMessage(error),
  };
}
