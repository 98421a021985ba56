/** A rule of a role, and where it is needed. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  /** In these namespaces, and not in those of its row. */
  readonly namespaces?: readonly string[];
}

/** A rule about a resource of the core group. */
export function core(resource: string, verbs: readonly string[], resourceNames?: readonly string[]): Rule {
  return { apiGroups: [""], resources: [resource], ...(resourceNames && { resourceNames }), verbs };
}
