import type { EpochMs } from "../clock.ts";
import type { Warning } from "../origins/warnings.ts";

/** Its renewals are not answered: it ends then, or a little later. */
export function atRiskWarning(endsAt: EpochMs): Warning {
  const message =
    `Vault does not renew the credential in the Secret: it is valid until ${new Date(endsAt).toISOString()}, perhaps a ` +
    "little longer. keyferry tries on, and asks for another one when it has ended";
  return { type: "CredentialRenewed", status: "False", reason: "LeaseAtRisk", message };
}
