import { shellWord } from "../util/shell.ts";
import { OWN_PREFIX } from "./annotations.ts";
import type { Injection } from "./injection.ts";
import type { Notes } from "./notes.ts";
import type { PodContainer, PodOperation } from "./pod.ts";

/**
 * Secrets as environment variables: the container's command is started by a shell that first reads their files. The
 * image stays as it is, but must have /bin/sh, and the pod must name the command, because only the image knows it
 * otherwise. The arguments stay in `args`.
 */
export function wrappedCommand(
  { name, command }: PodContainer,
  path: string,
  line: string,
  notes: Notes,
): readonly PodOperation[] {
  if (command.length === 0) {
    notes.refuse(`container ${name}`, `has no command, so ${OWN_PREFIX}agent-env-NAME cannot start it: set command`);
  }
  return [{ op: "replace", path: `${path}/command`, value: ["/bin/sh", "-c", line, "sh", ...command] }];
}

/** What the shell of such a container does; undefined: no secret is wanted as variables. */
export function environmentLine({ secrets, shape }: Injection, notes: Notes): string | undefined {
  const files = secrets.filter(({ isEnvironment }) => isEnvironment).map(({ destination }) => destination);
  if (files.length === 0) return undefined;
  if (!shape.hasInit) {
    notes.refuse(
      `${OWN_PREFIX}agent-env-NAME`,
      "needs agent-pre-populate: the command starts after the files are there",
    );
  }
  return [...files.map((file) => `. ${shellWord(file)}`), 'exec "$@"'].join(" && ");
}
