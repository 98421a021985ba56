import { createCipheriv, createDecipheriv } from "node:crypto";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The length of a sealer's key, in bytes. */
export const SEALER_KEY_BYTES = 32;

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

/** AES-256-GCM with a random nonce for each text: safe for 2^32 texts with one key. */
export function sealer(key: Buffer, randomBytes: (count: number) => Buffer): Sealer {
  if (key.length !== SEALER_KEY_BYTES) throw new Error(`a sealer's key has ${SEALER_KEY_BYTES} bytes`);
  return {
    seal(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(context));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      const bytes = Buffer.concat([nonce, cipher.getAuthTag(), text]);
      return { text: bytes.toString("base64"), serial: nonce.toString("hex") };
    },
    open(text, context) {
      const bytes = Buffer.from(text, "base64");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(context))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      } catch {
        return undefined;
      }
    },
  };
}
