// Shows what keyferry does, on real servers: node bin/node24.js demo/demo.ts [--keep]
import { Command } from "commander";
import { waitFor } from "../test/harness/index.ts";
import { keepHints } from "./keep.ts";
import { type Keyferry, startKeyferry, statusOf } from "./keyferry.ts";
import { type Delay, delayTable, range } from "./measure.ts";
import { type Show, StepError, show } from "./show.ts";
import { type Story, storyOf } from "./story.ts";
import { obtainServers, prepare, startWorld, type World } from "./world.ts";

const NOTE = `
Measured from the request to the moment when the cluster shows the result. A sync is started at most once in 2 s: a Secret
that was changed by hand right after a refresh waits for that. The Secret of a deleted declaration goes at once, by its owner
reference; keyferry removes what is left a little later, and forgets the sync.
`;

const CLEAN_UP_MS = 60_000;
const INTERRUPTED = 130;

interface Flags {
  readonly keep: boolean;
}

/** What the first Ctrl-C does: ends the demo at once (the harness's watchdog clears up), or, once it waits, ends the wait. */
function interruption(): { readonly asked: () => Promise<void> } {
  let onSignal = (): void => process.exit(INTERRUPTED);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => onSignal());
  return {
    asked: () =>
      new Promise((resolve) => {
        // A promise alone keeps no process alive.
        const alive = setInterval(() => undefined, 60_000);
        onSignal = () => {
          clearInterval(alive);
          onSignal = () => process.exit(INTERRUPTED);
          resolve();
        };
      }),
  };
}

async function demo({ keep }: Flags): Promise<void> {
  const { asked } = interruption();
  const steps = show();
  await steps.step("Find the servers, or obtain them once", obtainServers, (count) => `${count} servers are here`);
  await using world = await steps.step(
    "Start OpenBao and the clusters prod-eu and prod-us",
    startWorld,
    ({ clusters }) => `1 OpenBao, ${clusters.length} Kubernetes API servers`,
  );
  await steps.step(
    "Set up Vault's logins and the clusters' roles",
    () => prepare(world),
    () => "done, as a platform team does once",
  );
  await using keyferry = await steps.step(
    "Start `keyferry run --fleet fleet.yaml`",
    () => startKeyferry(world),
    ({ url }) => `ready, ${url}/metrics`,
  );
  await tell(steps, world, keyferry);
  if (keep) {
    process.stdout.write(keepHints(world, keyferry));
    await asked();
  }
  await steps.step(
    "Stop keyferry with Ctrl-C",
    () => keyferry.stop(),
    (tokens) => `work under way was finished, ${tokens} Vault tokens were revoked`,
  );
  await steps.step(
    "Stop the servers",
    async () => world[Symbol.asyncDispose](),
    () => "nothing is left running",
  );
}

async function tell(steps: Show, world: World, keyferry: Keyferry): Promise<void> {
  try {
    const story = await storyOf(world);
    const delays = await happenings(steps, story);
    const status = await steps.step(
      "Ask for the status",
      () => statusWithout(world, story.declared()),
      () => "every sync in step, the deleted ones forgotten",
    );
    process.stdout.write(`\n$ keyferry status --fleet fleet.yaml\n${status}\n${delayTable(delays)}${NOTE}\n`);
  } catch (error) {
    process.stderr.write(`The last that keyferry said:\n${keyferry.output()}\n`);
    throw error;
  }
}

async function happenings(steps: Show, story: Story): Promise<readonly Delay[]> {
  const took = (delays: readonly Delay[]): string => `${delays.length} Secrets, after ${range(delays)}`;
  return [
    ...(await steps.step("Declare four syncs in each cluster", () => story.declare(), took)),
    ...(await steps.step("Change the passwords in Vault (refreshAfter: 5s)", () => story.changeInVault(), took)),
    ...(await steps.step("Edit and delete Secrets by hand", () => story.tamper(), took)),
    ...(await steps.step("Delete a declaration in each cluster", () => story.remove(), took)),
  ];
}

/** The status as a person sees it, once every sync is in step and the rows of deleted declarations are gone. */
async function statusWithout(world: World, syncs: number): Promise<string> {
  const isRow = (line: string): boolean => world.clusters.some(({ name }) => line.startsWith(`${name}/`));
  const settled = async (): Promise<string | undefined> => {
    // It ends with 1 while a sync has failed, which is tried again.
    const text = await statusOf(world).catch(() => "");
    const rows = text.split("\n").filter(isRow);
    // While a refresh is under way, the state is another one.
    return rows.length === syncs && rows.every((row) => / synced /.test(row)) ? text : undefined;
  };
  return waitFor(`a status of ${syncs} syncs, all in step`, settled, CLEAN_UP_MS);
}

const HELP = `
It starts an OpenBao and two Kubernetes API servers on free ports of this machine, runs keyferry beside them, and stops
everything again. Servers that are not here are obtained once, into ~/.cache/keyferry.

  $ npm run demo                     what happens, with measured delays, in about half a minute
  $ npm run demo -- --keep           the same, then everything keeps running until Ctrl-C`;

const cli = new Command("demo")
  .description("Shows on real servers what keyferry does.")
  .option("--keep", "leave everything running, and say how to look at it", false)
  .addHelpText("after", HELP)
  .action(async (flags: Flags) => {
    try {
      await demo(flags);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      process.stderr.write(`The demo failed at "${error.title}": ${error.message}\n`);
      process.exitCode = 1;
    }
  });
await cli.parseAsync();
