import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const SETTINGS: Readonly<Record<string, string>> = {
  auditLogGroups: "[/vault/main]",
  auditSources: "[vault.main]",
  auditObjects: "[keyferry-test-audit/main/]",
  auditKmsKeys: '["arn:aws:kms:eu-central-1:000000000000:key/objects"]',
  auditPost: "true",
  auditPostKeys: '["arn:aws:ssm:eu-central-1:000000000000:parameter/vault/post"]',
};

/** Settings of a stage with an inlet of each kind. Returns their file. */
export async function everyInlet(folder: string): Promise<string> {
  const text = await readFile("infra/settings.yml", "utf8");
  const lines = text.split("\n").map((line) => {
    const name = line.split(":")[0] ?? "";
    return name in SETTINGS ? `${name}: ${SETTINGS[name]}` : line;
  });
  const path = join(folder, "settings.yml");
  await writeFile(path, [...lines, "auditConcurrency: 5", ""].join("\n"));
  return path;
}
