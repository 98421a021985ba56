/** `<cluster>/<Kind>/<namespace>/<name>` of a sync, plus `#<uid>` for its clean-up. Messages carry nothing else. */
export type SyncKey = string & { readonly __brand: "SyncKey" };

/** `<cluster>/<Kind>/<namespace>/<name>` of an object that syncs refer to (a VaultAuth, a credential Secret). */
export type ReferenceKey = string & { readonly __brand: "ReferenceKey" };

/** The parts of a key. `cluster` is the name in the fleet. */
export interface ObjectName {
  readonly cluster: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

function join(object: ObjectName): string {
  return `${object.cluster}/${object.kind}/${object.namespace}/${object.name}`;
}

/** Checks nothing: no part may have a slash in it. */
export function syncKey(object: ObjectName): SyncKey {
  return join(object) as SyncKey;
}

/** Checks nothing, as `syncKey`. */
export function referenceKey(object: ObjectName): ReferenceKey {
  return join(object) as ReferenceKey;
}

/** The key of the clean-up after the declaration with this uid (lease-table 8). */
export function cleanupKey(key: SyncKey, uid: string): SyncKey {
  return `${key}#${uid}` as SyncKey;
}

/** The key of a clean-up's declaration. */
export function declarationKey(key: SyncKey): SyncKey {
  return withoutUid(key) as SyncKey;
}

function withoutUid(text: string): string {
  const end = text.indexOf("#");
  return end < 0 ? text : text.slice(0, end);
}

/** Whether it is the key of a clean-up, and not of a declaration. */
export function isCleanupKey(key: SyncKey): boolean {
  return key.includes("#");
}

/** The parts of a key; undefined for any other text. */
export function parseKey(text: string): ObjectName | undefined {
  const [cluster, kind, namespace, name, ...rest] = withoutUid(text).split("/");
  if (!cluster || !kind || !namespace || !name || rest.length > 0) return undefined;
  return { cluster, kind, namespace, name };
}

/** The parts of a key that keyferry itself made. */
export function partsOf(key: SyncKey | ReferenceKey): ObjectName {
  const parts = parseKey(key);
  if (parts === undefined) throw new Error(`not a key: ${key}`);
  return parts;
}

/** `<cluster>/<namespace>` of a key. */
export function clusterNamespaceOf(key: SyncKey): string {
  const { cluster, namespace } = partsOf(key);
  return `${cluster}/${namespace}`;
}
