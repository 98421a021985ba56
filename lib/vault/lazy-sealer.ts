import { type Sealer, sealer } from "./sealer.ts";

export interface SealingOptions {
  /** Keys of 32 bytes. The first seals; the others open what was sealed before. Called for the first text. */
  readonly keys: () => Promise<readonly Buffer[]>;
  /** The installation that owns what is sealed; it can't read that of others. */
  readonly installation: string;
  readonly randomBytes: (count: number) => Buffer;
}

/** The sealer of these keys. After a failure the next text asks for the keys again. */
export function lazySealer({ keys, randomBytes }: SealingOptions): () => Promise<Sealer> {
  let made: Promise<Sealer> | undefined;
  return () => {
    made ??= keys().then(
      (found) => sealer(found, randomBytes),
      (error: unknown) => {
        made = undefined;
        throw error;
      },
    );
    return made;
  };
}
