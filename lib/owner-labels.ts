/** The three labels that say whose Secret it is: VSO's, so that either can take over from the other. */
export const OWNER_LABELS: Readonly<Record<string, string>> = {
  "app.kubernetes.io/component": "secret-sync",
  "app.kubernetes.io/managed-by": "hashicorp-vso",
  "app.kubernetes.io/name": "vault-secrets-operator",
};

/** Names the resource that a Secret belongs to, by uid. */
export const OWNER_UID_LABEL = "secrets.hashicorp.com/vso-ownerRefUID";

/** All labels of a Secret that we own: the owner's win over the declared ones. */
export function desiredLabels(declared: Readonly<Record<string, string>>, uid: string): Record<string, string> {
  return { ...declared, ...OWNER_LABELS, [OWNER_UID_LABEL]: uid };
}
