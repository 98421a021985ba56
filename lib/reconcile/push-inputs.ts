import { partsOf } from "../keys.ts";
import type { ForeseeInput } from "../kinds/kind.ts";
import type { Row } from "../ports/rows.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { LeaseStore } from "../ports/store.ts";

/** What a kind that pushes reads of the cluster and the table. */
export function sourcesFor(
  { secrets, leases }: { readonly secrets: Pick<SecretApi, "observe">; readonly leases: Pick<LeaseStore, "byPlace"> },
  row: Row,
  signal: AbortSignal,
): Pick<ForeseeInput, "source" | "isRead"> {
  const { cluster, namespace } = partsOf(row.key);
  return {
    source: (name) => secrets.observe({ cluster, namespace, name }, "get", signal),
    async isRead({ vault, path }) {
      for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
        const page = await leases.byPlace(vault, { path }, after === undefined ? {} : { after });
        if (page.items.some((entry) => entry.role === "read" && entry.path === path)) return true;
        after = page.next;
      }
      return false;
    },
  };
}
