import { createCipheriv, createDecipheriv } from "node:crypto";
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
  return {
    seal(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, present, nonce).setAAD(Buffer.from(context));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      const bytes = Buffer.concat([nonce, cipher.getAuthTag(), text]);
      return { text: bytes.toString("base64"), serial: nonce.toString("hex") };
    },
    open(text, context) {
      const bytes = Buffer.from(text, "base64");
      // Also a part of a tag would be taken for one.
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      for (const key of keys) {
        const plain = opened(key, bytes, context);
        if (plain !== undefined) return plain;
      }
      return undefined;
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
