/** A permission, for a comparison with another one. */
export interface Grant {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly namespaces?: readonly string[];
}

/** Whether another permission includes this one. Of two equal ones, the one that stands `first` includes the other. */
export function isCovered(grant: Grant, other: Grant, first: boolean): boolean {
  return includes(other, grant) && (first || !includes(grant, other));
}

function includes(wide: Grant, narrow: Grant): boolean {
  return (
    isWithin(narrow.apiGroups, wide.apiGroups) &&
    isWithin(narrow.resources, wide.resources) &&
    isWithin(narrow.verbs, wide.verbs) &&
    isLimitedTo(narrow.resourceNames, wide.resourceNames) &&
    isLimitedTo(narrow.namespaces, wide.namespaces)
  );
}

function isWithin(part: readonly string[], whole: readonly string[]): boolean {
  return part.every((item) => whole.includes(item));
}

/** A missing list is no limit. */
function isLimitedTo(part: readonly string[] | undefined, whole: readonly string[] | undefined): boolean {
  return whole === undefined || (part !== undefined && isWithin(part, whole));
}
