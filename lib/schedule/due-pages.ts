import type { EpochMs } from "../clock.ts";
import type { Due, LeaseStore } from "../ports/store.ts";

const PAGE = 1_000;

/** The due index in pages, oldest first. A page ends between two instants, so that no row is skipped or repeated. */
export async function* duePages(
  leases: Pick<LeaseStore, "due">,
  range: { readonly after: EpochMs; readonly until: EpochMs; readonly now: EpochMs },
): AsyncGenerator<readonly Due[]> {
  let after = range.after;
  for (let limit = PAGE; ; ) {
    const page = await leases.due({ ...range, after }, limit);
    const last = page.at(-1);
    if (last === undefined || page.length < limit) {
      yield page;
      return;
    }
    const whole = page.filter(({ at }) => at < last.at);
    // More rows of one instant than fit in a page, as after the list of a whole cluster.
    limit = whole.length === 0 ? limit * 4 : PAGE;
    if (whole.length === 0) continue;
    yield whole;
    after = last.at - 1;
  }
}
