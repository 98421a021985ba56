/** The length of each key that seals, in bytes. */
export const SEALING_KEY_BYTES = 32;

/**
 * The keys in a file or parameter, each on its line in base64: the first seals, the others are former ones. Undefined
 * unless every line is a key.
 */
export function sealingKeys(text: string): readonly Buffer[] | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const keys = lines.map((line) => Buffer.from(line.trim(), "base64"));
  return keys.length > 0 && keys.every((key) => key.length === SEALING_KEY_BYTES) ? keys : undefined;
}
