import { kubectl, shellWord } from "../util/shell.ts";
import { bindingYaml, yamlWord } from "./rbac.ts";

/** A service account. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** Its Secret, which Kubernetes fills with a token. */
export function tokenSecretOf(account: string): string {
  return `${account}-token`;
}

export function accountYaml({ namespace, name }: Account): string {
  return `apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: ${yamlWord(name)}\n  namespace: ${yamlWord(namespace)}\n`;
}

/**
 * The Secret of its token, which does not expire: API servers may shorten the tokens that they are asked for to a day
 * without a word.
 */
export function tokenYaml({ namespace, name }: Account): string {
  return [
    "apiVersion: v1",
    "kind: Secret",
    "type: kubernetes.io/service-account-token",
    "metadata:",
    `  name: ${tokenSecretOf(name)}`,
    `  namespace: ${yamlWord(namespace)}`,
    "  annotations:",
    `    kubernetes.io/service-account.name: ${yamlWord(name)}`,
    "",
  ].join("\n");
}

/** Lets Vault review tokens with the account, and nothing else that Vault uses. */
export function reviewerBinding({ namespace, name }: Account): string {
  return bindingYaml({ name: `${namespace}-${name}` }, { namespace, name }, "system:auth-delegator");
}

/** A command that prints the token of an account with such a Secret. `context`: of kubectl. */
export function tokenOf(context: string | undefined, { namespace, name }: Account): string {
  const path = shellWord("jsonpath={.data.token}");
  return `${kubectl(context, "get", "secret", "-n", namespace, tokenSecretOf(name), "-o", path)} | base64 -d`;
}

/** A command that ends when Kubernetes has filled the Secret. */
export function waitForToken(context: string | undefined, { namespace, name }: Account): string {
  const what = ["wait", "-n", namespace, `--for=${shellWord("jsonpath={.data.token}")}`];
  return kubectl(context, ...what, "--timeout=60s", `secret/${tokenSecretOf(name)}`);
}
