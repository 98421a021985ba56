import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** A certificate with its key, both PEM. */
export interface Signed {
  readonly certificate: string;
  readonly privateKey: string;
  readonly serial: string;
}

export interface CertificateOrder {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly uris?: readonly string[];
  /** In ms. */
  readonly from: number;
  readonly until: number;
}

/** A certificate authority whose keys and serials come from a count: the same ones in each run. */
export interface MemoryCa {
  readonly certificate: string;
  readonly until: number;
  issue(order: CertificateOrder): Signed;
}

const PKCS8_OF_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const ED25519 = der(0x30, Buffer.from("06032b6570", "hex"));
const SEED_BYTES = 32;

export function memoryCa(name: string, validity: { readonly from: number; readonly until: number }): MemoryCa {
  let made = 0;
  const key = keyOf(0);
  const signed = (order: CertificateOrder, number: number, own: KeyObject, isCa: boolean): string => {
    const body = der(
      0x30,
      der(0xa0, integer(Buffer.from([2]))),
      integer(serialOf(number)),
      ED25519,
      nameOf(name),
      der(0x30, time(order.from), time(order.until)),
      nameOf(order.commonName),
      createPublicKey(own).export({ type: "spki", format: "der" }),
      der(0xa3, der(0x30, ...extensionsOf(order, isCa))),
    );
    return pem("CERTIFICATE", der(0x30, body, ED25519, bits(sign(null, body, key))));
  };
  return {
    certificate: signed({ commonName: name, ...validity }, 0, key, true),
    until: validity.until,
    issue(order) {
      const number = ++made;
      const own = keyOf(number);
      return {
        certificate: signed(order, number, own, false),
        privateKey: String(own.export({ type: "pkcs8", format: "pem" })).trim(),
        serial: [...serialOf(number)].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
      };
    },
  };
}

function keyOf(number: number): KeyObject {
  const seed = Buffer.alloc(SEED_BYTES, 0x5a);
  seed.writeUInt32BE(number);
  return createPrivateKey({ key: Buffer.concat([PKCS8_OF_ED25519, seed]), format: "der", type: "pkcs8" });
}

function serialOf(number: number): Buffer {
  const serial = Buffer.alloc(8, 0x11);
  serial.writeUInt32BE(number, 4);
  return serial;
}

function extensionsOf({ dnsNames = [], addresses = [], uris = [] }: CertificateOrder, isCa: boolean): Buffer[] {
  const names = [
    ...dnsNames.map((name) => der(0x82, Buffer.from(name))),
    ...uris.map((uri) => der(0x86, Buffer.from(uri))),
    ...addresses.map((address) => der(0x87, addressBytes(address))),
  ];
  const basic = der(0x30, ...(isCa ? [Buffer.from([0x01, 0x01, 0xff])] : []));
  return [extension("551d13", basic), ...(names.length > 0 ? [extension("551d11", der(0x30, ...names))] : [])];
}

function extension(oid: string, value: Buffer): Buffer {
  return der(0x30, der(0x06, Buffer.from(oid, "hex")), der(0x04, value));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text = "") => text.split(":").filter((part) => part !== "");
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array.from({ length: tail === undefined ? 0 : missing }, () => "0"),
    ...groups(tail),
  ];
  return Buffer.concat(all.map((group) => Buffer.from(group.padStart(4, "0"), "hex")));
}

function nameOf(commonName: string): Buffer {
  const attribute = der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from(commonName)));
  return der(0x30, ...(commonName === "" ? [] : [der(0x31, attribute)]));
}

/** Years up to 2049 have two digits in a certificate. */
function time(ms: number): Buffer {
  const text = `${new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replaceAll(/[-:T]/g, "")}`;
  const isShort = new Date(ms).getUTCFullYear() < 2050;
  return der(isShort ? 0x17 : 0x18, Buffer.from(isShort ? text.slice(2) : text));
}

const integer = (bytes: Buffer): Buffer => der(0x02, bytes);
const bits = (bytes: Buffer): Buffer => der(0x03, Buffer.from([0]), bytes);

/** Tag, length and value. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join("\n");
}
