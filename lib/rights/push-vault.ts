import type { VaultRight } from "./vault.ts";

/** The Vault policy rules that the login of pushes needs, for the paths that fleet.yaml allows. */

/** A rule with more capabilities than reading needs. */
export type PushVaultRight = Omit<VaultRight, "capabilities"> & {
  readonly capabilities: readonly ("create" | "read" | "update" | "patch" | "delete")[];
};

export interface PushPolicy {
  readonly cluster: string;
  readonly push: {
    readonly paths: readonly string[];
    readonly kinds?: readonly string[];
    readonly conflict: "fail" | "adopt" | "merge";
    readonly deletion: "version" | "metadata";
    /** The furthest choices of VaultPushSecrets. */
    readonly choices?: { readonly conflict?: "fail" | "adopt" | "merge"; readonly deletion?: "version" | "metadata" };
  };
  /** Mounts of kv version 1; all others have version 2. */
  readonly kv1: ReadonlySet<string>;
  /** What stands for the namespace of the annotated object: a template of Vault, or `+` for any. */
  readonly namespace: string;
}

/**
 * The rules, each path once. Vault has stars only at the end, and `+` for a whole segment: where a pattern says more,
 * the rule allows more, and `push.paths` still holds.
 */
export function pushVaultRights(policy: PushPolicy): readonly PushVaultRight[] {
  const found = new Map<string, PushVaultRight>();
  for (const pattern of policy.push.paths) for (const right of rightsOf(policy, pattern)) found.set(right.path, right);
  return [...found.values()];
}

function rightsOf(policy: PushPolicy, pattern: string): readonly PushVaultRight[] {
  const { push, kv1 } = policy;
  const [first = "", ...segments] = pattern.split("/");
  const mount = ruleSegment(policy, first, false);
  const path = segments.map((segment, at) => ruleSegment(policy, segment, at === segments.length - 1)).join("/");
  const right = (area: string, capabilities: PushVaultRight["capabilities"], reason: string): PushVaultRight => ({
    ...{ path: `${mount}/${area}${path}`, capabilities, reason, inDefault: false },
  });
  if (kv1.has(mount))
    return [right("", ["create", "read", "update", "delete"], "Pushes to version 1 of the kv engine.")];
  const writes: PushVaultRight["capabilities"] = isMerged(push)
    ? ["create", "read", "update", "patch"]
    : ["create", "read", "update"];
  const removesAll = push.deletion === "metadata" || push.choices?.deletion === "metadata";
  return [
    right("data/", writes, "Pushes read before they write. Without read, they restore nothing."),
    right("delete/", ["update"], "Deletes the version that keyferry wrote, and no other."),
    right(
      "metadata/",
      removesAll ? ["patch", "delete"] : ["patch"],
      removesAll
        ? "Lists binary values in custom_metadata; push.deletion or push.choices.deletion: metadata."
        : "Lists binary values in custom_metadata. Without it, their fields get a suffix.",
    ),
  ];
}

/** Where more is allowed, a VaultPushSecret may choose merge as well. */
function isMerged({ kinds = [], conflict, choices }: PushPolicy["push"]): boolean {
  if (conflict === "merge") return true;
  return kinds.includes("VaultPushSecret") && [conflict, choices?.conflict].some((one) => (one ?? "fail") !== "fail");
}

function ruleSegment({ cluster, namespace }: PushPolicy, segment: string, isLast: boolean): string {
  if (isLast && segment === "**") return "*";
  const text = segment.replaceAll("{cluster}", cluster);
  const isWhole = text === "*" || text.includes("{name}") || text.replace(/\*$/, "").includes("*");
  if (isWhole || (text.includes("{namespace}") && namespace === "+")) return "+";
  const named = text.replaceAll("{namespace}", namespace);
  return named.endsWith("*") && !isLast ? "+" : named;
}
