/** A word of a POSIX shell that stands for exactly this text. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** kubectl, with the context of the person who types it. */
export function kubectl(context: string | undefined, ...words: readonly string[]): string {
  return ["kubectl", ...(context === undefined ? [] : ["--context", shellWord(context)]), ...words].join(" ");
}

/** All commands of Vault's command line after this one work in this namespace, whatever the environment had before. */
export function inVaultNamespace(namespace: string, cli: "vault" | "bao"): string {
  return `export ${cli === "bao" ? "BAO" : "VAULT"}_NAMESPACE=${namespace === "root" ? "" : shellWord(namespace)}`;
}
