import { createHash, createHmac, createSecretKey, hash, timingSafeEqual } from "node:crypto";
import type { SecretData } from "./secret-value.ts";
import { goString, inByteOrder } from "./util/lossless.ts";
import { rememberedOf } from "./util/remembered.ts";

/** A key for digests of secret data. Each digest is stored with the key's id (lease-table 25). */
export interface DigestKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/** `<key id>:<base64 HMAC-SHA256>`: comparable, not reversible. */
export type Digest = string;

/** The id is made from the bytes, so every process that has the key names it alike. It reveals nothing of them. */
export function digestKey(bytes: Buffer): DigestKey {
  return { id: createHash("sha256").update("keyferry digest key id").update(bytes).digest("hex").slice(0, 12), bytes };
}

/**
 * The hashed message: compact JSON of the data as Kubernetes shows it, keys in byte order, values in padded base64.
 * Identical to the message of VSO's `secretMAC`, so that one encoding serves both.
 */
export function macMessage(data: SecretData): string {
  const members = new Map(
    [...data].map(([key, value]) => [key, `${goString(key)}:"${value.reveal().toString("base64")}"`]),
  );
  return `{${inByteOrder(members.keys())
    .map((key) => members.get(key))
    .join(",")}}`;
}

/** From a key's bytes Node makes the key anew each time, which costs four times the hash. */
const keyObjectOf = rememberedOf((bytes: Buffer) => createSecretKey(bytes));

/** HMAC-SHA256. */
function hmac(bytes: Buffer, message: string): string {
  return createHmac("sha256", keyObjectOf(bytes)).update(message).digest("base64");
}

/** The digest of a Secret's data with our own key. */
export function digestOf(key: DigestKey, data: SecretData): Digest {
  return `${key.id}:${hmac(key.bytes, macMessage(data))}`;
}

/** `status.secretMAC` as VSO computes it with the cluster's own key. */
export function secretMac(clusterKey: Buffer, data: SecretData): string {
  return hmac(clusterKey, macMessage(data));
}

/** Whether this key made the digest: digests of different keys can't be compared. */
export function isOfKey(key: DigestKey, digest: Digest): boolean {
  return digest.startsWith(`${key.id}:`);
}

/** Compares in constant time. */
export function sameDigest(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A short stable name for data that is not secret (a path, an object): 24 hex digits of SHA-256. */
export function fingerprint(...parts: readonly string[]): string {
  const all = parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join("");
  return hash("sha256", all, "hex").slice(0, 24);
}

const SHORT = 8;

/** A prefix for people, long enough to tell two digests of one key apart. */
export function shortDigest(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1).slice(0, SHORT);
}
