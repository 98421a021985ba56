/** What is mutated, what must be proven without exception, and which tests count. Globs from the root of the repository. */
export const CONFIG = {
  /** What keeps secrets right. */
  scope: [
    "lib/{audit,declarations,discovery,domain-events,failures,injector,issues,kinds,nudging,origins,outage,plan,ports,reconcile,references,rollout,schedule,vso}/**/*.ts",
    "lib/{destinations,store}/**/*.ts",
    "lib/util/canonical.ts",
    "lib/{circuits,digest,keys,namespaces,push-paths,token-scope,vault-address,vault-path,vault-reach}.ts",
    "lib/vault/{address-guard,bounded-lookup,connection,connection-key,ip-rule,kv,login,redirect,single-flight,transport}.ts",
    "lib/vault/{active-token,sealer,tokens,token-*}.ts",
  ],
  /** Files of the scope that hold no behaviour of keyferry's own: generators, tables, schemas of what others read. */
  except: [
    "lib/declarations/crd.ts",
    "lib/store/**/{schema,table}.ts",
    "lib/domain-events/schemas.ts",
    "lib/injector/{annotations,agent-annotations,pod-annotations}.ts",
  ],
  /** What keeps tenants apart and what fences writes: here every mutant must be killed. */
  strict: [
    "lib/{digest,keys,namespaces,push-paths,token-scope,vault-address,vault-reach}.ts",
    "lib/discovery/pass-lease.ts",
    "lib/ports/vault-ids.ts",
    "lib/failures/causes.ts",
    "lib/reconcile/{claim,source}.ts",
    "lib/destinations/kubernetes-secret/{owners,belonging}.ts",
    "lib/declarations/{lent-identity,identity,find-auth,look-up}.ts",
    "lib/vault/{address-guard,active-token,connection-key,ip-rule,redirect,sealer,single-flight,token-cache}.ts",
    "lib/plan/plan-releases.ts",
    "lib/vault/token-seals.ts",
    "lib/issues/{ask-anew,end-issues,issue-times}.ts",
    "lib/store/{left-behind,nudging}.ts",
    "lib/store/{dynamodb,sqlite}/{conditions,ended-runs,leases,nudges,tokens}.ts",
  ],
  /** Tests that need no server. */
  tests: [
    "test/unit/**/*.test.ts",
    "test/audit/**/*.test.ts",
    "test/core/**/*.test.ts",
    "test/contract/{lease-store,lease-store-dynamodb,sqlite,damaged-rows,admit,row-budget,circuits}.test.ts",
    "test/contract/{token-cache,token-store,token-sweep,dynamodb,vault-tls,vault-without-answer}.test.ts",
    "test/contract/{shared-failures,sqlite-migrations}.test.ts",
  ],
  /** Tests of those that prove nothing here. */
  withoutTests: [
    "test/unit/{harness,cli,kubernetes,transform}/**",
    // Minutes of seeds: what it finds, one story finds in a second.
    "test/core/simulation.test.ts",
    "test/core/domain-events-crashes.test.ts",
  ],
  /** Tests of very many rows or days, by name: what they notice others notice, in a hundredth of the time. */
  tooSlow: [
    "syncs are declared, carried out and come round",
    "what leaves the fleet is renewed for the retention, then revoked",
    "failures outside, over DynamoDB",
    "DynamoDB > ticks > more rows than fit in a page go out",
    "DynamoDB > ticks > lease-table 13: dispatches every refresh slot once",
    "DynamoDB > nudges > lease-table 9: 10,000 nudges of one row",
  ],
  /** Suites that come first: what each of them holds to a contract. */
  nearest: [
    { tests: "test/contract/lease-store.test.ts", files: "lib/store/{*.ts,sqlite/**}" },
    { tests: "test/contract/{dynamodb,lease-store-dynamodb}.test.ts", files: "lib/store/dynamodb/**" },
    { tests: "test/contract/token-store.test.ts", files: "lib/store/*/tokens.ts" },
  ],
  /** Tests of a store behind an API, slow ones: only for what belongs to stores. */
  testsOfSome: [
    { tests: "test/contract/{lease-store-dynamodb,dynamodb}.test.ts", files: "lib/store/{*.ts,dynamodb/**}" },
  ],
  /** CPU time of tests that one mutant is worth, in ms as measured without it; in a strict file it meets every test. */
  mostTestMs: 8_000,
  /** In percent. */
  enough: { overall: 90, strict: 100 },
} as const;

export type Config = {
  readonly [Key in "scope" | "except" | "strict" | "tests" | "withoutTests" | "tooSlow"]: readonly string[];
} & {
  readonly [Key in "nearest" | "testsOfSome"]: readonly { readonly tests: string; readonly files: string }[];
} & {
  readonly mostTestMs: number;
  readonly enough: { readonly overall: number; readonly strict: number };
};
