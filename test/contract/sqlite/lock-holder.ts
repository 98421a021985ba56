/** Takes the data directory named by its argument, says so, and keeps it until it is killed. */
import { systemClock } from "../../../lib/clock.ts";
import { lockDataDir } from "../../../lib/store/sqlite/sqlite-store.ts";

const [dir = ""] = process.argv.slice(2);
using _lock = lockDataDir(dir, systemClock);
process.stdout.write("locked\n");
await new Promise(() => setInterval(() => {}, 60_000));
