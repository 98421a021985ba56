import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { startPostgres, startVault, type VaultFlavor } from "../harness/index.ts";
import { KINDS } from "./kinds.ts";
import { stable } from "./stable.ts";
import { prepare } from "./stage.ts";

/**
 * Records what both servers write to a file device for each kind of operation: `node bin/node24.js test/audit/record.ts`.
 * A line with the kind's name goes before its lines. The same servers give the same files again.
 */
async function record(flavor: VaultFlavor): Promise<void> {
  await using started = new AsyncDisposableStack();
  const [vault, postgres] = await Promise.all([startVault({ flavor }), startPostgres()]);
  started.use(vault);
  started.use(postgres);
  await prepare(vault, postgres);
  const lines = async () => (await readFile(vault.auditPath, "utf8")).split("\n").filter((line) => line !== "");
  const recorded: string[] = [];
  for (const { name, only = flavor, before, run } of KINDS) {
    if (only !== flavor) continue;
    try {
      const given = (await before?.(vault)) ?? "";
      const { length: start } = await lines();
      await run(vault, given);
      recorded.push(JSON.stringify({ kind: name }), ...(await lines()).slice(start));
    } catch (error) {
      throw new Error(`${flavor}: ${name}`, { cause: error });
    }
  }
  const file = fileURLToPath(new URL(`recorded/${flavor}.jsonl`, import.meta.url));
  await writeFile(
    file,
    stable(recorded)
      .map((line) => `${line}\n`)
      .join(""),
  );
  process.stderr.write(`${file}: ${recorded.length} lines\n`);
}

const [, , ...chosen] = process.argv;
const flavors: readonly VaultFlavor[] = ["vault", "openbao"];
for (const flavor of flavors) if (chosen.length === 0 || chosen.includes(flavor)) await record(flavor);
