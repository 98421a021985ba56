import { hash, timingSafeEqual } from "node:crypto";

/** 256 random bits. */
export const KEY_BYTES = 32;

/** In fleet.yaml: two while a key is being replaced. */
export const MAX_KEYS = 2;
/** Those of fleet.yaml, and as many that keyferry itself made. */
const SLOTS = 2 * MAX_KEYS;

/** 32 bytes in base64url. */
export const KEY_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** What fleet.yaml has of a key. A key has 256 random bits, so that a plain hash of it tells nothing. */
export const KEY_HASH_PATTERN = /^sha256:[0-9a-f]{64}$/;

/** A key from random bytes. */
export function keyOf(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** `sha256:…`: what fleet.yaml and packages have of a key. */
export function keyHash(key: string): string {
  return `sha256:${hash("sha256", key, "hex")}`;
}

/** The bytes of a hash as fleet.yaml has it. */
export function keyHashBytes(text: string): Buffer {
  return Buffer.from(text.slice("sha256:".length), "hex");
}

/** In place of missing hashes. No text is known that has it, and none will be. */
const NO_HASH = Buffer.alloc(32);
const NO_HASHES: readonly Buffer[] = Array.from({ length: SLOTS }, () => NO_HASH);

/**
 * Whether one of the hashes is this key's. Every text takes the same way, whether it has the form of a key or not, and
 * however many hashes there are.
 */
export function isOneOf(key: string, hashes: readonly Buffer[]): boolean {
  const asked = hash("sha256", key, "buffer");
  const slots = [...hashes, ...NO_HASHES].slice(0, SLOTS);
  return slots.reduce((matches, known) => matches + Number(timingSafeEqual(asked, known)), 0) > 0;
}
