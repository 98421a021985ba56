/** Which namespaces of a cluster keyferry serves: names, with `*` for any characters. */
export interface NamespaceFilter {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

type Matcher = (text: string) => boolean;

/**
 * Whether a text matches a pattern with `*` for any characters. Matches each part at its first possible place, without
 * a regular expression, so that no pattern is slow.
 */
export function toMatcher(pattern: string): Matcher {
  const [head = "", ...parts] = pattern.split("*");
  const tail = parts.pop();
  if (tail === undefined) return (namespace) => namespace === pattern;
  return (namespace) => {
    const end = namespace.length - tail.length;
    if (!namespace.startsWith(head) || !namespace.endsWith(tail) || end < head.length) return false;
    let at = head.length;
    return parts.every((part) => {
      const found = namespace.indexOf(part, at);
      at = found + part.length;
      return found >= 0 && at <= end;
    });
  };
}

/** `exclude` comes before `include`. An empty `include` matches nothing. */
export function namespaceMatcher(filter: NamespaceFilter): Matcher {
  const include = filter.include.map(toMatcher);
  const exclude = filter.exclude.map(toMatcher);
  return (namespace) => include.some((matches) => matches(namespace)) && !exclude.some((matches) => matches(namespace));
}

/**
 * The namespaces when the filter names each of them, so that RBAC by namespace suffices; undefined: the whole cluster.
 */
export function namedNamespaces(filter: NamespaceFilter): readonly string[] | undefined {
  if (filter.include.some((pattern) => pattern.includes("*"))) return undefined;
  const matches = namespaceMatcher(filter);
  return [...new Set(filter.include)].filter(matches);
}

/** The same for the namespaces that objects push Secrets from, of those that keyferry serves. */
export function pushNamespaces(served: NamespaceFilter, pushing: NamespaceFilter): readonly string[] | undefined {
  const named = namedNamespaces(pushing)?.filter(namespaceMatcher(served));
  return named ?? namedNamespaces(served)?.filter(namespaceMatcher(pushing));
}

/** The same for the namespaces of references, which include the operator's. */
export function referenceNamespaces(cluster: {
  readonly namespaces: NamespaceFilter;
  readonly operatorNamespace: string;
}): readonly string[] | undefined {
  const named = namedNamespaces(cluster.namespaces);
  return named && [...new Set([...named, cluster.operatorNamespace])];
}

/**
 * Whether the permissions for served namespaces hold in this one: in every one, unless the filter names each of them.
 * Elsewhere RBAC by namespace gives Secrets only by their names.
 */
export function hasServedRights(filter: NamespaceFilter, namespace: string): boolean {
  return namedNamespaces(filter)?.includes(namespace) ?? true;
}
