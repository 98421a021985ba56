import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { ALIKE, bundleTemplates } from "../../infra/bundle.ts";
import type { Bug } from "../core/simulation/bugs.ts";
import { withBug } from "../core/simulation/loader.ts";
import type { Order, Told } from "./child.ts";

/** One process of keyferry that somebody ends. */
export interface Child {
  /** Starts it; answers what it tells next: that it stands still, that it is done, or nothing, because it is dead. */
  start(order: Order): Promise<Told | undefined>;
  /** Lets it go on, and answers what it tells then. */
  goOn(): Promise<Told | undefined>;
  kill(): Promise<void>;
  /** SIGSTOP, and SIGCONT. */
  freeze(): void;
  thaw(): void;
}

export interface Children extends AsyncDisposable {
  take(): Child;
}

const ENTRY = fileURLToPath(new URL("child.ts", import.meta.url));

/** A bundle, because it loads in a third of the time. */
export async function bundleChild(folder: string, bug?: Bug): Promise<string> {
  const plugins = [...(bug === undefined ? [] : [putIn(bug)]), ...ALIKE.plugins];
  await build({ ...ALIKE, plugins, entryPoints: [ENTRY], outfile: join(folder, "child.mjs") });
  await bundleTemplates(folder);
  return join(folder, "child.mjs");
}

function putIn(bug: Bug): Plugin {
  const filter = new RegExp(`${bug.file.replaceAll(".", "\\.")}$`);
  return {
    name: "bug",
    setup: ({ onLoad }) =>
      onLoad({ filter }, async ({ path }) => ({
        contents: withBug(await readFile(path, "utf8"), bug),
        loader: "ts",
      })),
  };
}

/** Some children are always loaded already, and wait for their order. */
export function children(script: string, ready: number): Children {
  const waiting: OneChild[] = [];
  const all = new Set<OneChild>();
  const more = (): OneChild => {
    const child = oneChild(script, () => all.delete(child));
    all.add(child);
    return child;
  };
  for (let at = 0; at < ready; at++) waiting.push(more());
  return {
    take() {
      waiting.push(more());
      return waiting.shift() ?? more();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...all].map((child) => child.kill()));
    },
  };
}

interface OneChild extends Child {
  readonly process: ChildProcess;
}

function oneChild(script: string, onExit: () => void): OneChild {
  const args = ["--disable-warning=ExperimentalWarning", script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  let next = Promise.withResolvers<Told | undefined>();
  const heard = (told: Told | undefined): void => next.resolve(told);
  if (child.stdout === null) throw new Error("a child without an output");
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => line.startsWith("{") && heard(JSON.parse(line) as Told));
  // Its last line comes before its end.
  lines.on("close", () => heard(undefined));
  const exited = once(child, "exit").then(onExit);
  const ask = (message: object): Promise<Told | undefined> => {
    next = Promise.withResolvers();
    child.send(message);
    return next.promise;
  };
  return {
    process: child,
    start: ask,
    goOn: () => ask({}),
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
}
