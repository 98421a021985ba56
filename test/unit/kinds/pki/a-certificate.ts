import { digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { type IssuedState, issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Obtained, ObtainInput } from "../../../../lib/kinds/kind.ts";
import { certificateOf } from "../../../../lib/kinds/pki/certificate.ts";
import { pkiSecret } from "../../../../lib/kinds/pki/pki-secret.ts";
import type { ResolvedPkiSecret } from "../../../../lib/kinds/pki/resolve.ts";
import type { VaultRequest } from "../../../../lib/ports/vault-issues.ts";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { parseLossless } from "../../../../lib/util/lossless.ts";
import { START } from "../../issues/an-issue.ts";
import { aRun, KEY, type Scene } from "../issued/a-credential.ts";
import { anAnswer, NOW } from "./answers.ts";

const PLAIN = { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" } as const;
export const REQUEST: VaultRequest = { method: "POST", mount: "pki", path: "issue/web", body: {} };
const SINCE = NOW - START;
export const SERIAL = "0c:5e:ab:00:ff";
export const ANSWER = anAnswer({ names: [{ type: "dns", value: "web.example.com" }] });
type Data = Extract<Obtained, { readonly kind: "data" }>;
const lossless = (value: object) => new Map(Object.entries(parseLossless(JSON.stringify(value)) as object));
export const fail = (code: ErrorCode) => {
  throw new SyncError(code, "why");
};

export interface Given extends Omit<Scene, "held"> {
  readonly pki?: Partial<ResolvedPkiSecret>;
  readonly held?: SecretData;
  readonly verify?: boolean;
  /** What Vault tells of a certificate and of its issuer, by path. */
  readonly tells?: Readonly<Record<string, () => object>>;
}

export function aPkiRun({ pki, held, verify = false, tells = {}, ...scene }: Given = {}) {
  const resolved = {
    ...{ request: REQUEST, transformation: PLAIN, names: { commonName: "web.example.com" }, revoke: false, hmac: true },
    ...{ expiryOffsetMs: undefined, revokesReplaced: false, ...pki },
  } as Partial<ResolvedPkiSecret>;
  const one = aRun({ ...scene, resolved, held: undefined });
  const asked: string[] = [];
  const answer = ANSWER.then((given) => ({ ...given, requestId: "r", goodForSeconds: 0 }));
  const issues = {
    ...one.vault.deps.issues,
    issue: async () => answer,
    async ask(_identity: unknown, request: VaultRequest) {
      asked.push([request.mount, request.path, request.namespace].filter(Boolean).join(" "));
      if (request.method === "POST") return answer;
      return {
        response: {},
        fields: lossless((tells[request.path] ?? (() => fail("VAULT_PATH_MISSING")))()),
        requestId: "r",
      };
    },
  };
  one.vault.pass(SINCE);
  const holding = {
    holds: async (_keys: unknown, digest: string) => (held && digest === digestOf(KEY, held) ? held : undefined),
    admit: async () => undefined,
    left: async () => undefined,
  };
  const { claim } = one;
  const row = () => ({ ...claim.row, verify });
  const run = {
    ...one.run,
    ...{ deps: { ...one.vault.deps, issues }, holding, row: row() },
    claim: {
      ...{ isTaken: true, take: claim.take, takeToWrite: claim.takeToWrite, record: claim.record, note: claim.note },
      get row() {
        return row();
      },
    },
  } as unknown as ObtainInput<ResolvedPkiSecret>;
  return { ...one, run, asked };
}

export async function obtained(given: Given = {}) {
  const { run, asked } = aPkiRun(given);
  const result = (await pkiSecret.obtain(run)) as Data;
  return { asked, result, own: issuedState({ own: result.own ?? null }) };
}

/** A Secret and a row with the certificate of the answer. */
export async function inUse(given: Given = {}, made: JsonObject = {}) {
  const issued = certificateOf(await ANSWER, "pki/issue/web");
  const held = new Map([
    ["tls.crt", SecretValue.of(issued.pem)],
    ["tls.key", issued.privateKeyPem],
  ]);
  const { run } = aPkiRun(given);
  const own: IssuedState = {
    ...{ request: requestOf(run.resolved), keys: ["tls.crt"], asks: [], issuedAt: NOW, isLeaseless: true },
    made: { serial: SERIAL, expiration: issued.expiration, ...made },
  };
  return { ...given, held, own, state: { digest: digestOf(KEY, held), ...given.state } };
}
