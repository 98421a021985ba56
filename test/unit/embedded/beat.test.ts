import { describe, it } from "node:test";
import { every } from "../../../lib/embedded/beat.ts";
import { waitFor } from "../../harness/index.ts";
import { QUIET } from "../aws/records.ts";

const HOUR_MS = 3_600_000;

describe("work that is done every so often", () => {
  it("goes on at its pace when the clock steps back by an hour while it is done", async () => {
    let skewMs = 0;
    let beats = 0;
    const stop = new AbortController();
    const done = every(10, { clock: () => Date.now() + skewMs, log: QUIET }, stop.signal, async () => {
      beats++;
      if (beats === 2) skewMs = -HOUR_MS;
    });
    try {
      await waitFor("further beats", async () => beats >= 4 || undefined);
    } finally {
      stop.abort();
      await done;
    }
  });
});
