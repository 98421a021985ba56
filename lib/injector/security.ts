import type { InjectorSettings } from "../injector-settings.ts";
import type { AnnotationValues } from "./annotation-values.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";
import type { Pod } from "./pod.ts";

/** The security context of the agent's containers. */
export interface Security {
  readonly runAsUser: number;
  readonly runAsGroup: number;
  readonly seccompProfile?: "RuntimeDefault";
}

const RUN_AS = ["agent-run-as-user", "agent-run-as-group", "agent-run-as-same-user"] as const;
const SAME = "agent-run-as-same-user";

/** Undefined: the agent's containers get no security context. */
export function securityOf(
  pod: Pod,
  selected: readonly number[],
  values: AnnotationValues,
  settings: InjectorSettings,
  notes: Notes,
): Security | undefined {
  const isSet = settings.setSecurityContext || RUN_AS.some((name) => values.has(name));
  if (!(values.get("agent-set-security-context") ?? isSet)) return undefined;
  const isSame = values.get(SAME) ?? settings.runAsSameUser;
  const own = values.get("agent-run-as-user") ?? settings.runAsUser;
  const seccomp = values.get("agent-seccomp-profile") ?? settings.seccompProfile;
  return {
    runAsUser: isSame ? sameUser(pod, selected, notes) : own,
    runAsGroup: values.get("agent-run-as-group") ?? settings.runAsGroup,
    ...(seccomp === "RuntimeDefault" ? { seccompProfile: seccomp } : {}),
  };
}

/** The user of the first container that gets the files: its own, or that of the pod. */
function sameUser(pod: Pod, selected: readonly number[], notes: Notes): number {
  const users = selected.map((at) => pod.containers[at]?.runAsUser ?? pod.runAsUser);
  const [first = 0] = users;
  if (first === 0) {
    notes.refuse(
      VAULT_PREFIX + SAME,
      "the first container that gets the files must have a securityContext.runAsUser other than 0, or the pod",
    );
  } else if (users.some((user) => user !== first)) {
    notes.warn(VAULT_PREFIX + SAME, "the containers that get the files run as different users: the first one counts");
  }
  return first;
}
