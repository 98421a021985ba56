import type { JsonObject } from "../util/json.ts";
import type { Injection } from "./injection.ts";

/** More mounts than any real pod has; many paths and many containers would multiply to any number. */
const MAX_MOUNTS = 4_000;
/** Bytes of JSON that etcd stores of a pod: one that gets more cannot be created. */
const MAX_ADDED = 1.5 * 1_024 * 1_024;

/**
 * Why a patch would be too large, before any of it is made; undefined: it is not. What all containers get multiplies
 * with their number. `line`: the command that each container gets.
 */
export function patchExcess(
  { pod, shape, copied }: Pick<Injection, "pod" | "shape" | "copied">,
  mounts: readonly JsonObject[],
  line: string | undefined,
): string | undefined {
  const others = shape.hasInit ? pod.initContainers.length : 0;
  const targets = shape.selected.length + others + 2;
  if (targets * mounts.length > MAX_MOUNTS) {
    return `needs more than ${MAX_MOUNTS} mounts: use fewer values of secret-volume-path`;
  }
  const commands = line === undefined ? 0 : commandsOf(pod, shape, lengthOf(line));
  const added = targets * lengthOf(mounts) + 2 * lengthOf(copied) + commands;
  return added > MAX_ADDED
    ? `would get more than ${MAX_ADDED} bytes of mounts and commands: use fewer containers, or shorter paths`
    : undefined;
}

function commandsOf({ containers }: Injection["pod"], { selected }: Injection["shape"], line: number): number {
  return selected.reduce((sum, at) => sum + lengthOf(containers[at]?.command ?? []) + line, 0);
}

function lengthOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
