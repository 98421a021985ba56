import type { Complaint } from "../complaints.ts";
import type { CredentialRef, VaultIdentity } from "../reconcile/ports.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";

type Method = VaultIdentity["method"];
type Place = { readonly cluster: string; readonly namespace: string };

function required(path: readonly string[]): Complaint {
  return { path, message: "required" };
}

function secret(place: Place, name: string, key: string): CredentialRef {
  return { kind: "secret", ...place, name, key };
}

type TokenOptions = NonNullable<VaultAuthSpec["kubernetes"]>;

function serviceAccount(
  place: Place,
  name: string,
  options: Omit<TokenOptions, "role" | "serviceAccount">,
): CredentialRef {
  const { audiences = [], tokenExpirationSeconds } = options;
  return { kind: "serviceAccount", ...place, name, audiences, expirationSeconds: tokenExpirationSeconds };
}

function kubernetes(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { kubernetes: block } = auth;
  if (block?.role && block.serviceAccount) {
    return { kind: "kubernetes", role: block.role, credential: serviceAccount(place, block.serviceAccount, block) };
  }
  return [
    ...(block?.role ? [] : [required(["kubernetes", "role"])]),
    ...(block?.serviceAccount ? [] : [required(["kubernetes", "serviceAccount"])]),
  ];
}

/** With both, the service account is used, as VSO does. */
function jwt(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { jwt: block } = auth;
  if (block?.role && block.serviceAccount) {
    return { kind: "jwt", role: block.role, credential: serviceAccount(place, block.serviceAccount, block) };
  }
  if (block?.role && block.secretRef) {
    return { kind: "jwt", role: block.role, credential: secret(place, block.secretRef, "jwt") };
  }
  return [
    ...(block?.role ? [] : [required(["jwt", "role"])]),
    ...(block?.serviceAccount || block?.secretRef
      ? []
      : [{ path: ["jwt"], message: "needs serviceAccount or secretRef" }]),
  ];
}

function appRole(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { appRole: block } = auth;
  if (block?.roleId && block.secretRef) {
    return { kind: "appRole", roleId: block.roleId, credential: secret(place, block.secretRef, "id") };
  }
  return [
    ...(block?.roleId ? [] : [required(["appRole", "roleId"])]),
    ...(block?.secretRef ? [] : [required(["appRole", "secretRef"])]),
  ];
}

/** How this VaultAuth logs in, for resources at this place, or what it lacks (reference 2.3 and 11.1). */
export function loginMethod(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  switch (auth.method) {
    case "kubernetes":
      return kubernetes(auth, place);
    case "jwt":
      return jwt(auth, place);
    case "appRole":
      return appRole(auth, place);
    default:
      return [required(["method"])];
  }
}
