import { describe } from "node:test";
import { claimsContract } from "./lease-store/claims.ts";
import { declarationsContract } from "./lease-store/declarations.ts";
import { endedRunsContract } from "./lease-store/ended-runs.ts";
import { hubsContract } from "./lease-store/hubs.ts";
import { indexesContract } from "./lease-store/indexes.ts";
import { leftBehindContract } from "./lease-store/left-behind.ts";
import { nudgesContract } from "./lease-store/nudges.ts";
import { placesContract } from "./lease-store/places.ts";
import { pushClaimsContract } from "./lease-store/push-claims.ts";
import { recordsContract } from "./lease-store/records.ts";
import { referencesContract } from "./lease-store/references.ts";
import { scaleContract } from "./lease-store/scale.ts";
import type { OpenStore } from "./lease-store/scene.ts";
import { sideRowsContract } from "./lease-store/side-rows.ts";
import { ticksContract } from "./lease-store/ticks.ts";

/** What every lease store owes; `open` answers an empty one. `rows` is how many make the test of scale. */
export function leaseStoreContract(name: string, open: OpenStore, rows: number): void {
  describe(`lease store: ${name}`, () => {
    claimsContract(open);
    nudgesContract(open);
    declarationsContract(open);
    recordsContract(open);
    endedRunsContract(open);
    leftBehindContract(open);
    placesContract(open);
    pushClaimsContract(open);
    referencesContract(open);
    indexesContract(open);
    sideRowsContract(open);
    hubsContract(open);
    ticksContract(open);
    scaleContract(open, rows);
  });
}
