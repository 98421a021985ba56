import { shellWord } from "../../lib/util/shell.ts";

/** All commands of Vault's command line after this one work in this namespace, whatever the environment had before. */
export function inVaultNamespace(namespace: string, cli: "vault" | "bao"): string {
  return `export ${cli === "bao" ? "BAO" : "VAULT"}_NAMESPACE=${namespace === "root" ? "" : shellWord(namespace)}`;
}
