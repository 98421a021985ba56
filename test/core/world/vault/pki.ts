import { isIP } from "node:net";
import { type Answer, type Body, bodyOf, done, failed, msOf, ok, type Question, textsOf } from "./answers.ts";
import type { EngineDeps } from "./leases.ts";
import type { Token } from "./tokens.ts";
import { type MemoryCa, memoryCa } from "./x509.ts";

const DAY_MS = 24 * 3_600_000;
/** Certificates are good from a little before they are made. */
const BACK_MS = 30_000;

/** In `format: der` without the lines of PEM. */
function encoded(format: unknown): (pem: string) => string {
  return (pem) => (format === "der" ? pem.replace(/-----[^-]+-----|\s/g, "") : pem);
}

export interface MadeCertificate {
  readonly serial: string;
  readonly certificate: string;
  readonly until: number;
  /** `no_store`: Vault does not know it any more. */
  readonly isStored: boolean;
  readonly leaseId: string;
  revokedAt: number | undefined;
}

export interface PkiMount {
  handle(question: Question, path: string, token: Token | "root"): Answer;
  /** Who asks for a certificate needs no token. */
  show(serial: string): Answer;
  /** The same for the certificate of an issuer. */
  signer(issuer: string): Answer;
  /** All that were made, oldest first; those that are revoked have `revokedAt`. */
  made(): readonly MadeCertificate[];
}

export function pkiMount({ now, leases, mount }: EngineDeps): PkiMount {
  const roles = new Map<string, Body>();
  const issuers = new Map<string, MemoryCa>();
  const made = new Map<string, MadeCertificate>();

  const revokedAt = (one: MadeCertificate): number | undefined => {
    const hasEnded = one.leaseId !== "" && leases.find(one.leaseId) === undefined && now() < one.until;
    if (one.revokedAt === undefined && hasEnded) one.revokedAt = now();
    return one.revokedAt;
  };
  const issue = (issuer: string, name: string, question: Question, token: Token | "root"): Answer => {
    const [role, ca] = [roles.get(name), issuers.get(issuer)];
    if (role === undefined) return failed(400, `unknown role: ${name}`);
    if (ca === undefined) return failed(400, `unable to find PKI issuer for reference: ${issuer}`);
    const body = bodyOf(question);
    const commonName = String(body.common_name ?? "");
    const maxMs = msOf(role.max_ttl) || 32 * DAY_MS;
    const ttlMs = Math.min(msOf(body.ttl) || msOf(role.ttl) || maxMs, maxMs);
    const until = Math.floor((now() + ttlMs) / 1_000) * 1_000;
    if (until > ca.until)
      return failed(400, "cannot satisfy request, as TTL would result in notAfter that is beyond the CA's");
    const own = commonName === "" || body.exclude_cn_from_sans === true ? [] : [commonName];
    const names = [...new Set([...own, ...textsOf(body.alt_names)])];
    const { certificate, privateKey, serial } = ca.issue({
      ...{ commonName, from: now() - BACK_MS, until, uris: textsOf(body.uri_sans) },
      dnsNames: names.filter((one) => isIP(one) === 0),
      addresses: textsOf(body.ip_sans),
    });
    const hasLease = role.generate_lease === true;
    const lease: Body = hasLease
      ? leases.make({
          ...{ path: `${mount}/issue/${name}`, token, isRenewable: false, about: serial },
          ...{ ttlMs, maxMs: ttlMs },
        })
      : { lease_id: "", lease_duration: 0, renewable: false };
    const leaseId = String(lease.lease_id);
    made.set(serial, { serial, certificate, until, leaseId, isStored: role.no_store !== true, revokedAt: undefined });
    const as = encoded(body.format);
    const data = {
      ...{ certificate: as(certificate), issuing_ca: as(ca.certificate), ca_chain: [as(ca.certificate)] },
      ...{ serial_number: serial, private_key: as(privateKey), private_key_type: "ed25519", expiration: until / 1_000 },
    };
    return ok({ request_id: `request-${serial}`, ...lease, data });
  };
  const revoke = ({ serial_number: serial }: Body): Answer => {
    const found = made.get(String(serial));
    if (!found?.isStored) return failed(400, `certificate with serial ${String(serial)} not found`);
    if (now() < found.until) found.revokedAt ??= now();
    return ok({ data: { revocation_time: Math.floor((found.revokedAt ?? 0) / 1_000) } });
  };
  const root = (name: string, body: Body): Answer => {
    const from = now() - BACK_MS;
    const ca = memoryCa(String(body.common_name ?? "root"), {
      from,
      until: now() + (msOf(body.ttl) || 3_650 * DAY_MS),
    });
    issuers.set(name, ca);
    if (!issuers.has("default")) issuers.set("default", ca);
    return ok({ data: { certificate: ca.certificate, issuing_ca: ca.certificate, issuer_name: name } });
  };
  const show = (serial: string): Answer => {
    const found = made.get(serial);
    if (!found?.isStored) return failed(404);
    const at = revokedAt(found);
    return ok({
      data: { certificate: found.certificate, revocation_time: at === undefined ? 0 : Math.floor(at / 1_000) },
    });
  };
  const signer = (name: string): Answer => {
    const ca = issuers.get(name);
    return ca === undefined ? failed(404) : ok({ data: { certificate: ca.certificate, ca_chain: [ca.certificate] } });
  };
  return {
    ...{ show, signer },
    made: () => {
      for (const one of made.values()) revokedAt(one);
      return [...made.values()];
    },
    handle(question, path, token) {
      const [area = "", first = "", , third = ""] = path.split("/");
      const body = question.method === "POST" ? bodyOf(question) : {};
      const verbs: Readonly<Record<string, () => Answer>> = {
        "GET cert": () => show(first),
        "POST issue": () => issue("default", first, question, token),
        "POST issuer": () => issue(first, third, question, token),
        "POST revoke": () => revoke(body),
        "POST root": () => root(String(body.issuer_name ?? "default"), body),
        "POST roles": () => {
          roles.set(first, { ...roles.get(first), ...body });
          return done();
        },
      };
      const work = verbs[`${question.method} ${area}`];
      return work ? work() : failed(405, "1 error occurred:\n\t* unsupported operation\n\n");
    },
  };
}
