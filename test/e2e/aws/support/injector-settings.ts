import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Options of the deployment tool that open the injector's webhook for this fleet: one without keys if not given. */
export async function withInjector(folder: string, fleet?: string): Promise<readonly string[]> {
  const path = fleet ?? join(folder, "injector-fleet.yaml");
  if (fleet === undefined) {
    const clusters = [{ name: "one", connect: { kubeconfig: { path: "one" } } }];
    await writeFile(path, JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }));
  }
  const settings = join(folder, "settings.yml");
  const changed = (await readFile("infra/settings.yml", "utf8"))
    .replace(/^# injectorFleet: .*/m, `injectorFleet: ${path}`)
    .replace(/^# injectorConcurrency: .*/m, "injectorConcurrency: 20");
  await writeFile(settings, changed);
  return ["--param", `settings=${settings}`];
}
