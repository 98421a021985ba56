/** Kubernetes' rules for names, labels and annotations. Each function returns the problem, or undefined. */

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;

/** Kubernetes' rule for namespaces (RFC 1123). */
export function isDnsLabel(text: string): boolean {
  return text.length <= MAX_LABEL && LABEL.test(text);
}

/** Kubernetes' rule for most objects: parts with dots between them, which may be longer than a label. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= MAX_SUBDOMAIN && text.split(".").every((part) => LABEL.test(part));
}

/** The name of a Secret, a ServiceAccount, a workload or a custom resource. */
export function nameProblem(text: string): string | undefined {
  if (isDnsSubdomain(text)) return undefined;
  return "must be a Kubernetes name: lower-case letters, digits, - and ., 253 characters at most";
}

/** The name of a namespace. */
export function namespaceProblem(text: string): string | undefined {
  if (isDnsLabel(text)) return undefined;
  return "must be the name of a namespace: lower-case letters, digits and -, 63 characters at most, no - at either end";
}

/** The name of a label, such as `example.com/team`. */
export function qualifiedNameProblem(key: string): string | undefined {
  const [last = "", prefix, ...rest] = key.split("/").reverse();
  const isName = last.length <= MAX_LABEL && QUALIFIED_NAME.test(last);
  if (isName && rest.length === 0 && (prefix === undefined || isDnsSubdomain(prefix))) return undefined;
  return "is not a valid name: letters, digits, -, _ and ., 63 characters at most, optionally after a DNS name and /";
}

/** A label: its name, and its value, which may be empty. */
export function labelProblem(key: string, value: string): string | undefined {
  const problem = qualifiedNameProblem(key);
  if (problem !== undefined) return problem;
  if (value === "" || (value.length <= MAX_LABEL && QUALIFIED_NAME.test(value))) return undefined;
  return "must be a label value: letters, digits, -, _ and ., 63 characters at most, a letter or digit at either end";
}

/** Annotation names are qualified names of any case. */
export function annotationProblem(key: string): string | undefined {
  return qualifiedNameProblem(key.toLowerCase());
}

/** An object of a kind and cluster that the context tells. */
export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
}

/** Parses `""`, `name` or `namespace/name` as VSO does; undefined for anything else. */
export function parseObjectRef(text: string, whenEmpty: ObjectRef, namespace: string): ObjectRef | undefined {
  if (text === "") return whenEmpty;
  const parts = text.split("/");
  const [first = "", second] = parts;
  const ref = second === undefined ? { namespace, name: first } : { namespace: first, name: second };
  return parts.length <= 2 && isDnsLabel(ref.namespace) && isDnsSubdomain(ref.name) ? ref : undefined;
}

/** `name` or `namespace/name`, as `parseObjectRef` takes it, or empty. */
export function objectRefProblem(text: string): string | undefined {
  if (parseObjectRef(text, { namespace: "", name: "" }, "any") !== undefined) return undefined;
  return 'is an invalid name: must be "name" or "namespace/name"';
}
