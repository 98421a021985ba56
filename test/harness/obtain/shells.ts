import { type DebianTool, type Installed, obtainDebian } from "./debian.ts";
import type { Environment } from "./find.ts";

export type ShellName = "zsh" | "fish";

/** A shell that people use. */
export interface Shell extends Pick<Installed, "path" | "env"> {
  /** Folders of modules and functions of an unpacked shell, which looks for them elsewhere. */
  readonly modules: readonly string[];
  readonly functions: readonly string[];
}

const SHELLS: Readonly<Record<ShellName, DebianTool>> = {
  zsh: { name: "zsh", packages: ["zsh"], member: "bin/zsh" },
  fish: { name: "fish", packages: ["fish"], member: "usr/bin/fish" },
};

/** Undefined where it is not to be had. */
export async function obtainShell(name: ShellName, env: Environment = process.env): Promise<Shell | undefined> {
  const found = await obtainDebian(SHELLS[name], env);
  return (
    found && {
      ...found,
      modules: found.folders.filter((folder) => /-linux-gnu\/zsh\/[\d.]+$/.test(folder)),
      functions: found.folders.filter((folder) => /\/share\/(zsh|fish)\/functions/.test(folder)),
    }
  );
}
