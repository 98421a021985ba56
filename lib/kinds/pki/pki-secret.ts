import type { X509Certificate } from "node:crypto";
import { isLosslessNumber } from "lossless-json";
import { SECOND_MS } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import type { Issue } from "../../ports/issues.ts";
import type { Row } from "../../ports/rows.ts";
import { VAULT_PKI_SECRET } from "../../resource-kinds.ts";
import type { JsonObject } from "../../util/json.ts";
import { issuedKind } from "../issued/issued-kind.ts";
import type { Made } from "../issued/issuing-kind.ts";
import { NOT_WRITTEN } from "../issued/left-over.ts";
import { requestOf } from "../issued/request-of.ts";
import { certificateOf, type IssuedCertificate, inUseUnusable, isSerial, mustBeUsable } from "./certificate.ts";
import { certificateIn } from "./certificate-in.ts";
import { pkiData } from "./data.ts";
import { type KnownCertificate, known, mountOf } from "./known.ts";
import { leftCertificate } from "./left.ts";
import { chainOf, lookAt } from "./look.ts";
import { type DeclaredNames, leftOutOf, matchesNames, namesId } from "./matches.ts";
import { renewAt, renewWindow } from "./renewal.ts";
import { type ResolvedPkiSecret, resolvePkiSecret } from "./resolve.ts";
import { pkiStatus } from "./status.ts";

/** The first answer is compared with the certificate itself, later ones with the one before. */
function hasNewIssuer({ chain, nextChain = chain }: KnownCertificate, now: string | undefined): boolean {
  return nextChain !== undefined && now !== undefined && now !== nextChain;
}

/** A role may have an issuer of its own: the default one then differs from the beginning, and only its change counts. */
function chainsOf(issued: IssuedCertificate, former: KnownCertificate | undefined) {
  const chain = chainOf(issued);
  const { nextChain } = former ?? {};
  return { ...(chain === undefined ? {} : { chain }), ...(nextChain === undefined ? {} : { nextChain }) };
}

/** Templates may leave the certificate out of the Secret: then what its declaration said tells. */
function hasNames(
  declared: DeclaredNames,
  x509: X509Certificate | undefined,
  { names, leftOut }: KnownCertificate,
): boolean {
  // Rows of earlier versions do not know the names.
  if (x509 === undefined) return names === undefined || names === namesId(declared);
  return matchesNames(declared, x509, leftOut);
}

/**
 * Vault's last answer to this very declaration, if it was refused: the next one may be shorter than the certificate in
 * use, and would be refused again.
 */
function refusedBefore({ declared, state: { error, seen } }: Row): SyncError | undefined {
  if (error?.code !== "VAULT_CERTIFICATE_UNUSABLE" || seen?.hash !== declared.hash) return undefined;
  return new SyncError(error.code, error.message);
}

/** Former versions, where an answer was not written, left what is known of it, beside another certificate in use. */
function isInUse({ serial }: KnownCertificate, issues: readonly Issue[] = []): boolean {
  const certificates = issues.filter(({ certificate }) => certificate !== undefined);
  return certificates.every(({ certificate, state }) => (certificate?.serial === serial) === (state === "live"));
}

/** A certificate that Vault issues, replaced before its end. */
export const pkiSecret = issuedKind<ResolvedPkiSecret>({
  ref: VAULT_PKI_SECRET,
  resolve: resolvePkiSecret,
  failedStatus: (error) => pkiStatus(undefined, error),

  unfit({ resolved, row }, was, held) {
    const present = known(was);
    if (present === undefined) return "its certificate is not known";
    if (!isInUse(present, row.state.issues)) return NOT_WRITTEN;
    if (present.over !== undefined) return present.over;
    const x509 = certificateIn(held, present.serial);
    return hasNames(resolved.names, x509, present) ? undefined : "its certificate has other names";
  },

  endsAt: (was) => known(was)?.expiration,

  window({ resolved, clock, row }, was) {
    const present = known(was);
    if (present === undefined || was.issuedAt === undefined) return undefined;
    const validity = { notBefore: was.issuedAt, expiration: present.expiration };
    const window = renewWindow(validity, resolved.expiryOffsetMs);
    // By its former time at the latest another one is asked for: Vault may give a longer one by then.
    if (was.replaceAt === undefined || was.replaceAt <= clock()) return window;
    const refused = window.from <= clock() ? refusedBefore(row) : undefined;
    const unusable = refused ?? inUseUnusable(validity, resolved.expiryOffsetMs);
    return unusable === undefined ? window : { ...window, unusable };
  },

  revocable({ resolved, clock }, was) {
    const present = known(was);
    if (present === undefined) return undefined;
    const { serial, expiration, mount } = present;
    // Rows of earlier versions do not name the mount.
    const isHere = mount === undefined ? was.request === requestOf(resolved) : mount === mountOf(resolved);
    const seconds = Math.ceil((expiration - clock()) / SECOND_MS);
    return isHere && seconds > 0 ? { serial, mount: resolved.request.mount, seconds } : undefined;
  },

  async look(run, was): Promise<JsonObject> {
    const present = known(was);
    if (present === undefined) return {};
    const { isRevoked, chain } = await lookAt(run, present.serial);
    const over = isRevoked ? "Vault has revoked it" : hasNewIssuer(present, chain) ? "its issuer changed" : undefined;
    return { ...(chain === undefined ? {} : { nextChain: chain }), ...(over === undefined ? {} : { over }) };
  },

  async make(run, answer, askedAt, was): Promise<Made> {
    const { resolved, random, clock } = run;
    const { request, expiryOffsetMs, revoke, names } = resolved;
    const place = `POST ${request.mount}/${request.path}`;
    const issued = certificateOf(answer, place);
    mustBeUsable(issued, { place, declaredOffsetMs: expiryOffsetMs, now: clock() });
    const { data, missing } = await pkiData(run, resolved, answer, issued);
    const { serial, expiration, x509 } = issued;
    const leftOut = leftOutOf(names, x509);
    const made: KnownCertificate = {
      ...{ serial, expiration, mount: mountOf(resolved), names: namesId(names) },
      ...(leftOut === undefined ? {} : { leftOut }),
      ...chainsOf(issued, known(was)),
    };
    const seconds = Math.ceil((expiration - clock()) / SECOND_MS);
    return {
      ...{ data, missing, made: { ...made } },
      replaceAt: renewAt({ ...issued, issuedAt: askedAt }, expiryOffsetMs, random()),
      ...(revoke ? { certificate: { serial, mount: request.mount, seconds } } : {}),
    };
  },

  answered({ resolved: { revoke, request }, clock }, { fields, lease }) {
    const serial = fields.get("serial_number");
    if (!revoke || lease !== undefined || typeof serial !== "string" || !isSerial(serial)) return undefined;
    const until = fields.get("expiration");
    const seconds = isLosslessNumber(until) ? Math.ceil(Number(until.value) - clock() / SECOND_MS) : 0;
    // Zero: it may never end by itself.
    return { serial, mount: request.mount, seconds: Number.isSafeInteger(seconds) ? Math.max(0, seconds) : 0 };
  },

  left: (run, left) => leftCertificate(run, left),

  status(was): JsonObject {
    const present = known(was);
    return pkiStatus(present && { ...present, issuedAt: was.issuedAt ?? 0 });
  },
});
