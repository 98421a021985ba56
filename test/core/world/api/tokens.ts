import type { WorldTime } from "../time.ts";
import { isObject, type Json } from "./fields.ts";
import type { Stored } from "./objects.ts";

const MIN_SECONDS = 600;

/** What its tokens say that they were made by. */
export const issuerOf = (cluster: string): string => `https://${cluster}.cluster.test`;

/** The answer to a TokenRequest. Nobody signs it: a Vault in memory believes what stands in it. */
export function serviceAccountToken(
  { name: cluster, time }: { readonly name: string; readonly time: WorldTime },
  { metadata }: Stored,
  body: unknown,
): Json {
  const spec = isObject(body) && isObject(body.spec) ? body.spec : {};
  const seconds = Math.max(Number(spec.expirationSeconds ?? 3_600), MIN_SECONDS);
  const audiences = Array.isArray(spec.audiences) ? spec.audiences : [issuerOf(cluster)];
  const { namespace, name, uid } = metadata;
  const expiresAt = time.now() + seconds * 1_000;
  const claims = {
    iss: issuerOf(cluster),
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: audiences,
    exp: Math.floor(expiresAt / 1_000),
    "kubernetes.io": { namespace, serviceaccount: { name, uid } },
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = [part({ alg: "none" }), part(claims), "unsigned"].join(".");
  return {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: { namespace, name },
    status: { token, expirationTimestamp: new Date(expiresAt).toISOString() },
  };
}

/** The claims of such a token; undefined when the text is none. */
export function claimsOf(token: string): Json | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return isObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}
