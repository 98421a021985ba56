/** Which namespaces of a cluster are ours to look at: names with `*` for any run of characters. */
export interface NamespaceFilter {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

function toRegExp(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

export function namespaceMatcher(filter: NamespaceFilter): (namespace: string) => boolean {
  const include = filter.include.map(toRegExp);
  const exclude = filter.exclude.map(toRegExp);
  return (namespace) =>
    include.some((pattern) => pattern.test(namespace)) && !exclude.some((pattern) => pattern.test(namespace));
}

/** The namespaces by name when the filter names each of them, so that RBAC by namespace is enough; undefined: the whole cluster. */
export function namedNamespaces(filter: NamespaceFilter): readonly string[] | undefined {
  if (filter.include.some((pattern) => pattern.includes("*"))) return undefined;
  const matches = namespaceMatcher(filter);
  return [...new Set(filter.include)].filter(matches);
}
