import { type EpochMs, systemDeadline } from "../../../lib/clock.ts";
import type { IssueDeps } from "../../../lib/issues/deps.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import type {
  EndAnswer,
  IssueApi,
  IssuedData,
  IssueTarget,
  OwnToken,
  RenewAnswer,
} from "../../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import type { Json } from "../../../lib/util/json.ts";
import { START } from "./an-issue.ts";

export const WAY: IssueTarget = {
  target: { address: "https://vault.example", headers: {}, skipTlsVerify: false, timeoutMs: 5_000 },
  loginNamespace: "team",
  namespace: "team",
};

export const IDENTITY: VaultIdentity = {
  id: "identity",
  target: { ...WAY.target, place: "east/shop" },
  namespace: "team",
  mount: "kubernetes",
  headers: {},
  method: {
    kind: "kubernetes",
    role: "app",
    credential: {
      kind: "serviceAccount",
      cluster: "east",
      namespace: "shop",
      name: "app",
      audiences: [],
      expirationSeconds: 600,
    },
  },
};

/** What Vault answers; a function may throw instead. */
export interface Answers {
  login: () => OwnToken;
  issue: () => IssuedData;
  ask: () => IssuedData;
  renewLease: () => RenewAnswer;
  renewToken: () => RenewAnswer;
  revokeToken: () => EndAnswer;
  revokeLease: () => EndAnswer;
  endRights: () => { readonly token: boolean; readonly lease: boolean };
}

export const TOKEN: OwnToken = {
  ...{ value: SecretValue.of("hvs.own"), seconds: 3_600, renewable: true, uses: 0, isBatch: false },
};

export const ISSUED: IssuedData = {
  ...{ response: {}, fields: new Map() },
  ...{ requestId: "r-1", lease: { id: "creds/1", seconds: 600, renewable: true }, goodForSeconds: 0 },
};

const RENEWED: RenewAnswer = { kind: "renewed", seconds: 3_600, renewable: true };

/** A Vault with these answers, sealed tokens and targets, and a clock: it tells what it was asked, and what was said. */
export function anIssuingVault(answers: Partial<Answers> = {}) {
  const asked: string[] = [];
  const requests: unknown[] = [];
  const counts: string[] = [];
  const said: string[] = [];
  const targets = new Map<string, Json>([["target", WAY as unknown as Json]]);
  let now: EpochMs = START;
  const given: Answers = {
    login: () => TOKEN,
    issue: () => ISSUED,
    ask: () => ISSUED,
    renewLease: () => RENEWED,
    renewToken: () => RENEWED,
    revokeToken: () => "ended",
    revokeLease: () => "ended",
    endRights: () => ({ token: true, lease: true }),
    ...answers,
  };
  const note = (what: string, { target }: IssueTarget, token: SecretValue, ...rest: readonly unknown[]) => {
    if (target.address !== WAY.target.address) throw new Error(`another Vault: ${target.address}`);
    asked.push([what, token.reveal().toString(), ...rest].join(" "));
  };
  const issues: Omit<IssueApi, "lookUpLease" | "lookUpToken" | "lookUpShared"> = {
    async login() {
      asked.push("login");
      return given.login();
    },
    async issue(way, token, request) {
      note("issue", way, token);
      requests.push({ way, request });
      return given.issue();
    },
    async ask(identity, request, key, repeatable) {
      asked.push("ask");
      requests.push({ identity, request, key, repeatable });
      return given.ask();
    },
    async renewLease(way, token, { id, seconds }) {
      note("renewLease", way, token, id, seconds);
      return given.renewLease();
    },
    async renewToken(way, token, seconds) {
      note("renewToken", way, token, seconds);
      return given.renewToken();
    },
    async revokeToken(way, token) {
      note("revokeToken", way, token);
      return given.revokeToken();
    },
    async revokeLease(way, token, id) {
      note("revokeLease", way, token, id);
      return given.revokeLease();
    },
    async renewForeign(lease) {
      asked.push("renewForeign");
      requests.push(lease);
      return given.renewLease();
    },
    async revokeForeign(lease) {
      asked.push("revokeForeign");
      requests.push(lease);
      return given.revokeLease();
    },
    async endRights(way, token) {
      note("endRights", way, token, way.namespace);
      return given.endRights();
    },
  };
  const says = (event: string, facts: object = {}) => {
    const { because, result, endsAt, code } = facts as Readonly<Record<string, string>>;
    said.push([event, because ?? result ?? endsAt ?? code].join(": "));
  };
  const deps = {
    issues,
    seals: {
      seal: async (token: SecretValue, key: string, serial: string) => `${key} ${serial} ${token.reveal()}`,
      open: async (sealed: string, key: string, serial: string) =>
        sealed.startsWith(`${key} ${serial} `) ? SecretValue.of(sealed.slice(`${key} ${serial} `.length)) : undefined,
    },
    leases: {
      putTarget: async (target: Json) => {
        targets.set("put", target);
        return "put";
      },
      target: async (digest: string) => targets.get(digest),
    },
    clock: () => now,
    random: () => 0.5,
    withDeadline: systemDeadline,
    log: { debug: says, info: says, warn: says, error: says },
    metrics: {
      count: (name: string, labels: Readonly<Record<string, string>>) =>
        counts.push([name, ...Object.values(labels)].join(" ")),
      observe: () => undefined,
    },
    fleet: () => undefined,
  };
  return {
    ...{ asked, requests, counts, said, targets },
    deps: deps as unknown as IssueDeps,
    pass(ms: number) {
      now += ms;
    },
  };
}
