import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../../../lib/audit/effect.ts";
import { effectsOf } from "../../../lib/audit/effects.ts";
import { revokedLease } from "../../../lib/audit/leases.ts";
import type { AuditLine, Change } from "../../../lib/audit/line.ts";

interface Made {
  readonly namespace?: string;
  readonly namespaceId?: string;
  readonly change?: Change;
  /** The mount, without the namespace. */
  readonly at?: string;
  readonly type?: string;
  readonly version?: number;
}

/** A change at this path, relative to its namespace. */
function aChange(path: string, made: Made = {}): AuditLine {
  const { namespace = "", namespaceId = "root", change = "update", at, type = "kv", version } = made;
  const mount = namespace === "" ? at : `${namespace}/${at}`;
  return {
    ...{ id: "r-1", time: "", change, namespace, namespaceId, path },
    ...(at !== undefined && { mount: { path: mount ?? "", type, below: path.slice(at.length + 1) } }),
    ...(version !== undefined && { version }),
  };
}

const ID = "abcdefghijklmnopqrstuvwX";
const path = (text: string, more: object = {}): Effect => ({ kind: "path", path: text, ...more });
const prefix = (text: string, more: object = {}): Effect => ({ kind: "prefix", prefix: text, ...more });
const [SWEEP, ALL_TOKENS]: readonly [Effect, Effect] = [{ kind: "sweep" }, { kind: "tokens" }];
const LEASES: Effect = { kind: "sweep", lease: true };
const LEASE = { lease: true };
const ENDED = [ALL_TOKENS, LEASES];
const NS: Made = { namespace: "ns1", namespaceId: "nsid" };

const CASES: readonly (readonly [string, Made, readonly Effect[]])[] = [
  ["old/app", { at: "old", type: "generic" }, [path("old/app")]],
  ["kv/data/app", { at: "kv", change: "recover", version: 4 }, [path("kv/app", { version: 4 })]],
  ["kv/data", { at: "kv" }, [path("kv/data")]],
  [
    "team/kv/metadata/a/b",
    { at: "team/kv", change: "delete" },
    [path("team/kv/a/b", { forget: true }), path("team/kv/metadata/a/b")],
  ],
  ["kv/app", {}, []],
  ["transit/keys/app", { at: "transit", type: "transit" }, []],
  ["kv/data/app", { at: "kv", type: "constructor" }, []],
  ["database/roles/team/app", { at: "database", type: "database" }, [path("database/creds/team/app")]],
  ["database/roles", { at: "database", type: "database" }, []],
  ["database/config/db", { at: "database", type: "database", ...NS }, [prefix("ns1/database")]],
  ["pki/issuer/a/issue/web", { at: "pki", type: "pki" }, []],
  ["pki/root/sign-intermediate", { at: "pki", type: "pki" }, []],
  ["pki/root/replace", { at: "pki", type: "pki" }, [prefix("pki")]],
  ["pki/revoke-with-key", { at: "pki", type: "pki" }, [prefix("pki")]],
  ["pki/issuers/import/bundle", { at: "pki", type: "pki" }, [prefix("pki")]],
  ["system/data/app", { at: "system" }, [path("system/app"), path("system/data/app")]],
  ["authors/app", { at: "authors" }, [path("authors/app")]],

  [`sys/leases/revoke/database/creds/app/${ID}`, {}, [path("database/creds/app", LEASE)]],
  [`sys/leases/revoke/pki/issue/web/${ID}.nsid`, NS, [path("ns1/pki/issue/web", LEASE)]],
  [`sys/leases/revoke/pki/issue/web/${ID}.other`, NS, [LEASES]],
  [`sys/leases/revoke/pki/issue/web/${ID}.nsid`, {}, [LEASES]],
  [`sys/leases/revoke/pki/issue/web/${ID}`, NS, [path("pki/issue/web", LEASE)]],
  [`sys/leases/revoke/auth/kubernetes/login/${ID}`, {}, ENDED],
  ["sys/leases/revoke/app", {}, []],
  ["sys/leases/revoke-prefix/database", NS, [prefix("ns1/database", LEASE)]],
  ["sys/revoke-force/database/creds", {}, [prefix("database/creds", LEASE)]],
  [
    `sys/leases/revoke-prefix/database/creds/app/${ID}.nsid`,
    NS,
    [prefix(`ns1/database/creds/app/${ID}.nsid`, LEASE), path("ns1/database/creds/app", LEASE)],
  ],
  ["sys/leases/revoke-prefix/auth", {}, ENDED],
  ["sys/leases/revoke-force/auth/kubernetes", {}, ENDED],
  [`sys/leases/revoke-prefix/auth/kubernetes/login/${ID}`, {}, ENDED],
  ["sys/leases/revoke-prefix/authors", {}, [prefix("authors", LEASE)]],
  ["sys/revoke", {}, [LEASES]],
  ["sys/renew", {}, []],

  ["sys/mounts/team/kv", { change: "delete", ...NS }, [prefix("ns1/team/kv", LEASE)]],
  ["sys/mounts/tune", { change: "create" }, [prefix("tune")]],
  ["sys/namespaces/team", { change: "patch" }, []],
  ["sys/namespaces/team/inner", { change: "delete" }, [SWEEP]],
  ["sys/auth/team/app", NS, [{ kind: "tokens", mount: "ns1/auth/team/app" }]],
  ["sys/auth/team/app", { change: "delete", ...NS }, [{ kind: "tokens", mount: "ns1/auth/team/app" }, LEASES]],
  ["sys/policies/detailed/acl/app", {}, [ALL_TOKENS]],
  ["sys/policies/rgp/app", {}, [ALL_TOKENS]],
  ["sys/policies/egp/app", {}, [ALL_TOKENS]],
  ["sys/policies/password/app", {}, []],
  ["sys/unseal", {}, []],
  ["auth/oidc/oidc/callback", { at: "auth/oidc", type: "jwt" }, []],
  ["auth/oidc/oidc/auth_url", { at: "auth/oidc", type: "jwt" }, []],
  ["auth/oidc/oidc/poll", { at: "auth/oidc", type: "jwt" }, []],
  ["auth/jwt/login-x", { at: "auth/jwt", type: "jwt" }, [{ kind: "tokens", mount: "auth/jwt" }]],
  ["auth/token/revoke", { at: "auth/token", type: "token" }, ENDED],
  ["auth/token/revoke-accessor", { at: "auth/token", type: "token" }, ENDED],
  ["auth/token/revoke-orphan", { at: "auth/token", type: "token" }, ENDED],
  ["auth/token/revoke-orphan", { at: "auth/token", type: "ns_token", ...NS }, ENDED],
  ["auth/token/tidy", { at: "auth/token", type: "token" }, []],
  ["auth/jwt/role/app", { at: "auth/jwt", change: "delete" }, [{ kind: "tokens", mount: "auth/jwt" }]],
  ["auth/jwt/role/app", {}, []],
  ["identity/oidc/key/app", { at: "identity", type: "identity" }, []],
  ["identity/mfa/method/totp", { at: "identity", type: "identity" }, [ALL_TOKENS]],
];

describe("the effects of a change", () => {
  for (const [asked, made, effects] of CASES) {
    it(`${made.change ?? "update"} ${asked} ${JSON.stringify(made)}: ${JSON.stringify(effects)}`, () => {
      assert.deepEqual(effectsOf(aChange(asked, made)), effects);
    });
  }

  it("name the revoked lease only where the path has it", () => {
    assert.equal(revokedLease({ path: `sys/leases/revoke/database/creds/app/${ID}` }), `database/creds/app/${ID}`);
    assert.equal(revokedLease({ path: `sys/revoke/a/${ID}` }), `a/${ID}`);
    for (const other of ["sys/leases/revoke", "sys/leases/revoke-prefix/a/b", "kv/sys/leases/revoke/a"]) {
      assert.equal(revokedLease({ path: other }), undefined);
    }
  });
});
