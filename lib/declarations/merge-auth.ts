import type { VaultAuthSpec } from "./vault-auth.ts";
import type { VaultAuthGlobalSpec } from "./vault-auth-global.ts";
import { METHODS } from "./vault-auth-methods.ts";

type Texts = Readonly<Record<string, string>>;
type Strategy = "union" | "replace" | "none";

/** Fields that a method's block has only in a VaultAuthGlobal. */
const GLOBAL_FIELDS: ReadonlySet<string> = new Set(["namespace", "mount", "params", "headers"]);

/** Empty in Go's sense: the same as not set. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The first that is not empty. */
function firstOf<T>(...values: readonly (T | undefined)[]): T | undefined {
  return values.find((value) => !isEmpty(value));
}

/** Merges maps. In a union the VaultAuth's own entries win over the method's, and these over the common ones. */
function merged(strategy: Strategy, own: Texts = {}, ofMethod: Texts = {}, ofAll: Texts = {}): Texts | undefined {
  switch (strategy) {
    case "union":
      return { ...ofAll, ...ofMethod, ...own };
    case "replace":
      return firstOf(own, ofMethod, ofAll);
    case "none":
      return own;
  }
}

/** The fields of the VaultAuth's block; empty ones come from the global's. */
function mergedBlock(own: object | undefined, ofGlobal: object | undefined): object {
  const filling = Object.entries(ofGlobal ?? {}).filter(([field]) => !GLOBAL_FIELDS.has(field));
  const ours = Object.entries(own ?? {}).filter(([, value]) => !isEmpty(value));
  return { ...Object.fromEntries(filling), ...Object.fromEntries(ours) };
}

function withoutEmpty(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

/**
 * Fills the empty fields of a VaultAuth from a VaultAuthGlobal. A method's block in the VaultAuth has a default
 * tokenExpirationSeconds, so that the global's value applies only without such a block: as in VSO.
 */
export function mergeAuth(auth: VaultAuthSpec, global: VaultAuthGlobalSpec): VaultAuthSpec {
  const method = auth.method ?? global.defaultAuthMethod;
  const block = method && global[method];
  const { headers = "none", params = "none" } = auth.vaultAuthGlobalRef?.mergeStrategy ?? {};
  const others = METHODS.map((name) => [name, undefined] as const);
  return withoutEmpty({
    ...auth,
    ...Object.fromEntries(others),
    method,
    ...(method && { [method]: mergedBlock(auth[method], block) }),
    mount: firstOf(auth.mount, block?.mount, global.defaultMount),
    namespace: firstOf(auth.namespace, block?.namespace, global.defaultVaultNamespace),
    headers: merged(headers, auth.headers, block?.headers, global.headers),
    params: merged(params, auth.params, block?.params, global.params),
    vaultConnectionRef: firstOf(auth.vaultConnectionRef, global.vaultConnectionRef),
  }) as VaultAuthSpec;
}
