import { admission } from "./cluster/admission.ts";
import { crds } from "./cluster/crds.ts";
import { injectors } from "./cluster/injectors.ts";
import { kindsNotRead } from "./cluster/kinds-not-read.ts";
import { hmacKey, operatorNamespace, otherController } from "./cluster/operator.ts";
import { references } from "./cluster/references.ts";
import { clock, version } from "./cluster/versions.ts";
import type { Check, Reached, Surveyed } from "./context.ts";
import { vaults } from "./vault/vaults.ts";

/*
 * Before these: lib/doctor/cluster/reach.ts, from fleet.yaml to an accepted login. Between them: rights and declarations
 * (lib/doctor/doctor.ts). A new check is a file and a line.
 */

/** Checks of a cluster that accepts the login. */
export const AFTER_LOGIN: readonly Check<Reached>[] = [
  version,
  clock,
  crds,
  kindsNotRead,
  operatorNamespace,
  hmacKey,
  otherController,
  injectors,
];

/** Checks of what is declared. */
export const AFTER_DECLARATIONS: readonly Check<Surveyed>[] = [references, vaults, admission];
