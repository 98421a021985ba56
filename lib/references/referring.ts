import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Ref } from "../ports/refs.ts";
import type { NudgeOptions, Page, PageOptions, SyncStore } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";

/** All pages of a result, in order. */
export async function* pagesOf<T>(read: (page: PageOptions) => Promise<Page<T>>): AsyncGenerator<readonly T[]> {
  for (let page: PageOptions | undefined = {}; page !== undefined; ) {
    const { items, next }: Page<T> = await read(page);
    yield items;
    page = next === undefined ? undefined : { after: next };
  }
}

/** The rows that refer to this or wait for it. */
export async function referringTo(store: Pick<SyncStore, "byReference">, ref: Ref): Promise<readonly SyncKey[]> {
  const keys: SyncKey[] = [];
  for await (const page of pagesOf((options) => store.byReference(ref, options)))
    for (const key of page) keys.push(key);
  return keys;
}

/** Nudges all rows that refer to this or wait for it, except one that already knows. Returns how many were sent. */
export async function nudgeReferring(
  deps: Pick<ReconcileDeps, "leases" | "queue" | "clock">,
  ref: Ref,
  options: Omit<NudgeOptions, "now"> & { readonly but?: SyncKey },
): Promise<number> {
  const { but, ...nudge } = options;
  let sent = 0;
  for await (const page of pagesOf((read) => deps.leases.byReference(ref, read))) {
    const keys = page.filter((key) => key !== but);
    const dues = await deps.leases.nudgeAll(keys, { now: deps.clock(), ...nudge });
    await sendDue(deps.queue, dues, deps.clock());
    sent += dues.length;
  }
  return sent;
}
