import { isDnsLabel, labelProblem } from "../../names.ts";
import type { MemberSettings } from "../../ports/store.ts";
import { checkVaultPath } from "../../vault-path.ts";
import { invalid } from "./login.ts";

/** What a hub's object itself says of its cluster: labels, and a few settings that widen no access. */

const OBSERVE = "keyferry.dev/observe";
const OPERATOR_NAMESPACE = "keyferry.dev/operator-namespace";
const AUTH_MOUNT = "keyferry.dev/auth-mount";

/** Settings in annotations, and the namespaces to which Argo CD restricts itself. Throws REFERENCE_INVALID. */
export function settingsOf(
  annotations: Readonly<Record<string, string>>,
  namespaces: readonly string[],
  object: string,
): MemberSettings {
  const observe = annotations[OBSERVE];
  if (observe !== undefined && observe !== "watch" && observe !== "apply") {
    throw invalid(object, `has an annotation ${OBSERVE} that is neither watch nor apply`);
  }
  const operatorNamespace = annotations[OPERATOR_NAMESPACE];
  if (operatorNamespace !== undefined && !isDnsLabel(operatorNamespace)) {
    throw invalid(object, `has an annotation ${OPERATOR_NAMESPACE} that is no name of a namespace`);
  }
  const authMount = annotations[AUTH_MOUNT];
  if (authMount !== undefined && checkVaultPath(authMount).length > 0) {
    throw invalid(object, `has an annotation ${AUTH_MOUNT} that is no mount`);
  }
  if (!namespaces.every(isDnsLabel))
    throw invalid(object, "names a namespace that can't exist: correct its namespaces");
  return {
    ...(observe === undefined ? {} : { observe }),
    ...(operatorNamespace === undefined ? {} : { operatorNamespace }),
    ...(authMount === undefined ? {} : { authMount }),
    ...(namespaces.length === 0 ? {} : { namespaces }),
  };
}

/** Stored for each cluster, so a few thousand of them stay small. */
const MAX_BYTES = 2_048;

/** Its valid labels. Throws REFERENCE_INVALID when they are too many to store. */
export function labelsOf(labels: Readonly<Record<string, string>>, object: string): Readonly<Record<string, string>> {
  const known = Object.entries(labels).filter(([key, value]) => labelProblem(key, value) === undefined);
  const found = Object.fromEntries(known);
  mustBeSmall(found, "labels", object);
  return found;
}

/** Throws REFERENCE_INVALID beyond the limit of what is stored of one object. */
export function mustBeSmall(value: object, what: string, object: string): void {
  if (Buffer.byteLength(JSON.stringify(value)) <= MAX_BYTES) return;
  throw invalid(object, `has more than ${MAX_BYTES} bytes of ${what}: remove some`);
}
