/** The three labels that mark a Secret's owner. They are VSO's, so that either tool can take over from the other. */
export const OWNER_LABELS: Readonly<Record<string, string>> = {
  "app.kubernetes.io/component": "secret-sync",
  "app.kubernetes.io/managed-by": "hashicorp-vso",
  "app.kubernetes.io/name": "vault-secrets-operator",
};

/** Holds the uid of the resource that owns a Secret. */
export const OWNER_UID_LABEL = "secrets.hashicorp.com/vso-ownerRefUID";

/** All labels that we own on a Secret: the owner's override the declared ones. */
export function desiredLabels(declared: Readonly<Record<string, string>>, uid: string): Record<string, string> {
  return { ...declared, ...OWNER_LABELS, [OWNER_UID_LABEL]: uid };
}
