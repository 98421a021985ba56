import { partsOf } from "../keys.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { Row } from "../ports/rows.ts";
import { kindNamed } from "../resource-kinds.ts";

/** The resource that a row's declaration was read from. */
export function resourceOf(row: Row): ResourceRef {
  const { cluster, kind: kindName, namespace, name } = partsOf(row.key);
  const kind = kindNamed(kindName);
  if (!kind) throw new Error(`no kind of that name: ${row.key}`);
  return { cluster, namespace, name, kind };
}
