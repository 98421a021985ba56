/** What is mutated, what must be proven without exception, and which tests count. Globs from the root of the repository. */
export const CONFIG = {
  /** What keeps secrets right. */
  scope: [
    "lib/{reconcile,schedule,leases,declarations,discovery}/**/*.ts",
    "lib/{kinds,destinations,origins,outage,plan,rollout,store,references,vso}/**/*.ts",
    "lib/{causes,circuits,digest,canonical,keys,vault-reach,vault-path,vault-address,namespaces,handed-over,rollouts-owed}.ts",
    "lib/vault/{address-guard,ip-rule,redirect,transport,connection,single-flight,bounded-lookup,kv}.ts",
    "lib/vault/{login,held-token,tokens,token-*}.ts",
  ],
  /** Files of the scope that hold no behaviour of keyferry's own: schemas of what later versions handle, generators. */
  except: [
    "lib/declarations/{crd,vault-dynamic-secret,vault-pki-secret,unsupported}.ts",
    "lib/{leases,store}/**/*-schema.ts",
    "lib/ports/**",
  ],
  /** What keeps tenants apart and what fences writes: here every mutant must be killed. */
  strict: [
    "lib/{causes,digest,keys,vault-reach,vault-address,namespaces}.ts",
    "lib/reconcile/{source,owners,belonging}.ts",
    "lib/**/{lent-identity,identity,find-auth,look-up}.ts",
    "lib/vault/{address-guard,ip-rule,redirect,held-token,token-cache,single-flight}.ts",
    "lib/{leases,store}/**/{sqlite-leases,dynamodb-leases,dynamodb-conditions,merge-owned,sqlite-tokens}.ts",
    "lib/{leases,store}/**/{leases,conditions}.ts",
  ],
  /** Tests that need no server. */
  tests: [
    "test/unit/**/*.test.ts",
    "test/core/**/*.test.ts",
    "test/contract/{lease-store,lease-store-dynamodb,sqlite,damaged-rows,standing,row-budget,circuits}.test.ts",
    "test/contract/{token-store,token-sweep,dynamodb}.test.ts",
  ],
  /** Tests of those that prove nothing here. */
  withoutTests: ["test/unit/{harness,cli,aws}/**"],
  /** Tests of very many rows, by name: what they notice others notice, in a hundredth of the time. */
  tooSlow: ["syncs are declared, carried out and come round"],
  /** In percent. */
  enough: { overall: 90, strict: 100 },
} as const;

export type Config = {
  readonly [Key in "scope" | "except" | "strict" | "tests" | "withoutTests" | "tooSlow"]: readonly string[];
} & { readonly enough: { readonly overall: number; readonly strict: number } };
