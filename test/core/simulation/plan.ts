import { type Dice, dice } from "./random.ts";

/** One thing that somebody does, or that happens, at a time of the run. Plain data, so that a failing run can be shrunk. */
export type Action = { readonly at: number } & (
  | ({ readonly do: "declare" } & Declaration)
  | {
      readonly do: "undeclare";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly orphan: boolean;
    }
  | { readonly do: "touch"; readonly cluster: string; readonly namespace: string; readonly name: string }
  /** Somebody touches a sync, and changes it while its run is under way, which takes this much longer. */
  | {
      readonly do: "meanwhile";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly ms: number;
      readonly how: Meanwhile;
    }
  | { readonly do: "vault-write"; readonly path: string }
  | { readonly do: "vault-lag"; readonly path: string; readonly ms: number }
  | {
      readonly do: "hand-edit";
      readonly cluster: string;
      readonly namespace: string;
      readonly secret: string;
      readonly how: HandEdit;
    }
  | { readonly do: "foreign-secret"; readonly cluster: string; readonly namespace: string; readonly secret: string }
  | { readonly do: "auth"; readonly cluster: string; readonly namespace: string; readonly isThere: boolean }
  | {
      readonly do: "crash";
      readonly process: number;
      readonly after: number;
      readonly side: "before" | "after";
      readonly forMs: number;
    }
  | { readonly do: "stall"; readonly process: number; readonly after: number; readonly ms: number }
  | { readonly do: "vault-outage"; readonly how: "refused" | "silent" | "sealed"; readonly ms: number }
  | { readonly do: "cluster-outage"; readonly cluster: string; readonly how: "refused" | "silent"; readonly ms: number }
  | { readonly do: "api-restart"; readonly cluster: string }
  | { readonly do: "clock-step"; readonly ms: number }
);

/** `die`: it is to write another Secret, its process dies before it can say so, and then it is to write a third one. */
export type Meanwhile = "touch" | "restarts" | "value" | "delete" | "die";
export type HandEdit = "value" | "extra-key" | "label" | "delete" | "annotation";

export interface Declaration {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  readonly secret: string;
  readonly auth: "own" | "default";
  readonly refreshSeconds: number;
  readonly restarts: boolean;
}

/** What a seed decides once for a run. */
export interface Plan {
  readonly seed: number;
  readonly clusters: readonly { readonly name: string; readonly observe: "watch" | "apply" }[];
  readonly processes: number;
  readonly loss: { readonly lost: number; readonly twice: number; readonly late: number };
  readonly latency: number;
  readonly actions: readonly Action[];
}

export const NAMESPACES = ["a", "b"] as const;
export const SECRETS = ["s1", "s2", "s3"] as const;
const NAMES = ["one", "two", "three"] as const;
/** `shared` is for all; the others are for the namespace that they begin with. */
export const PATHS = ["a/x", "a/y", "b/x", "shared"] as const;

/** Longer than a run: what such a sync misses, no refresh puts right. */
export const SELDOM_SECONDS = 7_200;

/** For so long things happen; then it is quiet. */
export const BUSY_MS = 90_000;

export function planOf(seed: number): Plan {
  const die = dice(seed);
  const two = die.chance(0.25);
  const clusters = ["east", ...(two ? ["west"] : [])].map((name) => ({
    name,
    observe: die.chance(0.2) ? ("apply" as const) : ("watch" as const),
  }));
  const isRough = die.chance(0.5);
  const processes = die.int(1, 3);
  const actions: Action[] = [];
  for (let left = die.int(3, 6); left > 0; left--)
    actions.push({ at: die.int(0, 5_000), do: "declare", ...aDeclaration(die, clusters) });
  for (let left = die.int(4, 18); left > 0; left--) actions.push(anAction(die, clusters, processes));
  return {
    seed,
    clusters,
    processes,
    loss: { lost: isRough ? 0.1 : 0, twice: isRough ? 0.1 : 0, late: isRough ? 0.1 : 0 },
    latency: die.pick([0, 0.1, 0.3]),
    actions: actions.sort((a, b) => a.at - b.at),
  };
}

function aDeclaration(die: Dice, clusters: Plan["clusters"]): Declaration {
  const { name: cluster, observe } = die.pick(clusters);
  // With `observe: apply` a refresh alone notices an edit by hand.
  const seldom = observe === "watch" ? [SELDOM_SECONDS, SELDOM_SECONDS] : [];
  return {
    cluster,
    namespace: die.pick(NAMESPACES),
    name: die.pick(NAMES),
    path: die.pick(PATHS),
    secret: die.pick(SECRETS),
    auth: die.chance(0.7) ? "own" : "default",
    refreshSeconds: die.pick([5, 10, 20, 30, ...seldom]),
    restarts: die.chance(0.4),
  };
}

const KINDS: readonly (readonly [Action["do"], number])[] = [
  ["declare", 6],
  ["undeclare", 3],
  ["touch", 1],
  ["meanwhile", 4],
  ["vault-write", 6],
  ["vault-lag", 1],
  ["hand-edit", 5],
  ["foreign-secret", 1],
  ["auth", 2],
  ["crash", 5],
  ["stall", 3],
  ["vault-outage", 2],
  ["cluster-outage", 2],
  ["api-restart", 1],
  ["clock-step", 1],
];

function kindOf(die: Dice): Action["do"] {
  const all = KINDS.reduce((sum, [, weight]) => sum + weight, 0);
  let at = die.next() * all;
  for (const [kind, weight] of KINDS) {
    at -= weight;
    if (at < 0) return kind;
  }
  return "declare";
}

function anAction(die: Dice, clusters: Plan["clusters"], processes: number): Action {
  const at = die.int(1_000, BUSY_MS);
  const { name: cluster } = die.pick(clusters);
  const namespace = die.pick(NAMESPACES);
  const kind = kindOf(die);
  switch (kind) {
    case "declare":
      return { at, do: kind, ...aDeclaration(die, clusters) };
    case "undeclare":
      return { at, do: kind, cluster, namespace, name: die.pick(NAMES), orphan: die.chance(0.1) };
    case "touch":
      return { at, do: kind, cluster, namespace, name: die.pick(NAMES) };
    case "meanwhile": {
      const how = die.pick(["touch", "restarts", "value", "delete", "die"] as const);
      return { at, do: kind, cluster, namespace, name: die.pick(NAMES), ms: die.int(0, 2_000), how };
    }
    case "vault-write":
      return { at, do: kind, path: die.pick(PATHS) };
    case "vault-lag":
      return { at, do: kind, path: die.pick(PATHS), ms: die.int(1_000, 25_000) };
    case "hand-edit":
      return {
        at,
        do: kind,
        cluster,
        namespace,
        secret: die.pick(SECRETS),
        how: die.pick(["value", "extra-key", "label", "delete", "annotation"]),
      };
    case "foreign-secret":
      return { at, do: kind, cluster, namespace, secret: die.pick(SECRETS) };
    case "auth":
      return { at, do: kind, cluster, namespace, isThere: die.chance(0.5) };
    case "crash":
      return {
        at,
        do: kind,
        process: die.int(0, processes - 1),
        after: die.int(0, 25),
        side: die.pick(["before", "after"]),
        forMs: die.int(500, 20_000),
      };
    case "stall":
      return {
        at,
        do: kind,
        process: die.int(0, processes - 1),
        after: die.int(0, 25),
        ms: die.pick([2_000, 15_000, 85_000, 100_000]),
      };
    case "vault-outage":
      return { at, do: kind, how: die.pick(["refused", "silent", "sealed"]), ms: die.int(1_000, 40_000) };
    case "cluster-outage":
      return { at, do: kind, cluster, how: die.pick(["refused", "silent"]), ms: die.int(1_000, 40_000) };
    case "api-restart":
      return { at, do: kind, cluster };
    case "clock-step":
      return { at, do: kind, ms: die.pick([-60_000, -5_000, 5_000, 60_000]) };
    default:
      return kind satisfies never;
  }
}
