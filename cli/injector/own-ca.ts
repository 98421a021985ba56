import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Authority,
  isNextDue,
  renewAt,
  signingAuthority,
  successorSignsAt,
  validAuthorities,
} from "../../lib/admission/authority-times.ts";
import { type EpochMs, HOUR_MS } from "../../lib/clock.ts";
import { createOwn, readOwn, writeOwn } from "./own-files.ts";
import { certifiedHosts } from "./own-hosts.ts";

/** The webhook's own CA, in the data directory. Its library is loaded by the first certificate. */

const DAY_MS = 24 * HOUR_MS;

function caPathOf(dataDir: string): string {
  return join(dataDir, "injector-ca.json");
}

export function hasOwnCa(dataDir: string): boolean {
  return existsSync(caPathOf(dataDir));
}

/** The certificates for registrations: that of the CA, and that of its successor once there is one. Makes the first CA. */
export async function ownCaBundle(dataDir: string, now: EpochMs): Promise<string> {
  return bundleOf(validAuthorities(await authorities(dataDir, now), now));
}

function bundleOf(all: readonly Authority[]): string {
  return all.map(({ cert }) => cert.trim()).join("\n");
}

export interface OwnCa {
  /**
   * The certificate for these names and those that it had lately, renewed when it is time, and the CA certificates for
   * registrations.
   */
  at(hosts: readonly string[], now: EpochMs): Promise<OwnTls>;
}

export interface OwnTls {
  readonly tls: { readonly cert: string; readonly key: string };
  readonly ca: string;
  /** There was no CA before. */
  readonly isFirst: boolean;
  /** A successor of the CA signs from then on: by then registrations must have it. Said at each start and once a day. */
  readonly successorBy?: EpochMs;
}

/** Only the process with the lock of the data directory renews. */
export function ownCa(dataDir: string): OwnCa {
  let toldAt = Number.NEGATIVE_INFINITY;
  let leaf: { readonly pair: Authority; readonly by: Authority; readonly hosts: string } | undefined;
  return {
    async at(hosts, now) {
      const isFirst = !hasOwnCa(dataDir);
      const { all, isNew } = await renewed(dataDir, now);
      const valid = validAuthorities(all, now);
      const signer = signingAuthority(all, now);
      if (signer === undefined) throw new Error("the CA of the injector has no authority that is valid");
      const certified = certifiedHosts(dataDir, hosts, now);
      const names = certified.join(" ");
      const isFresh = leaf?.by.cert === signer.cert && leaf.hosts === names && now < renewAt(leaf.pair);
      if (!isFresh || leaf === undefined) {
        const { serverCertificate } = await import("../../lib/admission/authority.ts");
        leaf = { pair: await serverCertificate(signer, certified, now), by: signer, hosts: names };
      }
      const before = valid.at(-2);
      const successorBy = before === undefined ? undefined : successorSignsAt(before);
      const tells = successorBy !== undefined && (isNew || (now < successorBy && now - toldAt >= DAY_MS));
      if (tells) toldAt = now;
      return {
        tls: { cert: leaf.pair.cert, key: leaf.pair.key },
        ca: bundleOf(valid),
        isFirst,
        ...(tells ? { successorBy } : {}),
      };
    },
  };
}

async function renewed(
  dataDir: string,
  now: EpochMs,
): Promise<{ readonly all: readonly Authority[]; readonly isNew: boolean }> {
  const all = await authorities(dataDir, now);
  if (!isNextDue(all, now)) return { all, isNew: false };
  const more = [...validAuthorities(all, now), await made(now)];
  writeOwn(caPathOf(dataDir), more);
  return { all: more, isNew: true };
}

async function authorities(dataDir: string, now: EpochMs): Promise<readonly Authority[]> {
  const path = caPathOf(dataDir);
  const found = readOwn(path, areAuthorities);
  if (found !== undefined) return found;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const first = [await made(now)];
  return createOwn(path, first) ? first : (readOwn(path, areAuthorities) ?? first);
}

async function made(now: EpochMs): Promise<Authority> {
  const { newAuthority } = await import("../../lib/admission/authority.ts");
  return newAuthority(now);
}

function areAuthorities(value: unknown): value is readonly Authority[] {
  return Array.isArray(value) && value.length > 0 && value.every(isAuthority);
}

function isAuthority(value: unknown): value is Authority {
  const { cert, key, notBefore, notAfter } = (value ?? {}) as Partial<Record<keyof Authority, unknown>>;
  return [cert, key].every((one) => typeof one === "string") && [notBefore, notAfter].every(Number.isFinite);
}
