import { inspect } from "node:util";

const MASK = "[secret]";

/** Bytes that can't be printed by accident: strings, JSON, logs and inspectors show `[secret]`. */
export class SecretValue {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static of(value: string | Uint8Array): SecretValue {
    return new SecretValue(typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value));
  }

  /** The only access to the bytes, so that all uses can be found: Vault, Kubernetes, the encoders and digest.ts. */
  reveal(): Buffer {
    return this.#bytes;
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }

  [Symbol.toPrimitive](): string {
    return MASK;
  }
}

/** The data of a Secret: key to bytes. */
export type SecretData = ReadonlyMap<string, SecretValue>;
