import type { X509Certificate } from "node:crypto";
import { domainToASCII } from "node:url";
import type { VaultPkiSecretSpec } from "../../declarations/vault-pki-secret.ts";
import { fingerprint } from "../../digest.ts";
import { namesOf } from "./request.ts";

/** The declared names of a certificate. */
export type DeclaredNames = Pick<
  VaultPkiSecretSpec,
  "commonName" | "altNames" | "ipSans" | "uriSans" | "otherSans" | "userIDs" | "excludeCNFromSans"
>;

/**
 * Whether a certificate has the declared names. Further ones are no difference, and neither are those that the role
 * left out when it was issued (`leftOut`, as `leftOutOf` gave it then): another certificate would lack them as well.
 */
export function matchesNames(names: DeclaredNames, x509: X509Certificate, leftOut?: string): boolean {
  const found = leftOutOf(names, x509);
  return found === undefined || found === leftOut;
}

/** A fingerprint of the differences, to keep beside a new certificate; undefined when there are none. */
export function leftOutOf(names: DeclaredNames, x509: X509Certificate): string | undefined {
  const found = differences(names, x509);
  return found.length === 0 ? undefined : fingerprint(...found.toSorted());
}

/** The same for declarations of the same names, in whatever order and form: where there is no certificate to compare. */
export function namesId(names: DeclaredNames): string {
  const { commonName = "", excludeCNFromSans = false, altNames, ipSans, uriSans, otherSans, userIDs } = names;
  const all = new Set([
    ...[`cn ${commonName}`, `excluded ${excludeCNFromSans}`],
    ...namesOf(altNames).map(dnsOrEmail),
    ...namesOf(ipSans).map((value) => `ip ${normalIp(value)}`),
    ...namesOf(uriSans).map((value) => `uri ${normalUri(value)}`),
    ...namesOf(otherSans).map((value) => `other ${value}`),
    ...namesOf(userIDs).map((value) => `uid ${value}`),
  ]);
  return fingerprint(...[...all].toSorted());
}

/**
 * What the certificate lacks of the declared names, as `altNames www.example.com`. Names are compared as Vault writes
 * them: it converts international domain names, and Node and Vault write addresses and URIs differently.
 */
export function differences(names: DeclaredNames, x509: X509Certificate): readonly string[] {
  const sans = sansOf(x509);
  const subject: Readonly<Record<string, unknown>> = { ...x509.toLegacyObject().subject };
  const lacks = (field: string, list: readonly string[] | undefined, has: (value: string) => boolean) =>
    namesOf(list)
      .filter((value) => !has(value))
      .map((value) => `${field} ${value}`);
  const commonName = names.commonName ?? "";
  return [
    ...(commonName !== "" && !valuesOf(subject.CN).includes(commonName) ? [`commonName ${commonName}`] : []),
    ...(isMisplaced(names, commonName, sans) ? [`excludeCNFromSans ${names.excludeCNFromSans ?? false}`] : []),
    ...lacks("altNames", names.altNames, (value) => sans.has(dnsOrEmail(value))),
    ...lacks("ipSans", names.ipSans, (value) => sans.has(`ip ${normalIp(value)}`)),
    ...lacks("uriSans", names.uriSans, (value) => sans.has(`uri ${normalUri(value)}`)),
    ...lacks("otherSans", names.otherSans, (value) => hasOtherName(x509, value)),
    ...lacks("userIDs", names.userIDs, (value) => valuesOf(subject.UID).includes(value)),
  ];
}

/** Node gives one value as a text, several as a list. */
function valuesOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Also those with a wildcard, and addresses: Vault makes them DNS names. */
const HOST_NAME = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** Whether the common name is among the alternative names although it is excluded, or missing although it is not. */
function isMisplaced(names: DeclaredNames, commonName: string, sans: ReadonlySet<string>): boolean {
  const san = dnsOrEmail(commonName);
  const isName = commonName.includes("@") || HOST_NAME.test(san.slice("dns ".length));
  if (commonName === "" || !isName) return false;
  if (namesOf(names.altNames).some((value) => dnsOrEmail(value) === san)) return false;
  return sans.has(san) === (names.excludeCNFromSans ?? false);
}

/** Vault takes what has an @ for an e-mail address. Neither depends on case. */
function dnsOrEmail(value: string): string {
  if (value.includes("@")) return `email ${value.toLowerCase()}`;
  const lower = value.toLowerCase();
  // ASCII names are not all domains (`a_b`), and stay.
  return `dns ${/^[\x21-\x7e]*$/.test(lower) ? lower : domainToASCII(lower)}`;
}

/** One form of each address; an IPv4 address in IPv6 is IPv4, as in Go. */
function normalIp(text: string): string {
  const host = (text.includes(":") ? URL.parse(`http://[${text}]`) : null)?.hostname.slice(1, -1) ?? text;
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  const words = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return words.flatMap((word) => [word >> 8, word & 0xff]).join(".");
}

function normalUri(text: string): string {
  const href = URL.parse(text)?.href ?? text;
  try {
    return decodeURIComponent(href);
  } catch {
    return href;
  }
}

/** `DNS:a.example.com, URI:"urn:with, a comma"`, as Node writes them. */
const SAN = /(DNS|email|IP Address|URI):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g;

/** Alternative names as `dns a.example.com`. */
function sansOf({ subjectAltName = "" }: X509Certificate): ReadonlySet<string> {
  return new Set(
    [...subjectAltName.matchAll(SAN)].map(([, kind, shown = ""]) => {
      const value = unquoted(shown);
      if (kind === "IP Address") return `ip ${normalIp(value)}`;
      return kind === "URI" ? `uri ${normalUri(value)}` : `${kind === "DNS" ? "dns" : "email"} ${value.toLowerCase()}`;
    }),
  );
}

/** Node quotes values with a comma or a quotation mark as JSON. */
function unquoted(shown: string): string {
  if (!shown.startsWith('"')) return shown;
  try {
    return String(JSON.parse(shown));
  } catch {
    return shown;
  }
}

/** Longer numbers would take too long to encode, and no object has them. */
const OTHER_NAME = /^([0-9]{1,30}(?:\.[0-9]{1,30}){1,60});utf-?8:(.*)$/is;

/** Node does not show other names: looks for the encoding of this one. */
function hasOtherName(x509: X509Certificate, text: string): boolean {
  const [, oid, value] = OTHER_NAME.exec(text) ?? [];
  if (oid === undefined || value === undefined) return false;
  const inner = [der(0x06, oidBytes(oid)), der(0xa0, der(0x0c, Buffer.from(value)))];
  return x509.raw.includes(der(0xa0, Buffer.concat(inner)));
}

/** One element of DER. */
function der(tag: number, content: Buffer): Buffer {
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function oidBytes(oid: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = oid.split(".").map(BigInt);
  return Buffer.from([first * 40n + second, ...rest].flatMap(base128));
}

function base128(arc: bigint): number[] {
  const digits = [Number(arc & 0x7fn)];
  for (let left = arc >> 7n; left > 0n; left >>= 7n) digits.unshift(Number(left & 0x7fn) | 0x80);
  return digits;
}
