import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { issuedKind } from "../../../../lib/kinds/issued/issued-kind.ts";
import type { IssuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "../../../../lib/kinds/issued/issuing-kind.ts";
import type { ObtainInput } from "../../../../lib/kinds/kind.ts";
import type { Claim } from "../../../../lib/ports/claim.ts";
import { LEASE_MS } from "../../../../lib/ports/deps.ts";
import { EMPTY_STATE, type Row, type RowState } from "../../../../lib/ports/rows.ts";
import type { Lease } from "../../../../lib/ports/store.ts";
import { VAULT_DYNAMIC_SECRET } from "../../../../lib/resource-kinds.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared, aRow } from "../../../builders.ts";
import { START } from "../../issues/an-issue.ts";
import { type Answers, anIssuingVault, IDENTITY } from "../../issues/an-issuing-vault.ts";

export const KEY = digestKey(Buffer.alloc(32, 1));
export const dataOf = (text: string) => new Map([["password", SecretValue.of(text)]]);
export const HELD = dataOf("held");

/** A declaration that asks a Vault for `creds/app`, and restarts nothing. */
export function aResolved(changed: Partial<ResolvedIssued> = {}): ResolvedIssued {
  return {
    asks: {
      identity: IDENTITY,
      id: "asked",
      circuit: "vault:https://vault.example",
      place: { vault: "v", path: "p", role: "read" },
    },
    destination: { name: "app", type: "Opaque", create: true } as ResolvedIssued["destination"],
    rolloutTargets: [],
    request: { method: "GET", mount: "database", path: "creds/app" },
    ...{ renewalPercent: 67, revokesReplaced: true, cause: "cause", refreshAfterMs: undefined, hmac: false },
    transformation: { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" },
    ...changed,
  } as ResolvedIssued;
}

export interface Scene {
  readonly kind?: Partial<IssuingKind<ResolvedIssued>>;
  readonly made?: Partial<Made>;
  readonly answers?: Partial<Answers>;
  readonly resolved?: Partial<ResolvedIssued>;
  readonly state?: Partial<RowState>;
  readonly own?: Partial<IssuedState>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly row?: Partial<Pick<Row, "expect" | "verify">>;
  /** What the Secret holds of what was written. */
  readonly held?: typeof HELD | undefined;
}

/** A run of a kind that issues: what Vault was asked, what was recorded and noted, in order. */
export function aRun({ kind, made, answers, resolved, state, own, annotations = {}, held, row: event }: Scene) {
  const vault = anIssuingVault(answers);
  const settled: RowState = { ...EMPTY_STATE, ...state, ...(own && { own: own as unknown as Json }) };
  let row = aRow({ declared: aDeclared({ annotations }), state: settled, ...event });
  const lease = { key: row.key, until: START + LEASE_MS } as Lease;
  const learn = (learned: Partial<RowState>) => {
    row = { ...row, state: { ...row.state, ...learned } };
  };
  const recorded: Partial<RowState>[] = [];
  const admitted: unknown[] = [];
  const claim: Claim = {
    get row() {
      return row;
    },
    isTaken: true,
    take: async () => true,
    takeToWrite: async () => lease,
    async record(learned) {
      recorded.push(learned);
      learn(learned);
    },
    note: learn,
    settle: async () => undefined,
  };
  const issuing: IssuingKind<ResolvedIssued> = {
    ref: VAULT_DYNAMIC_SECRET,
    resolve: () => {
      throw new Error("not resolved here");
    },
    make: async () => ({ data: dataOf("new"), missing: [], ...made }),
    left: () => undefined,
    status: (was, live) => ({ made: was.made ?? null, live: live?.serial ?? null }),
    ...kind,
  };
  const run = {
    ...{
      claim,
      row,
      deps: vault.deps,
      settings: aCluster(),
      digestKey: KEY,
      random: () => 0.5,
      clock: vault.deps.clock,
    },
    ...{ resolved: aResolved(resolved), signal: new AbortController().signal },
    holding: {
      holds: async (_keys: readonly string[], digest: string) =>
        held !== undefined && digest === digestOf(KEY, held) ? held : undefined,
      admit: async (keys: unknown) => void admitted.push(keys),
      holdsElsewhere: async () => false,
      left: async () => undefined,
    },
    reached: async (identity: typeof IDENTITY) => identity,
  } as unknown as ObtainInput<ResolvedIssued>;
  const of = issuedKind(issuing);
  return {
    ...{ vault, recorded, admitted, claim, run },
    obtain: () => of.obtain(run),
    foresee: () => of.foresee(run),
  };
}
