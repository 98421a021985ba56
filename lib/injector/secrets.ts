import { posix } from "node:path";
import type { InjectorSettings, TemplateFormat } from "../injector-settings.ts";
import { type AnnotationValues, shownName } from "./annotation-values.ts";
import { OWN_PREFIX, type SecretEntry, VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";
import { type Delimiters, defaultTemplate, environmentTemplate } from "./templates.ts";

/** A secret of a pod: the file that the agent renders. */
export interface InjectedSecret {
  readonly name: string;
  /** Where its volume is mounted. */
  readonly mountPath: string;
  readonly destination: string;
  readonly delimiters: Delimiters;
  readonly template: { readonly contents: string } | { readonly source: string };
  readonly command?: string;
  readonly perms?: string;
  readonly errorOnMissingKey: boolean;
  /** Its file is read into the environment of the containers. */
  readonly isEnvironment: boolean;
}

const DECLARING = ["agent-inject-secret", "agent-inject-template", "agent-inject-template-file"] as const;
const DEPENDENT = [
  "agent-inject-file",
  "agent-inject-perms",
  "agent-inject-command",
  "agent-template-left-delim",
  "agent-template-right-delim",
  "error-on-missing-key",
  "preserve-secret-case",
  "secret-volume-path",
] as const satisfies readonly SecretEntry["name"][];

/** More do not fit into the agent's configuration. */
const MAX_SECRETS = 1_000;
/** Bytes of base64 that make up the longest variable with which Linux starts a program. */
export const MAX_CONFIG = 128 * 1024 - "VAULT_CONFIG=".length - 1;
/** Characters of all secrets that come into the configuration as they are. */
const MAX_TEXT = Math.ceil((MAX_CONFIG * 3) / 4);

export const DEFAULT_MOUNT = "/vault/secrets";

/** The secrets that annotations declare, by name, so that the same pod always gets the same configuration. */
export function injectedSecrets(
  values: AnnotationValues,
  settings: InjectorSettings,
  notes: Notes,
): readonly InjectedSecret[] {
  const declared = DECLARING.flatMap((kind) =>
    values.secretsOf(kind).filter((name) => values.ofSecret(kind, name)?.trim() !== ""),
  );
  const names = [...new Set(declared)].sort();
  if (names.length > MAX_SECRETS) {
    notes.refuse(
      "secrets",
      `the annotations declare more than ${MAX_SECRETS}: use agent-configmap, or one template for many`,
    );
    return [];
  }
  // Before anything is made of them: each secret repeats the path of its volume.
  if (names.reduce((sum, name) => sum + lengthOf(name, values), 0) > MAX_TEXT) {
    notes.refuse(
      "secrets",
      `their paths, files and templates take more than ${MAX_TEXT} characters, which is all that the agent's configuration holds: use template files`,
    );
    return [];
  }
  const secrets = names.map((name) => secretOf(name, values, settings));
  warnOfUndeclared(new Set(names), values, notes);
  warnOfEqualFiles(secrets, values, notes);
  for (const { name, perms } of secrets) {
    if (perms !== undefined && !/^[0-7]{3,4}$/.test(perms)) {
      notes.warn(`${VAULT_PREFIX}agent-inject-perms-${name}`, "is no octal number such as 0640, so the agent may fail");
    }
  }
  return secrets;
}

/** Of what the configuration repeats of a secret. */
function lengthOf(name: string, values: AnnotationValues): number {
  const text = TEXTS.reduce((sum, kind) => sum + (values.ofSecret(kind, name)?.length ?? 0), name.length);
  return text + mountPathOf(name, values).length;
}

const TEXTS = [
  ...DECLARING,
  "agent-inject-file",
  "agent-inject-command",
  "agent-template-left-delim",
  "agent-template-right-delim",
] as const;

function mountPathOf(name: string, values: AnnotationValues): string {
  return values.ofSecret("secret-volume-path", name) ?? values.get("secret-volume-path") ?? DEFAULT_MOUNT;
}

function secretOf(name: string, values: AnnotationValues, settings: InjectorSettings): InjectedSecret {
  const mountPath = mountPathOf(name, values);
  const delimiters = {
    left: values.ofSecret("agent-template-left-delim", name) ?? "{{",
    right: values.ofSecret("agent-template-right-delim", name) ?? "}}",
  };
  const command = values.ofSecret("agent-inject-command", name);
  const perms = values.ofSecret("agent-inject-perms", name);
  const isEnvironment = values.ofSecret("agent-env", name) ?? false;
  return {
    name,
    mountPath,
    destination: destinationOf(name, mountPath, values),
    delimiters,
    template: templateOf(name, isEnvironment ? "environment" : formatOf(values, settings), delimiters, values),
    ...(command === undefined ? {} : { command }),
    ...(perms === undefined ? {} : { perms }),
    errorOnMissingKey: values.ofSecret("error-on-missing-key", name) ?? false,
    isEnvironment,
  };
}

function formatOf(values: AnnotationValues, settings: InjectorSettings): TemplateFormat {
  return values.get("agent-inject-default-template") ?? settings.defaultTemplate;
}

function destinationOf(name: string, mountPath: string, values: AnnotationValues): string {
  const file = values.ofSecret("agent-inject-file", name);
  if (file !== undefined) return posix.join(mountPath, file).replace(/(.)\/$/, "$1");
  const keepsCase = values.ofSecret("preserve-secret-case", name) ?? values.get("preserve-secret-case") ?? false;
  return `${mountPath}/${keepsCase ? name : name.toLowerCase()}`;
}

function templateOf(
  name: string,
  format: TemplateFormat | "environment",
  delimiters: Delimiters,
  values: AnnotationValues,
): InjectedSecret["template"] {
  const contents = values.ofSecret("agent-inject-template", name);
  if (contents !== undefined && contents.trim() !== "") return { contents };
  const source = values.ofSecret("agent-inject-template-file", name);
  if (source !== undefined && source.trim() !== "") return { source };
  const path = values.ofSecret("agent-inject-secret", name) ?? "";
  return {
    contents:
      format === "environment" ? environmentTemplate(path, delimiters) : defaultTemplate(path, format, delimiters),
  };
}

/** A typing error in a name would leave its secret without the setting. */
function warnOfUndeclared(names: ReadonlySet<string>, values: AnnotationValues, notes: Notes): void {
  for (const kind of DEPENDENT) {
    for (const name of values.secretsOf(kind)) {
      if (!names.has(name))
        notes.warn(`${VAULT_PREFIX}${kind}-${name}`, "has no effect: no annotation declares this secret");
    }
  }
  for (const name of values.secretsOf("agent-env")) {
    if (!names.has(name))
      notes.warn(`${OWN_PREFIX}agent-env-${name}`, "has no effect: no annotation declares this secret");
  }
}

function warnOfEqualFiles(secrets: readonly InjectedSecret[], values: AnnotationValues, notes: Notes): void {
  const first = new Map<string, string>();
  if (values.get("agent-inject-token")) first.set(tokenFile(values), "the token");
  for (const { name, destination } of secrets) {
    const other = first.get(destination);
    if (other === undefined) first.set(destination, `the secret ${shownName(name)}`);
    else notes.warn(`secret ${name}`, `has the same file as ${other}: one overwrites the other`);
  }
}

/** Where `agent-inject-token` writes Vault's token. */
export function tokenFile(values: AnnotationValues): string {
  return `${values.get("secret-volume-path") ?? DEFAULT_MOUNT}/token`;
}

/** The mount paths of secrets beside the common one, each once. */
export function customMounts(secrets: readonly InjectedSecret[], common: string): readonly string[] {
  return [...new Set(secrets.map(({ mountPath }) => mountPath).filter((path) => path !== common))];
}
