import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { obtainDebian } from "./obtain/debian.ts";
import { reservePort } from "./process/ports.ts";
import { startServer } from "./process/server.ts";

const PROMETHEUS = { name: "prometheus", packages: ["prometheus"], member: "usr/bin/prometheus" } as const;

export interface Prometheus extends AsyncDisposable {
  /** The values that this expression has now; throws where Prometheus does not understand it. */
  query(expression: string): Promise<readonly number[]>;
}

/** A real Prometheus that asks this address for metrics each second; undefined where it is not to be had. */
export async function startPrometheus(folder: string, target: string): Promise<Prometheus | undefined> {
  const installed = await obtainDebian(PROMETHEUS);
  if (installed === undefined) return undefined;
  await using started = new AsyncDisposableStack();
  const { port } = started.use(await reservePort());
  const config = join(folder, "prometheus.json");
  // JSON is YAML as well.
  const job = { job_name: "keyferry", scrape_interval: "1s", static_configs: [{ targets: [new URL(target).host] }] };
  await writeFile(config, JSON.stringify({ scrape_configs: [job] }));
  const url = `http://127.0.0.1:${port}`;
  started.use(
    await startServer({
      name: "prometheus",
      command: installed.path,
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, "prometheus")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      env: installed.env,
      ready: async (signal) => (await fetch(`${url}/-/ready`, { signal })).ok,
    }),
  );
  const running = started.move();
  return {
    async query(expression) {
      const answer = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
      const { data, error } = (await answer.json()) as Answer;
      if (data === undefined) throw new Error(`Prometheus refuses ${expression}: ${error}`);
      return data.result.map(({ value: [, text] }) => Number(text));
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Answer {
  readonly error?: string;
  readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}
