import type { AnswerFault } from "../issued/plan.ts";
import { type Dice, dice } from "../random.ts";

export type PushAction = { readonly at: number } & (
  | ({ readonly do: "declare" } & PushDeclared)
  | { readonly do: "undeclare" | "unannotate" | "scale"; readonly cluster: string; readonly name: string }
  | { readonly do: "secret"; readonly cluster: string; readonly secret: string; readonly how: SecretChange }
  | { readonly do: "hand-edit"; readonly path: string; readonly how: VaultEdit }
  | { readonly do: "answer"; readonly of: KvRequest; readonly fault: AnswerFault; readonly times: number }
  | { readonly do: "vault-outage"; readonly how: "refused" | "silent" | "sealed"; readonly ms: number }
  | { readonly do: "cluster-outage"; readonly cluster: string; readonly how: "refused" | "silent"; readonly ms: number }
  | { readonly do: "api-restart"; readonly cluster: string }
  | {
      readonly do: "crash";
      readonly process: number;
      readonly after: number;
      readonly side: "before" | "after";
      readonly forMs: number;
    }
  | { readonly do: "stall"; readonly process: number; readonly after: number; readonly ms: number }
  | { readonly do: "clock-step"; readonly ms: number }
);

/** `label`: its resourceVersion changes, and its data does not. */
export type SecretChange = "value" | "label" | "delete";
/** What a person does in Vault. `same`: writes what stands there once more. */
export type VaultEdit = "write" | "same" | "delete" | "forget";
export type KvRequest = "read" | "write" | "remove" | "login";

export interface PushDeclared {
  readonly cluster: string;
  readonly kind: "Deployment" | "Secret";
  readonly name: string;
  /** Below the mount; what does not begin with `apps/a/` is not allowed. */
  readonly path: string;
  /** `named`: one path with the keys of these Secrets; `mounted`: a path for each of them. */
  readonly how: "named" | "mounted";
  readonly secrets: readonly string[];
  readonly reconciles: boolean;
  readonly preserves: boolean;
}

export interface PushPlan {
  readonly seed: number;
  readonly clusters: readonly string[];
  readonly processes: number;
  readonly loss: { readonly lost: number; readonly twice: number; readonly late: number };
  readonly latency: number;
  readonly secrets: "watch" | "poll";
  readonly conflict: "fail" | "adopt";
  readonly deletion: "version" | "metadata";
  readonly actions: readonly PushAction[];
}

export const NAMESPACE = "a";
export const SECRETS = ["s1", "s2"] as const;
export const WORKLOADS = ["one", "two"] as const;
/** Some are below others, and some are not allowed. */
const PATHS = ["apps/a/p", "apps/a/p", "apps/a/p/s1", "apps/a/q", "apps/b/p", "elsewhere/p"] as const;
/** Where people write: also where a Deployment's Secrets go. */
const EDITED = ["apps/a/p", "apps/a/p/s1", "apps/a/p/s2", "apps/a/q", "apps/a/q/s1"] as const;

/** For so long things happen; then it is quiet. */
export const BUSY_MS = 150_000;

export function planOfPush(seed: number): PushPlan {
  const die = dice(seed + 154_000_000);
  const clusters = die.chance(0.3) ? ["east", "west"] : ["east"];
  const isRough = die.chance(0.4);
  const processes = die.pick([1, 1, 2, 3]);
  const actions: PushAction[] = [];
  for (let left = die.int(1, 3); left > 0; left--)
    actions.push({ at: die.int(0, 5_000), do: "declare", ...aDeclaration(die, clusters) });
  for (let left = die.int(3, 12); left > 0; left--) actions.push(anAction(die, clusters, processes));
  return {
    seed,
    clusters,
    processes,
    loss: { lost: isRough ? 0.08 : 0, twice: isRough ? 0.1 : 0, late: isRough ? 0.08 : 0 },
    latency: die.pick([0, 0.1, 0.3]),
    secrets: die.chance(0.75) ? "watch" : "poll",
    conflict: die.chance(0.7) ? "fail" : "adopt",
    deletion: die.chance(0.6) ? "version" : "metadata",
    actions: actions.sort((a, b) => a.at - b.at),
  };
}

function aDeclaration(die: Dice, clusters: readonly string[]): PushDeclared {
  const kind = die.chance(0.6) ? "Deployment" : "Secret";
  return {
    cluster: die.pick(clusters),
    kind,
    name: die.pick<string>(kind === "Deployment" ? WORKLOADS : SECRETS),
    path: die.pick(PATHS),
    how: die.chance(0.4) ? "named" : "mounted",
    secrets: die.pick([["s1"], ["s2"], ["s1", "s2"]]),
    reconciles: die.chance(0.4),
    preserves: die.chance(0.1),
  };
}

const KINDS: readonly (readonly [PushAction["do"], number])[] = [
  ["declare", 5],
  ["undeclare", 4],
  ["unannotate", 2],
  ["scale", 2],
  ["secret", 9],
  ["hand-edit", 8],
  ["answer", 6],
  ["vault-outage", 3],
  ["cluster-outage", 2],
  ["api-restart", 1],
  ["crash", 9],
  ["stall", 4],
  ["clock-step", 1],
];

function doOf(die: Dice): PushAction["do"] {
  let at = die.next() * KINDS.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of KINDS) {
    at -= weight;
    if (at < 0) return kind;
  }
  return "secret";
}

const FAULTS: readonly AnswerFault[] = [
  "swallowed",
  "swallowed",
  "cut",
  "gone",
  "slow",
  "too-slow",
  403,
  429,
  500,
  503,
];

function anAction(die: Dice, clusters: readonly string[], processes: number): PushAction {
  const kind = doOf(die);
  const at = die.int(500, BUSY_MS);
  const cluster = die.pick(clusters);
  const process = die.int(0, processes - 1);
  switch (kind) {
    case "declare":
      return { at, do: kind, ...aDeclaration(die, clusters) };
    case "undeclare":
    case "unannotate":
    case "scale":
      return { at, do: kind, cluster, name: die.pick<string>([...WORKLOADS, ...(kind === "scale" ? [] : SECRETS)]) };
    case "secret":
      return { at, do: kind, cluster, secret: die.pick(SECRETS), how: die.pick(["value", "value", "label", "delete"]) };
    case "hand-edit":
      return { at, do: kind, path: die.pick(EDITED), how: die.pick(["write", "write", "same", "delete", "forget"]) };
    case "answer":
      return {
        ...{ at, do: kind, of: die.pick<KvRequest>(["read", "write", "write", "remove", "login"]) },
        ...{ fault: die.pick(FAULTS), times: die.pick([1, 1, 2, 4]) },
      };
    case "vault-outage":
      return { at, do: kind, how: die.pick(["refused", "silent", "sealed"]), ms: die.pick([1_000, 15_000, 50_000]) };
    case "cluster-outage":
      return { at, do: kind, cluster, how: die.pick(["refused", "silent"]), ms: die.int(1_000, 40_000) };
    case "api-restart":
      return { at, do: kind, cluster };
    case "crash":
      return {
        ...{ at, do: kind, process, after: die.int(0, 20) },
        ...{ side: die.pick(["before", "after"]), forMs: die.int(500, 12_000) },
      };
    case "stall":
      return { at, do: kind, process, after: die.int(0, 20), ms: die.pick([2_000, 15_000, 85_000, 100_000]) };
    case "clock-step":
      return { at, do: kind, ms: die.pick([-60_000, -5_000, 5_000, 60_000]) };
    default:
      return kind satisfies never;
  }
}
