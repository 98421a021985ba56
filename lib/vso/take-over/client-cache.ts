import { createHmac, timingSafeEqual } from "node:crypto";
import { SyncError } from "../../errors.ts";
import type { ReconcileDeps } from "../../ports/deps.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { readingWay } from "../../reading-way.ts";
import { hasPowers } from "../../references/operator-namespace.ts";
import { SecretValue } from "../../secret-value.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";

/** The VaultAuth of a declaration, whose client is looked for. */
export interface ClientOf {
  readonly namespace: string;
  readonly auth: { readonly uid: string; readonly generation: number };
}

/** A token, or why there is none: the words follow "because". */
export type CachedToken = { readonly token: SecretValue } | { readonly because: string };

type Deps = Pick<ReconcileDeps, "leases" | "secrets">;

/**
 * The Vault token that Vault Secrets Operator stored in the operator namespace (persistence model
 * `direct-unencrypted`). The status that names it may be forged, so its labels must show that it is the client of the
 * same VaultAuth and namespace.
 */
export async function cachedToken(
  deps: Deps,
  settings: ClusterSettings,
  cacheKey: string | undefined,
  of: ClientOf,
  signal: AbortSignal,
): Promise<CachedToken> {
  if (cacheKey === undefined) return { because: "its status names no client of the operator" };
  const { name: cluster, operatorNamespace: namespace } = settings;
  const { operator } = (await deps.leases.cluster(cluster))?.state ?? {};
  if (!hasPowers(operator)) return { because: `namespace ${namespace} may not be the operator's` };
  const name = `vso-cc-${cacheKey}`;
  try {
    const stored = await deps.secrets.observe({ cluster, namespace, name }, readingWay(settings.observe), signal);
    if (stored === undefined) return { because: `the operator stored no token (Secret ${namespace}/${name})` };
    const key = await deps.secrets.findHmacKey(cluster, namespace, signal);
    return tokenIn(stored, { name, cacheKey, key: key.kind === "found" ? key.key : undefined }, of);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "KUBE_DENIED") throw error;
    return { because: `keyferry may not read Secret ${namespace}/${name}` };
  }
}

interface About {
  readonly name: string;
  readonly cacheKey: string;
  readonly key: Buffer | undefined;
}

function tokenIn({ labels, data }: SeenSecret, about: About, of: ClientOf): CachedToken {
  if (labels.encrypted === "true") return { because: "the operator's stored token is encrypted" };
  if (!isClientOf(labels, about, of)) {
    return { because: "the operator's stored token is of another VaultAuth, or of an earlier version of it" };
  }
  const secret = data.get("secret");
  if (secret === undefined) return { because: "the operator's stored token can't be read" };
  if (about.key !== undefined && !isSigned(secret, data.get("messageMAC"), about, about.key)) {
    return { because: "the operator's stored token has not the operator's MAC" };
  }
  const token = tokenOf(secret);
  return token === undefined ? { because: "the operator's stored token can't be read" } : { token };
}

function isClientOf(labels: SeenSecret["labels"], { cacheKey }: About, { namespace, auth }: ClientOf): boolean {
  return (
    labels.cacheKey === cacheKey &&
    labels["auth/UID"] === auth.uid &&
    labels["auth/generation"] === String(auth.generation) &&
    labels["provider/namespace"] === namespace
  );
}

/** HMAC-SHA256 of name, cache key and content. */
function isSigned(secret: SecretValue, mac: SecretValue | undefined, { name, cacheKey }: About, key: Buffer): boolean {
  const expected = createHmac("sha256", key)
    .update(name + cacheKey)
    .update(secret.reveal())
    .digest();
  const found = mac?.reveal();
  return found !== undefined && found.length === expected.length && timingSafeEqual(found, expected);
}

/** Of the answer to a login, as JSON. */
function tokenOf(secret: SecretValue): SecretValue | undefined {
  try {
    const { auth } = asObject(JSON.parse(secret.reveal().toString("utf8")) as Json) ?? {};
    const { client_token: token } = asObject(auth) ?? {};
    return typeof token === "string" && /^[\x21-\x7e]{1,4096}$/.test(token) ? SecretValue.of(token) : undefined;
  } catch {
    return undefined;
  }
}
