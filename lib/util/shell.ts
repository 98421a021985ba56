/** A word of a POSIX shell that stands for exactly this text, whatever a tenant has chosen as a name. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** kubectl, with the context of the person who types it; undefined: the current one. */
export function kubectl(context: string | undefined, ...words: readonly string[]): string {
  return ["kubectl", ...(context === undefined ? [] : ["--context", shellWord(context)]), ...words].join(" ");
}
