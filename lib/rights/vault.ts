import { trimSlashes } from "../declarations/identity.ts";
import type { SpecOf } from "../declarations/parse.ts";
import { commentLines } from "./comment-lines.ts";

/** The Vault policy rules that logins need, for what resources declare or for given paths. */

/** `list` and `subscribe`: for events of Vault Enterprise. */
export type VaultCapability = "read" | "update" | "list" | "subscribe";

/** The events that keyferry subscribes to for `instantUpdates`. */
const EVENT_TYPES = "kv*";
const SUBSCRIBE = `sys/events/subscribe/${EVENT_TYPES}`;

/** Whether a right is for events alone: without it a sync is only slower. */
export function isForEvents(path: string, capability: VaultCapability): boolean {
  return capability === "list" || capability === "subscribe" || path.endsWith(SUBSCRIBE);
}

/** A rule of a Vault policy. */
export interface VaultRight {
  /** The Vault namespace of the path, when it is not the login's own. */
  readonly namespace?: string;
  /** The path in Vault's API, such as `kv/data/shop/*`. */
  readonly path: string;
  readonly capabilities: readonly VaultCapability[];
  readonly reason: string;
  /** Whether Vault's policy `default` has it: only roles with token_no_default_policy need it in their own. */
  readonly inDefault: boolean;
}

/** What is read or asked for at a path. A path of kv may end in a star. */
export type VaultUse =
  | {
      readonly kind: "kv-v1" | "kv-v2";
      readonly mount: string;
      readonly path: string;
      /** It asks for events of Vault Enterprise. */
      readonly instant?: boolean;
      readonly namespace?: string;
    }
  | {
      readonly kind: "dynamic";
      readonly mount: string;
      readonly path: string;
      /** Whether the request has a body: parameters, or the method POST or PUT. */
      readonly sends: boolean;
      readonly namespace?: string;
    }
  | {
      readonly kind: "pki";
      readonly mount: string;
      readonly role: string;
      readonly issuer?: string;
      readonly revokes: boolean;
      readonly namespace?: string;
    };

/** What keyferry does with the token of a credential that it issued. Vault's policy `default` allows all of it. */
const HOLDING: readonly VaultRight[] = [
  held("sys/leases/renew", "Keeps a credential."),
  held("auth/token/renew-self", "Keeps the token of a credential."),
  held("auth/token/revoke-self", "Ends a credential with its token."),
  held("sys/capabilities-self", "Tells which credentials can't be revoked."),
  held("sys/leases/lookup", "keyferry status --leases."),
];

/** What a credential in another Vault namespace than its login's needs there. */
const HOLDING_ELSEWHERE: readonly VaultRight[] = [
  { ...held("sys/leases/renew", "Keeps a credential of this namespace."), inDefault: false },
  { ...held("sys/leases/revoke/*", "Ends a credential of this namespace."), inDefault: false },
];

/** The use that a declaration makes of Vault. */
export function useOf(
  declared:
    | { readonly kind: "VaultStaticSecret"; readonly spec: SpecOf<"VaultStaticSecret"> }
    | { readonly kind: "VaultDynamicSecret"; readonly spec: SpecOf<"VaultDynamicSecret"> }
    | { readonly kind: "VaultPKISecret"; readonly spec: SpecOf<"VaultPKISecret"> },
): VaultUse {
  const { mount, namespace } = declared.spec;
  const at = { mount: trimSlashes(mount), ...(namespace ? { namespace: trimSlashes(namespace) } : {}) };
  switch (declared.kind) {
    case "VaultStaticSecret":
      return {
        ...{ ...at, kind: declared.spec.type, path: trimSlashes(declared.spec.path) },
        ...(declared.spec.syncConfig?.instantUpdates ? { instant: true } : {}),
      };
    case "VaultDynamicSecret": {
      const { path, params = {}, requestHTTPMethod = "GET" } = declared.spec;
      const sends = Object.keys(params).length > 0 || requestHTTPMethod !== "GET";
      return { ...at, kind: "dynamic", path: trimSlashes(path), sends };
    }
    case "VaultPKISecret": {
      const { role, issuerRef, revoke = false } = declared.spec;
      const issuer = issuerRef ? { issuer: trimSlashes(issuerRef) } : {};
      return { ...at, kind: "pki", role: trimSlashes(role), ...issuer, revokes: revoke };
    }
  }
}

/** The rules for these uses by one login, each path once. `own` is the login's own Vault namespace. */
export function vaultRights(uses: readonly VaultUse[], own = ""): readonly VaultRight[] {
  const paths = uses.flatMap((use) => pathsOf(use).map((right) => inNamespace(right, use.namespace, own)));
  const issuing = uses.filter(({ kind }) => kind === "dynamic" || kind === "pki");
  const elsewhere = issuing.filter(({ namespace = own }) => namespace !== own);
  return distinct([
    ...paths,
    ...(issuing.length > 0 ? HOLDING : []),
    ...elsewhere.flatMap(({ namespace }) => HOLDING_ELSEWHERE.map((right) => inNamespace(right, namespace, own))),
  ]);
}

/** The rules as a policy in HCL, with a comment for each. */
export function policyHcl(
  rights: readonly (Pick<VaultRight, "namespace" | "path" | "reason"> & { readonly capabilities: readonly string[] })[],
): string {
  const rules = rights.map(
    ({ namespace, path, capabilities, reason }) =>
      `${commentLines(reason).join("\n")}\npath ${JSON.stringify(namespace ? `${namespace}/${path}` : path)} {\n` +
      `  capabilities = [${capabilities.map((one) => JSON.stringify(one)).join(", ")}]\n` +
      `${capabilities.includes("subscribe") ? `  subscribe_event_types = ["${EVENT_TYPES}"]\n` : ""}}\n`,
  );
  return rules.join("\n");
}

function held(path: string, reason: string): VaultRight {
  return { path, capabilities: ["update"], reason, inDefault: true };
}

function pathsOf(use: VaultUse): readonly VaultRight[] {
  const right = (path: string, capability: "read" | "update", reason: string): VaultRight => ({
    ...{ path: `${use.mount}/${path}`, capabilities: [capability], reason, inDefault: false },
  });
  switch (use.kind) {
    case "kv-v1":
      return withEvents(use, right(use.path, "read", "Static secrets of version 1 of the kv engine."));
    case "kv-v2":
      return withEvents(
        use,
        right(`data/${use.path}`, "read", "Static secrets: version 2 of the kv engine has data/ in its paths."),
      );
    case "dynamic":
      return use.sends
        ? [right(use.path, "update", "Dynamic secrets. update: the request has parameters, or is a POST.")]
        : [right(use.path, "read", "Dynamic secrets.")];
    case "pki":
      return [
        use.issuer === undefined
          ? right(`issue/${use.role}`, "update", "Certificates.")
          : right(`issuer/${use.issuer}/issue/${use.role}`, "update", "Certificates of the declared issuerRef."),
        ...(use.revokes
          ? [
              right(
                "revoke",
                "update",
                "spec.revoke. It allows to revoke every certificate of the mount by its number.",
              ),
            ]
          : []),
      ];
  }
}

function withEvents({ instant = false }: { readonly instant?: boolean }, read: VaultRight): readonly VaultRight[] {
  if (!instant) return [read];
  return [
    { ...read, capabilities: [...read.capabilities, "list", "subscribe"] },
    {
      ...{ path: SUBSCRIBE, capabilities: ["read"], inDefault: false },
      reason: "syncConfig.instantUpdates: events of Vault Enterprise.",
    },
  ];
}

function inNamespace(right: VaultRight, namespace: string | undefined, own: string): VaultRight {
  return namespace === undefined || namespace === own ? right : { ...right, namespace };
}

/** One rule for each path: two of one path would replace each other. */
function distinct(rights: readonly VaultRight[]): readonly VaultRight[] {
  const found = new Map<string, VaultRight>();
  for (const right of rights) {
    const key = `${right.namespace ?? ""}/${right.path}`;
    const known = found.get(key);
    const capabilities = [...new Set([...(known?.capabilities ?? []), ...right.capabilities])];
    found.set(key, known ? { ...known, capabilities } : right);
  }
  return [...found.values()];
}
