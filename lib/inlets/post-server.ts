import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { described } from "../described.ts";
import type { MissedReason } from "../ports/inlet.ts";
import { BodyTooLarge, boundedBody } from "../util/bounded-body.ts";
import { hostPort } from "../util/host-port.ts";
import { type Slots, slots } from "../util/slots.ts";
import { type Lines, linesOf, MAX_BODY_BYTES, NotGzip, unzipped } from "./lines.ts";
import { closing, listening, untilStopped } from "./listening.ts";
import {
  type Answer,
  bodiesOfPeers,
  credentialLog,
  headersRefusal,
  type PeerBodies,
  type PostCredential,
  type Proof,
  type ProvenRoute,
  RETRY,
  refused,
  signatureProof,
  tokenProof,
} from "./post-proof.ts";
import { type Accepted, acceptedPosts } from "./signed-post.ts";
import { CALL_MS, type InletDeps, type Sink } from "./sink.ts";
import { withDeadline } from "./waits.ts";

export interface PostRoute {
  /** Path of the URL. */
  readonly path: string;
  readonly credential: PostCredential;
  /** `way` is `http`. */
  readonly sink: Sink;
  /** What was accepted before, when the server starts anew. */
  readonly accepted?: Accepted;
  /** Stores a POST that was taken, before its answer. */
  readonly onTaken?: (id: string) => Promise<void>;
  /** Told when lines of a sender may be missing that does not send them again. */
  readonly onLost?: (reason: MissedReason) => void;
}

export interface PostServerOptions {
  readonly listen: string;
  readonly routes: readonly PostRoute[];
  /** The status of a POST whose lines were taken; 200 if not set. */
  readonly takenStatus?: number;
}

/** Bodies in memory, of 6 MiB at most. */
const BODIES_AT_ONCE = 32;
/** Bodies that are unzipped, to 64 MiB at most. Each Vault has half of them. */
const WORK_AT_ONCE = 4;
const MAX_CONNECTIONS = 256;

/** Takes POSTs of lines until the signal. Throws when it can't listen. */
export async function servePosts(deps: InletDeps, options: PostServerOptions, stop: AbortSignal): Promise<void> {
  const routes = new Map(
    options.routes.map((route): [string, OpenRoute] => [
      route.path,
      { ...route, accepted: route.accepted ?? acceptedPosts(), onCredential: credentialLog(deps, route.sink) },
    ]),
  );
  const turns = slots({ atOnce: WORK_AT_ONCE, ofPlace: WORK_AT_ONCE / 2, inAll: WORK_AT_ONCE });
  const ofPeers = bodiesOfPeers();
  let atWork = 0;
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const route = routes.get((request.url ?? "").split("?")[0] ?? "");
    const early = route === undefined ? NOT_FOUND : (earlyAnswer(request) ?? headersRefusal(deps, route, request));
    if (route === undefined || early !== undefined) return early ?? NOT_FOUND;
    if (atWork >= BODIES_AT_ONCE) {
      route.onLost?.("overflow");
      return { status: 503, says: "too many POSTs at once: try again", headers: RETRY };
    }
    atWork += 1;
    try {
      return await answerOf(deps, route, request, { stop, turns, ofPeers, takenStatus: options.takenStatus ?? 200 });
    } catch (error) {
      route.onLost?.("overflow");
      throw error;
    } finally {
      atWork -= 1;
    }
  };
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (request, response) => {
    answer(request).then(
      (found) => respond(request, response, found),
      (error: unknown) => {
        // The sender has gone, or a bug: its name and place are enough.
        if (!request.destroyed) deps.log.error("inlet-crashed", { inlet: "http", ...described(error) });
        respond(request, response, FAILED);
      },
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { host = "", port = 0 } = hostPort(options.listen) ?? {};
  await listening(server, { host, port });
  for (const { sink, onLost } of options.routes) {
    deps.log.info("inlet-listening", { vault: sink.vault, inlet: sink.way, at: options.listen });
    onLost?.("reconnected");
  }
  await untilStopped(stop);
  const closed = closing(server);
  server.closeAllConnections();
  await closed;
}

const NOT_FOUND: Answer = { status: 404, says: "no inlet has this path" };
const FAILED: Answer = { status: 503, says: "the lines were not taken: send them again", headers: RETRY };

/** What can be said before the body is read. */
function earlyAnswer({ method, headers }: IncomingMessage): Answer | undefined {
  if (method !== "POST") return { status: 405, says: "send lines by POST", headers: { allow: "POST" } };
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") return { status: 415, says: "compress the body by gzip or not" };
  return Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES ? TOO_LARGE : undefined;
}

const TOO_LARGE: Answer = { status: 413, says: "a body may have 6 MiB, and 64 MiB unzipped: send several" };

interface WorkOptions {
  readonly stop: AbortSignal;
  readonly turns: Slots;
  readonly ofPeers: PeerBodies;
  readonly takenStatus: number;
}

type OpenRoute = PostRoute & ProvenRoute;

async function answerOf(
  deps: InletDeps,
  route: OpenRoute,
  request: IncomingMessage,
  { stop, turns, takenStatus, ofPeers }: WorkOptions,
): Promise<Answer> {
  const proven = await provenBody(deps, route, request, ofPeers);
  if ("status" in proven) return proven;
  const { proof, body } = proven;
  const work = async (signal: AbortSignal): Promise<Answer> => {
    const lines = await linesIn(request, body);
    if ("status" in lines) {
      proof.forget();
      return lines;
    }
    const taken = await takeAll(route.sink, proof.missed, lines, signal);
    // Afterwards: a POST whose work a crash cut short may come again.
    await proof.remember();
    return { status: takenStatus, says: { ...taken } };
  };
  try {
    return await withDeadline(CALL_MS, (signal) => turns.run(route.path, () => work(signal), signal), stop);
  } catch (error) {
    proof.forget();
    route.onLost?.("overflow");
    const what = { vault: route.sink.vault, inlet: "http", ...described(error) };
    deps.log.warn("inlet-failed", { ...what, again: "by the sender" });
    return FAILED;
  }
}

interface ProvenBody {
  readonly proof: Proof;
  readonly body: Buffer;
}

/** A token is checked before a body is read, a signature is of the body. */
async function provenBody(
  deps: InletDeps,
  route: OpenRoute,
  request: IncomingMessage,
  ofPeers: PeerBodies,
): Promise<ProvenBody | Answer> {
  if (route.credential.kind !== "signature") {
    const proof = await tokenProof(deps, route, request);
    return "status" in proof ? proof : withBody(proof, await bodyOf(request));
  }
  const leave = ofPeers.enter(request.socket.remoteAddress);
  if (leave === undefined) return refused(deps, route, PEER_BUSY);
  try {
    const body = await bodyOf(request);
    if (body === undefined) return TOO_LARGE;
    const proof = await signatureProof(deps, route, request, body);
    return "status" in proof ? proof : { proof, body };
  } finally {
    leave();
  }
}

const PEER_BUSY = {
  reason: "peer-busy",
  status: 429,
  says: "too many POSTs of this address at once: try again",
  headers: RETRY,
} as const;

function withBody(proof: Proof, body: Buffer | undefined): ProvenBody | Answer {
  return body === undefined ? TOO_LARGE : { proof, body };
}

async function takeAll(sink: Sink, missed: MissedReason | undefined, lines: Lines, signal: AbortSignal) {
  if (missed !== undefined) await sink.missed(missed, signal);
  return sink.take(lines, signal);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  try {
    return await boundedBody(request, MAX_BODY_BYTES);
  } catch (error) {
    if (error instanceof BodyTooLarge) return undefined;
    throw error;
  }
}

async function linesIn(request: IncomingMessage, body: Buffer): Promise<Lines | Answer> {
  if (request.headers["content-encoding"] !== "gzip") return linesOf(body);
  try {
    return linesOf(await unzipped(body));
  } catch (error) {
    if (error instanceof BodyTooLarge) return TOO_LARGE;
    if (error instanceof NotGzip) return { status: 400, says: `the body is ${error.message}` };
    throw error;
  }
}

function respond(request: IncomingMessage, response: ServerResponse, { status, says, headers = {} }: Answer): void {
  const text = `${JSON.stringify(typeof says === "string" ? { error: says } : says)}\n`;
  // The rest of a body that was not read would be taken for the next request.
  const close = request.complete ? {} : { connection: "close" };
  response.writeHead(status, { "content-type": "application/json", ...headers, ...close });
  response.end(text);
}
