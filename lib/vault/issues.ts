import type { SyncKey } from "../keys.ts";
import type { OwnCalls } from "../ports/own-calls.ts";
import type { Metrics } from "../ports/telemetry.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { ISSUE_TIMEOUT_MS, type IssueApi, type VaultRequest } from "../ports/vault-issues.ts";
import { SecretValue } from "../secret-value.ts";
import { vaultUrlPath } from "../vault-path.ts";
import { counted } from "./counted.ts";
import { issuedData } from "./issued-data.ts";
import {
  endRights,
  type Holder,
  lookUpLease,
  lookUpToken,
  renewLease,
  renewToken,
  revokeLease,
  revokeToken,
} from "./lease-requests.ts";
import type { Grant } from "./login.ts";
import { askShared, givenUp } from "./shared-token.ts";
import { countedLogin } from "./token-logins.ts";
import type { Tokens } from "./tokens.ts";
import type { TokensDeps } from "./tokens-deps.ts";
import { askedOf, type VaultQuestion } from "./vault-client.ts";

export interface IssuesDeps extends TokensDeps {
  readonly tokens: Tokens;
  /** Where revocations are noted. */
  readonly own: OwnCalls;
}

/** Requests that make Vault issue something, each with the token that it is given. */
export function issueApi(deps: IssuesDeps): IssueApi {
  const { client, metrics, own } = deps;
  const revokeNoted = (holder: Holder, leaseId: string, signal: AbortSignal) => {
    own.revokes(leaseId);
    return revokeLease(holder, leaseId, signal, own.mark);
  };
  return {
    async login(identity, signal) {
      try {
        return ownToken(await countedLogin(deps, identity, signal));
      } catch (error) {
        throw givenUp(error, signal);
      }
    },
    issue(way, token, request, signal) {
      const work = async () => {
        const timeoutMs = Math.min(way.target.timeoutMs, ISSUE_TIMEOUT_MS);
        const question = { ...issueQuestion(request, way.loginNamespace, false), token };
        return issuedData(
          askedOf(way.target, question),
          await client.ask({ ...way.target, timeoutMs }, question, signal),
        );
      };
      return counted({ metrics, name: "keyferry_vault_issues_total" }, work, signal);
    },
    ask(identity, request, by, repeatable, signal) {
      const work = async () => {
        const question = issueQuestion(request, identity.namespace, repeatable);
        const answer = await askShared(deps, { identity, by }, question, signal);
        const data = issuedData(askedOf(identity.target, question), answer);
        // A POST that may be repeated revokes.
        if (repeatable && request.method === "POST") await own.asked(data.requestId);
        return data;
      };
      // A request that may be repeated issues nothing.
      const name = repeatable ? "keyferry_vault_reads_total" : "keyferry_vault_issues_total";
      return counted({ metrics, name }, work, signal);
    },
    renewLease: (way, token, lease, signal) =>
      counted(renewalOf(metrics, "lease"), () => renewLease({ client, way, token }, lease, signal), signal, kindOf),
    renewToken: (way, token, seconds, signal) =>
      counted(renewalOf(metrics, "token"), () => renewToken({ client, way, token }, seconds, signal), signal, kindOf),
    revokeToken: (way, token, signal) =>
      counted(revocationOf(metrics, "token"), () => revokeToken({ client, way, token }, signal), signal, itself),
    revokeLease: (way, token, leaseId, signal) =>
      counted(
        revocationOf(metrics, "lease"),
        () => revokeNoted({ client, way, token }, leaseId, signal),
        signal,
        itself,
      ),
    lookUpLease: (way, token, leaseId, signal) => lookUpLease({ client, way, token }, leaseId, signal),
    lookUpToken: (way, token, signal) => lookUpToken({ client, way, token }, signal),
    lookUpShared: (identity, by, signal) => lookUpToken(byShared(deps, identity, by), signal),
    renewForeign: ({ identity, namespace, by, ...lease }, signal) =>
      counted(
        renewalOf(metrics, "lease"),
        () => renewLease(byShared(deps, identity, by, namespace), lease, signal),
        signal,
        kindOf,
      ),
    revokeForeign: ({ identity, namespace, by, id }, signal) =>
      counted(
        revocationOf(metrics, "lease"),
        () => revokeNoted(byShared(deps, identity, by, namespace), id, signal),
        signal,
        itself,
      ),
    endRights: (way, token, signal) => endRights({ client, way, token }, signal),
  };
}

/** Whoever holds it: each request is asked with the identity's shared token. */
function byShared(deps: IssuesDeps, identity: VaultIdentity, by: SyncKey, namespace?: string): Holder {
  const { target, namespace: loginNamespace } = identity;
  return {
    client: { ...deps.client, ask: (_target, question, signal) => askShared(deps, { identity, by }, question, signal) },
    way: { target, ...(loginNamespace && { loginNamespace }), ...(namespace && { namespace }) },
    token: SecretValue.of(""),
  };
}

function ownToken({ token, ttlSeconds, renewable, uses, isBatch }: Grant) {
  return { value: token, seconds: ttlSeconds, renewable, uses, isBatch };
}

/** Throws SPEC_INVALID for an invalid mount or path. */
function issueQuestion(request: VaultRequest, loginNamespace: string | undefined, repeatable: boolean): VaultQuestion {
  const { method, mount, path, body, startBy, namespace = loginNamespace } = request;
  return {
    purpose: "issue",
    method,
    repeatable,
    path: vaultUrlPath({ mount, path }),
    namespace,
    ...(startBy !== undefined && { startBy }),
    ...(method === "POST" && { body: body ?? {} }),
  };
}

type Metric = Metrics | undefined;
const renewalOf = (metrics: Metric, of: string) => ({ metrics, name: "keyferry_vault_renewals_total", labels: { of } });
const revocationOf = (metrics: Metric, of: string) => ({
  ...{ metrics, labels: { of } },
  name: "keyferry_vault_revocations_total",
});
const kindOf = ({ kind }: { readonly kind: string }): string => kind;
const itself = (answer: string): string => answer;
