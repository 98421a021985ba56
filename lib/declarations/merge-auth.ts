import type { VaultAuthSpec } from "./vault-auth.ts";
import type { VaultAuthGlobalSpec } from "./vault-auth-global.ts";
import { METHODS } from "./vault-auth-methods.ts";

type Texts = Readonly<Record<string, string>>;
type Strategy = "union" | "replace" | "none";

/** What a method's block of a VaultAuthGlobal has besides the method's own fields. */
const GLOBAL_FIELDS: ReadonlySet<string> = new Set(["namespace", "mount", "params", "headers"]);

/** Empty as Go sees it: as good as not set. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The first that is not empty. */
function firstOf<T>(...values: readonly (T | undefined)[]): T | undefined {
  return values.find((value) => !isEmpty(value));
}

/** A map of both. In a union the VaultAuth's own entries win over the method's, and these over those for all. */
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

/** The fields of the VaultAuth's block, and of the global's those that are empty there. */
function mergedBlock(own: object | undefined, ofGlobal: object | undefined): object {
  const filling = Object.entries(ofGlobal ?? {}).filter(([field]) => !GLOBAL_FIELDS.has(field));
  const ours = Object.entries(own ?? {}).filter(([, value]) => !isEmpty(value));
  return { ...Object.fromEntries(filling), ...Object.fromEntries(ours) };
}

function withoutEmpty(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

/**
 * A VaultAuth with what a VaultAuthGlobal fills in where it says nothing itself. A method's block that the
 * VaultAuth has fills tokenExpirationSeconds by its own default, so that the global's counts only where it has none: as VSO.
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
