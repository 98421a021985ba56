const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A word of a shell's command line, quoted if it must be. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
