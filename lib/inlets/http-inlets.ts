import { SyncError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { HttpInlet } from "../ports/vault-events.ts";
import { intake } from "./intake.ts";
import type { PostCredential } from "./post-proof.ts";
import { type PostRoute, servePosts } from "./post-server.ts";
import { type Accepted, postKeys } from "./signed-post.ts";
import type { InletDeps, Sink } from "./sink.ts";

interface ServedInlet extends Pick<PostRoute, "onTaken"> {
  readonly http: HttpInlet;
  readonly sink: Sink;
  readonly accepted: Accepted;
}

/** The inlets at one address. */
export interface HttpInletsOptions {
  readonly listen: string;
  readonly inlets: readonly ServedInlet[];
  /** Files that fleet.yaml names. */
  readonly files: FleetFiles;
}

/** Takes POSTs for these inlets until the signal. Throws when it can't listen. */
export async function serveHttp(
  deps: InletDeps,
  { listen, inlets, files }: HttpInletsOptions,
  stop: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const work: Promise<void>[] = [];
  const routes = inlets.map(({ http, sink, ...posts }): PostRoute => {
    const route = { path: http.path, credential: credentialOf(files, sink.vault, http), sink, ...posts };
    if (route.credential.kind === "signature") return route;
    // OpenBao's http device sends a line once: what it sent while nobody took it is swept.
    const notes = intake(deps, sink);
    work.push(notes.run(AbortSignal.any([stop, ended.signal])));
    return { ...route, onLost: (reason) => notes.missed(reason) };
  });
  try {
    await servePosts(deps, { listen, routes }, stop);
  } finally {
    ended.abort();
    await Promise.all(work);
  }
}

function credentialOf(files: FleetFiles, vault: string, { keyFile, bearerFile = "" }: HttpInlet): PostCredential {
  if (keyFile === undefined) return { kind: "bearer", tokens: () => linesIn(files, vault, { bearerFile }) };
  return { kind: "signature", keys: () => linesIn(files, vault, { keyFile }) };
}

/** Throws REFERENCE_INVALID. */
async function linesIn(
  files: FleetFiles,
  vault: string,
  place: { readonly keyFile: string } | { readonly bearerFile: string },
): Promise<readonly Uint8Array[]> {
  const [field, path, what] =
    "keyFile" in place
      ? (["keyFile", place.keyFile, "key"] as const)
      : (["bearerFile", place.bearerFile, "token"] as const);
  const found = postKeys(await files.text(path));
  if (found !== undefined) return found;
  const why = `must hold a ${what} of at least 32 characters on each line`;
  throw new SyncError("REFERENCE_INVALID", `${field} ${path} of Vault ${vault} in fleet.yaml ${why}`);
}
