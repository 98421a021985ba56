import { isDnsLabel } from "../names.ts";
import type { CredentialRef, LoginCredential } from "../ports/credentials.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { AwsMethod, VaultIdentity } from "../ports/vault.ts";
import type { Complaint } from "../util/complaints.ts";
import { addressProblem, normalAddress } from "../vault-address.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";

type Method = VaultIdentity["method"];
type Place = { readonly cluster: ClusterSettings; readonly namespace: string };

function required(path: readonly string[]): Complaint {
  return { path, message: "required" };
}

function secret({ cluster, namespace }: Place, name: string, key: string): CredentialRef {
  return { kind: "secret", cluster: cluster.name, namespace, name, key };
}

type TokenOptions = NonNullable<VaultAuthSpec["kubernetes"]>;

function serviceAccount(
  { cluster, namespace }: Place,
  name: string,
  options: Omit<TokenOptions, "role" | "serviceAccount">,
): CredentialRef & { readonly kind: "serviceAccount" } {
  const { audiences = [], tokenExpirationSeconds } = options;
  const place = { cluster: cluster.name, namespace };
  return { kind: "serviceAccount", ...place, name, audiences, expirationSeconds: tokenExpirationSeconds };
}

/**
 * Whether Vault receives a token for the cluster's own API server: any server at that address could use it there as
 * this service account.
 */
export function lacksAudience({ method, kubernetes, jwt }: VaultAuthSpec): boolean {
  const block = method === "kubernetes" ? kubernetes : method === "jwt" ? jwt : undefined;
  return Boolean(block?.serviceAccount) && !block?.audiences?.some((audience) => audience !== "");
}

/** The fleet can require audiences. */
function audienceComplaints(
  method: "kubernetes" | "jwt",
  auth: VaultAuthSpec,
  { cluster }: Place,
): readonly Complaint[] {
  if (!cluster.vault?.requireAudiences || !lacksAudience(auth)) return [];
  const message = "required, since fleet.yaml sets vault.requireAudiences for this cluster: name Vault's audience";
  return [{ path: [method, "audiences"], message }];
}

/** Whether an audience is among what a login lacks: only the fleet requires one. */
export function needsAudience(complaints: readonly Complaint[]): boolean {
  return complaints.some(({ path }) => path.at(-1) === "audiences");
}

function kubernetes(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { kubernetes: block } = auth;
  const complaints = audienceComplaints("kubernetes", auth, place);
  if (block?.role && block.serviceAccount && complaints.length === 0) {
    return { kind: "kubernetes", role: block.role, credential: serviceAccount(place, block.serviceAccount, block) };
  }
  return [
    ...(block?.role ? [] : [required(["kubernetes", "role"])]),
    ...(block?.serviceAccount ? [] : [required(["kubernetes", "serviceAccount"])]),
    ...complaints,
  ];
}

/** With both, the service account is used, as by VSO. */
function jwt(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { jwt: block } = auth;
  const complaints = audienceComplaints("jwt", auth, place);
  if (block?.role && block.serviceAccount && complaints.length === 0) {
    return { kind: "jwt", role: block.role, credential: serviceAccount(place, block.serviceAccount, block) };
  }
  if (block?.role && block.secretRef && complaints.length === 0) {
    return { kind: "jwt", role: block.role, credential: secret(place, block.secretRef, "jwt") };
  }
  return [
    ...(block?.role ? [] : [required(["jwt", "role"])]),
    ...(block?.serviceAccount || block?.secretRef
      ? []
      : [{ path: ["jwt"], message: "needs serviceAccount or secretRef" }]),
    ...complaints,
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

/** VSO's defaults for a service account with an IAM role; its annotations override them. */
const IRSA = { audiences: ["sts.amazonaws.com"], tokenExpirationSeconds: 86_400 };

/** With several, the Secret is used; with none, the identity of this process, as VSO uses that of its node. */
function awsCredential(block: NonNullable<VaultAuthSpec["aws"]>, place: Place): LoginCredential {
  if (block.secretRef) return secret(place, block.secretRef, "access_key_id");
  if (block.irsaServiceAccount) return serviceAccount(place, block.irsaServiceAccount, IRSA);
  return { kind: "process" };
}

function aws(auth: VaultAuthSpec, place: Place): AwsMethod | readonly Complaint[] {
  const { aws: block } = auth;
  if (!block?.role) return [required(["aws", "role"])];
  const { role, region, headerValue, sessionName } = block;
  const stsEndpoint = place.cluster.vault?.stsEndpoint ?? block.stsEndpoint;
  const problem = stsEndpoint ? addressProblem(stsEndpoint) : undefined;
  if (problem) return [{ path: ["aws", "stsEndpoint"], message: problem }];
  if (region && !isDnsLabel(region)) {
    return [{ path: ["aws", "region"], message: "must be the name of a region, such as eu-central-1" }];
  }
  return {
    kind: "aws",
    role,
    credential: awsCredential(block, place),
    ...(region ? { region } : {}),
    ...(headerValue ? { headerValue } : {}),
    ...(sessionName ? { sessionName } : {}),
    ...(stsEndpoint ? { stsEndpoint: normalAddress(stsEndpoint) } : {}),
  };
}

/** The TTL of the token that Google receives, in seconds. */
const GCP_TOKEN_SECONDS = 600;

/** unsupported.ts has checked that region, clusterName and projectID are set. */
function gcp(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  const { role, workloadIdentityServiceAccount: name, region, clusterName, projectID } = auth.gcp ?? {};
  if (role && name && region && clusterName && projectID) {
    const token = { audiences: [`${projectID}.svc.id.goog`], tokenExpirationSeconds: GCP_TOKEN_SECONDS };
    return { kind: "gcp", role, credential: serviceAccount(place, name, token), region, clusterName, projectID };
  }
  return Object.entries({ role, workloadIdentityServiceAccount: name, region, clusterName, projectID }).flatMap(
    ([field, value]) => (value ? [] : [required(["gcp", field])]),
  );
}

/** How this VaultAuth logs in for resources at this place, or what it lacks. */
export function loginMethod(auth: VaultAuthSpec, place: Place): Method | readonly Complaint[] {
  switch (auth.method) {
    case "kubernetes":
      return kubernetes(auth, place);
    case "jwt":
      return jwt(auth, place);
    case "appRole":
      return appRole(auth, place);
    case "aws":
      return aws(auth, place);
    case "gcp":
      return gcp(auth, place);
    default:
      return [required(["method"])];
  }
}
