import { commentLines } from "./comment-lines.ts";
import type { KubernetesRight } from "./kubernetes.ts";

/** Roles and bindings as YAML, with a comment above each rule. */

const API = "rbac.authorization.k8s.io";
const MAX_WIDTH = 120;

/** A ClusterRole, or a Role if it has a namespace. */
export interface RoleName {
  readonly name: string;
  readonly namespace?: string;
}

/** A Role or ClusterRole with these permissions. */
export function roleYaml({ name, namespace }: RoleName, rights: readonly KubernetesRight[]): string {
  return [
    `apiVersion: ${API}/v1`,
    `kind: ${namespace === undefined ? "ClusterRole" : "Role"}`,
    "metadata:",
    `  name: ${yamlWord(name)}`,
    ...(namespace === undefined ? [] : [`  namespace: ${yamlWord(namespace)}`]),
    "rules:",
    ...rights.flatMap(ruleLines),
    "",
  ].join("\n");
}

/** A service account, or a group without a namespace. */
export type Subject = RoleName;

/** Binds a subject to the role of the binding's name, or to another one. */
export function bindingYaml({ name, namespace }: RoleName, subject: Subject, role = name): string {
  const kind = namespace === undefined ? "ClusterRole" : "Role";
  return [
    `apiVersion: ${API}/v1`,
    `kind: ${kind}Binding`,
    "metadata:",
    `  name: ${yamlWord(name)}`,
    ...(namespace === undefined ? [] : [`  namespace: ${yamlWord(namespace)}`]),
    "roleRef:",
    `  apiGroup: ${API}`,
    `  kind: ${kind}`,
    `  name: ${yamlWord(role)}`,
    "subjects:",
    ...(subject.namespace === undefined
      ? ["  - kind: Group", `    apiGroup: ${API}`]
      : ["  - kind: ServiceAccount", `    namespace: ${yamlWord(subject.namespace)}`]),
    `    name: ${yamlWord(subject.name)}`,
    "",
  ].join("\n");
}

function ruleLines({ apiGroups, resources, resourceNames, verbs, reason }: KubernetesRight): readonly string[] {
  return [
    ...commentLines(reason, "  "),
    `  - apiGroups: ${flow(apiGroups)}`,
    ...listLines("resources", resources),
    ...(resourceNames === undefined ? [] : listLines("resourceNames", resourceNames)),
    `    verbs: ${flow(verbs)}`,
  ];
}

function listLines(field: string, items: readonly string[]): readonly string[] {
  const line = `    ${field}: ${flow(items)}`;
  return line.length <= MAX_WIDTH ? [line] : [`    ${field}:`, ...items.map((item) => `      - ${yamlWord(item)}`)];
}

function flow(items: readonly string[]): string {
  return `[${items.map(yamlWord).join(", ")}]`;
}

/** A name as YAML takes it for a text: quoted where needed. */
export function yamlWord(text: string): string {
  return /^[a-z][a-z0-9./-]*(:[a-z0-9-]+)?$/.test(text) && !/^(null|true|false|yes|no|on|off|y|n)$/.test(text)
    ? text
    : JSON.stringify(text);
}
