import { createCipheriv, createDecipheriv } from "node:crypto";
import type { SealedBy } from "../ports/vault-issues.ts";
import { SEALING_KEY_BYTES } from "../sealing-keys.ts";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Sealed {
  /** Base64 of nonce, tag and ciphertext. */
  readonly text: string;
  /** Different each time, and not secret. */
  readonly serial: string;
}

/** Encrypts values for storage. */
export interface Sealer {
  /** `context` is not stored but needed to open the text, so that a text can't be moved to another name. */
  seal(plain: Buffer, context: string): Sealed;
  /** Undefined: sealed with another key or context, or damaged. */
  open(text: string, context: string): Buffer | undefined;
  /** Which key opens it. */
  sealedBy(text: string, context: string): SealedBy;
  readonly hasFormer: boolean;
}

/**
 * AES-256-GCM with a random nonce for each text: safe for 2^32 texts with one key. The first key seals; the others are
 * former ones, which open what they sealed.
 */
export function sealer(keys: readonly Buffer[], randomBytes: (count: number) => Buffer): Sealer {
  const [present] = keys;
  if (present === undefined || keys.some((key) => key.length !== SEALING_KEY_BYTES)) {
    throw new Error(`a sealer's key has ${SEALING_KEY_BYTES} bytes`);
  }
  const openedBy = (text: string, context: string): { readonly key: Buffer; readonly plain: Buffer } | undefined => {
    const bytes = Buffer.from(text, "base64");
    // Also a part of a tag would be taken for one.
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    for (const key of keys) {
      const plain = opened(key, bytes, context);
      if (plain !== undefined) return { key, plain };
    }
    return undefined;
  };
  return {
    hasFormer: keys.length > 1,
    seal(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, present, nonce).setAAD(Buffer.from(context));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      const bytes = Buffer.concat([nonce, cipher.getAuthTag(), text]);
      return { text: bytes.toString("base64"), serial: nonce.toString("hex") };
    },
    open: (text, context) => openedBy(text, context)?.plain,
    sealedBy(text, context) {
      const by = openedBy(text, context)?.key;
      if (by === undefined) return "unknown";
      return by === present ? "present" : "former";
    },
  };
}

function opened(key: Buffer, bytes: Buffer, context: string): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
