/** A reporter of node:test: the first failure is written down, and the process ends there. */
import { writeSync } from "node:fs";
import type { TestEvent } from "node:test/reporters";
import { FAILURE_FD } from "./load.ts";

// biome-ignore lint/style/noDefaultExport: node:test takes the reporter from there.
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== "test:fail" || ("todo" in data && data.todo)) continue;
    writeSync(FAILURE_FD, JSON.stringify({ name: data.name, file: data.file }));
    process.exit(1);
  }
  yield "";
}
