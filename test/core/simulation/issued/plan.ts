import { type Dice, dice } from "../random.ts";

/** One thing that somebody does, or that happens, in a run with credentials that Vault issues. Plain data, so that it can be shrunk. */
export type IssuedAction = { readonly at: number } & (
  | ({ readonly do: "declare" } & IssuedDeclaration)
  | { readonly do: "undeclare"; readonly cluster: string; readonly name: string }
  | { readonly do: "refresh"; readonly cluster: string; readonly name: string }
  | { readonly do: "hand-edit"; readonly cluster: string; readonly secret: string; readonly how: HandEdit }
  | { readonly do: "auth"; readonly cluster: string; readonly login: Login; readonly isThere: boolean }
  | { readonly do: "revoke-lease"; readonly nth: number }
  | { readonly do: "role"; readonly role: string; readonly ttl: string; readonly maxTtl: string }
  | { readonly do: "answer"; readonly of: RequestKind; readonly fault: AnswerFault; readonly times: number }
  | { readonly do: "vault-outage"; readonly how: "refused" | "silent" | "sealed"; readonly ms: number }
  | { readonly do: "database-down"; readonly ms: number }
  | { readonly do: "cluster-outage"; readonly cluster: string; readonly how: "refused" | "silent"; readonly ms: number }
  | { readonly do: "cluster-leaves"; readonly cluster: string; readonly ms: number }
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

export type HandEdit = "value" | "extra-key" | "label" | "delete";
export type RequestKind = "issue" | "renew" | "revoke" | "login";
export type AnswerFault = "swallowed" | "cut" | "gone" | "slow" | "too-slow" | 400 | 403 | 429 | 500 | 503;

/** Logins of a namespace: see `LOGINS` for what their tokens are like. */
export type Login = "plain" | "short" | "capped" | "batch" | "stuck";

export interface IssuedDeclaration {
  readonly cluster: string;
  readonly name: string;
  readonly kind: "VaultDynamicSecret" | "VaultPKISecret";
  /** A role of `DATABASE_ROLES`, `kubernetes`, `static`, or a role of `PKI_ROLES`. */
  readonly role: string;
  readonly secret: string;
  readonly login: Login;
  readonly restarts: boolean;
  /** `keyferry.dev/revoke-replaced`. */
  readonly revokeReplaced?: string;
  /** pki: on deletion. */
  readonly revoke: boolean;
  readonly renewalPercent: number;
}

export interface IssuedPlan {
  readonly seed: number;
  readonly clusters: readonly string[];
  readonly processes: number;
  readonly loss: { readonly lost: number; readonly twice: number; readonly late: number };
  readonly latency: number;
  /** Something between keyferry and Vault keeps requests open whose client has gone. */
  readonly keepsGoing: boolean;
  readonly actions: readonly IssuedAction[];
}

export const NAMESPACE = "a";
export const NAMES = ["one", "two"] as const;
export const LOGINS: readonly Login[] = ["plain", "short", "capped", "batch", "stuck"];

/** Of the database: TTL and maximum. `slow` takes its time to make a user. */
export const DATABASE_ROLES: Readonly<
  Record<string, { readonly ttl: string; readonly maxTtl: string; readonly s?: number }>
> = {
  quick: { ttl: "15s", maxTtl: "24h" },
  brief: { ttl: "30s", maxTtl: "90s" },
  usual: { ttl: "60s", maxTtl: "24h" },
  capped: { ttl: "20s", maxTtl: "60s" },
  long: { ttl: "1h", maxTtl: "24h" },
  slow: { ttl: "30s", maxTtl: "24h", s: 2 },
};

export const PKI_ROLES = ["web", "leased", "unstored"] as const;

/** For so long things happen; then it is quiet. */
export const BUSY_MS = 70_000;

export function planOfIssued(seed: number): IssuedPlan {
  const die = dice(seed + 77_000_000);
  const clusters = die.chance(0.2) ? ["east", "west"] : ["east"];
  const isRough = die.chance(0.4);
  const processes = die.pick([1, 1, 2, 3]);
  const actions: IssuedAction[] = [];
  for (const name of NAMES.slice(0, die.pick([1, 1, 2])))
    actions.push({ at: die.int(0, 3_000), do: "declare", ...aDeclaration(die, clusters, name) });
  for (let left = die.int(2, 8); left > 0; left--) actions.push(anAction(die, clusters, processes));
  // For long: so many times that answers would be one loop of issues.
  if (die.chance(0.1)) {
    const fault = die.pick<AnswerFault>([403, 429, 429, 500, 500, "swallowed"]);
    actions.push({ at: die.int(0, 20_000), do: "answer", of: "issue", fault, times: 12 });
  }
  return {
    seed,
    clusters,
    processes,
    loss: { lost: isRough ? 0.08 : 0, twice: isRough ? 0.1 : 0, late: isRough ? 0.08 : 0 },
    latency: die.pick([0, 0.1, 0.3]),
    keepsGoing: die.chance(0.3),
    actions: actions.sort((a, b) => a.at - b.at),
  };
}

function aDeclaration(die: Dice, clusters: readonly string[], name: string): IssuedDeclaration {
  const isPki = die.chance(0.2);
  const role = isPki
    ? die.pick(PKI_ROLES)
    : die.pick(["quick", "quick", "brief", "usual", "capped", "long", "slow", "slow", "kubernetes", "static"]);
  const login = die.pick<Login>(["plain", "plain", "plain", "short", "short", "capped", "batch", "stuck"]);
  const revokeReplaced = die.pick(["", "", "0s", "5s", "20s", "at-end"]);
  return {
    cluster: die.pick(clusters),
    name,
    kind: isPki ? "VaultPKISecret" : "VaultDynamicSecret",
    // What can't be revoked must end within the run.
    role: role === "long" && (login === "stuck" || login === "batch") ? "usual" : role,
    secret: die.chance(0.85) ? name : `${name}-b`,
    login,
    restarts: die.chance(0.35),
    ...(revokeReplaced === "" ? {} : { revokeReplaced }),
    revoke: die.chance(0.5),
    renewalPercent: die.pick([67, 67, 40, 90]),
  };
}

const KINDS: readonly (readonly [IssuedAction["do"], number])[] = [
  ["declare", 4],
  ["undeclare", 4],
  ["refresh", 6],
  ["hand-edit", 4],
  ["auth", 1],
  ["revoke-lease", 3],
  ["role", 1],
  ["answer", 7],
  ["vault-outage", 3],
  ["database-down", 1],
  ["cluster-outage", 3],
  ["cluster-leaves", 2],
  ["api-restart", 1],
  ["crash", 9],
  ["stall", 4],
  ["clock-step", 1],
];

function doOf(die: Dice): IssuedAction["do"] {
  const all = KINDS.reduce((sum, [, weight]) => sum + weight, 0);
  let at = die.next() * all;
  for (const [kind, weight] of KINDS) {
    at -= weight;
    if (at < 0) return kind;
  }
  return "refresh";
}

function anAction(die: Dice, clusters: readonly string[], processes: number): IssuedAction {
  const kind = doOf(die);
  const at = die.int(500, BUSY_MS);
  const cluster = die.pick(clusters);
  const name = die.pick(NAMES);
  const process = die.int(0, processes - 1);
  switch (kind) {
    case "declare":
      return { at, do: kind, ...aDeclaration(die, clusters, name) };
    case "undeclare":
    case "refresh":
      return { at, do: kind, cluster, name };
    case "hand-edit": {
      const how = die.pick<HandEdit>(["value", "extra-key", "label", "delete"]);
      return { at, do: kind, cluster, secret: name, how };
    }
    case "auth":
      return { at, do: kind, cluster, login: die.pick(LOGINS), isThere: die.chance(0.4) };
    case "revoke-lease":
      return { at, do: kind, nth: die.int(0, 2) };
    case "role":
      return {
        at,
        do: kind,
        role: die.pick(["quick", "usual", "slow"]),
        ttl: die.pick(["12s", "30s", "90s"]),
        maxTtl: die.pick(["40s", "24h"]),
      };
    case "answer": {
      const fault = die.pick<AnswerFault>([
        "swallowed",
        "swallowed",
        "cut",
        "gone",
        "slow",
        "too-slow",
        400,
        403,
        429,
        500,
        503,
      ]);
      const of = die.pick<RequestKind>(["issue", "issue", "renew", "revoke", "login"]);
      // What Vault does not let us revoke lives to its end, which may be far.
      return { at, do: kind, of, fault: of === "revoke" && fault === 403 ? 500 : fault, times: die.pick([1, 1, 2, 4]) };
    }
    case "vault-outage":
      return {
        at,
        do: kind,
        how: die.pick(["refused", "silent", "sealed"]),
        ms: die.pick([1_000, 4_000, 15_000, 50_000]),
      };
    case "database-down":
      return { at, do: kind, ms: die.pick([2_000, 15_000]) };
    case "cluster-outage":
      return { at, do: kind, cluster, how: die.pick(["refused", "silent"]), ms: die.int(1_000, 40_000) };
    case "cluster-leaves":
      return { at, do: kind, cluster: "west", ms: die.pick([5_000, 30_000, 150_000]) };
    case "api-restart":
      return { at, do: kind, cluster };
    case "crash":
      return {
        at,
        do: kind,
        process,
        after: die.int(0, 20),
        side: die.pick(["before", "after"]),
        forMs: die.int(500, 12_000),
      };
    case "stall":
      return { at, do: kind, process, after: die.int(0, 20), ms: die.pick([2_000, 15_000, 85_000, 100_000]) };
    case "clock-step":
      return { at, do: kind, ms: die.pick([-60_000, -5_000, 5_000, 60_000]) };
    default:
      return kind satisfies never;
  }
}
