import { inspect } from "node:util";

const MASK = "[secret]";

/** Bytes that cannot be printed by accident: they show as `[secret]` in strings, JSON, logs and inspectors. */
export class SecretValue {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static of(value: string | Uint8Array): SecretValue {
    return new SecretValue(typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value));
  }

  /** The one way out, so that it can be searched for: the two ends, the encoders and digest.ts. */
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
