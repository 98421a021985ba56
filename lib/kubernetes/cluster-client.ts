import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher } from "undici";
import manifest from "../../package.json" with { type: "json" };
import { type Clock, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { Log } from "../ports/telemetry.ts";
import { retryAfterOf } from "../retry-after.ts";
import { throttle } from "../throttle.ts";
import { boundedBody } from "../util/bounded-body.ts";
import { codeOf } from "../util/error-code.ts";
import { jsonExcess } from "../util/json-bounds.ts";
import { type WholeAnswer, wholeAnswer } from "../util/whole-answer.ts";
import type { Connection } from "./connection.ts";
import { linesOf } from "./json-lines.ts";
import { identityCall, type KubeCall, MAX_OBJECT_BYTES, maxBytesOf, methodOf, objectOf, pathOf } from "./kube-call.ts";
import { refusalOf } from "./kube-errors.ts";
import { failureOf, type KubeAnswer } from "./kube-failure.ts";
import { orAborted } from "./or-aborted.ts";
import { LINE_COST, type Pace, pace } from "./pace.ts";
import { type RequestCounts, requestCounts } from "./request-counts.ts";
import { type SessionOptions, sessions } from "./sessions.ts";
import { isShape, metadataOf, type Shape } from "./shapes.ts";
import { throttledCall } from "./throttled-call.ts";
import { noAccess, tooLarge, type Wait, waiting } from "./wait.ts";

/** Below the 10 s that callers allow a call, so that a silent cluster is KUBE_UNREACHABLE and not only late. */
const TIMEOUT_MS = 8 * SECOND_MS;

/** Deeper than any resource, and as many values as a page of 500 with all managedFields. */
const JSON_BOUNDS = { depth: 100, values: 500_000 };

/** The share of the time-out that a request may wait for a cluster that throttles: 2 s. */
const PATIENCE = 1 / 4;
/** Requests that wait for one such cluster: the work behind them occupies a part of the budgets. */
const MAX_WAITING = 32;
/** Clusters that throttle at once, in memory. */
const MAX_KEPT = 1_000;

const USER_AGENT = `keyferry/${manifest.version}`;

export interface ClusterClientsOptions {
  /**
   * Where a cluster is and how to log in. Called for its first request, after a refused login, and when the access
   * expires. `isRefused`: the API server answered 401 to the credentials of the last answer.
   */
  resolve(cluster: string, isRefused: boolean): ClusterAccess | Promise<ClusterAccess>;
  readonly clock: Clock;
  readonly log: Log;
  /** In ms, for a request with its answer; for a watch, until it begins. */
  readonly timeoutMs?: number;
}

/** Sends all requests to API servers, over a pool of connections per cluster. */
export interface ClusterClients {
  send(call: KubeCall, signal: AbortSignal): Promise<KubeAnswer<Shape>>;
  /**
   * Parsed lines of a watch, for at most `limitMs`. An abort throws DEADLINE_EXCEEDED, a broken connection
   * KUBE_UNREACHABLE.
   */
  stream(call: KubeCall, limitMs: number, signal: AbortSignal): Promise<KubeAnswer<AsyncIterable<Shape>>>;
  readonly requests: RequestCounts;
  /** The cluster has other access now, or left the fleet. */
  forget(cluster: string): void;
  close(): void;
}

/** Returns the object, or throws the refusal by its code (kubernetes-rules 13). */
export function accepted<T>(call: KubeCall, answer: KubeAnswer<T>): T {
  if ("failure" in answer) throw refusalOf(call, answer.failure);
  return answer.object;
}

export function clusterClients(options: ClusterClientsOptions): ClusterClients {
  const { clock, log, timeoutMs = TIMEOUT_MS } = options;
  const { counts, counted } = requestCounts();
  const connections = sessions({ ...options, timeoutMs, mustBe: identityCheck(counted, timeoutMs) });
  const paced = pace(clock, sleepFor);
  const pauses = throttle({ clock, patienceMs: timeoutMs * PATIENCE, maxWaiting: MAX_WAITING, maxKept: MAX_KEPT });
  const answerTo = async (call: KubeCall, { statusCode, headers, bytes }: WholeAnswer, wait: Wait) => {
    await paced.spend(call.cluster, bytes.byteLength, wait.signal);
    return read(call, statusCode, bytes, retryAfterOf(headers));
  };

  const once = async <A extends Answered>(call: KubeCall, ask: Ask<A>, wait: Wait): Promise<A> => {
    const access = orAborted(connections.get(call.cluster), wait.signal);
    const connection = await access.catch((error: unknown) => Promise.reject(noAccess(error, wait)));
    counted(call);
    const answer = await ask(call, connection, wait.signal);
    if (answer.statusCode !== 401) return answer;
    await connections.drop(call.cluster, connection);
    return answer;
  };

  /** Retries a refused login once with fresh credentials, and a connection that was closed while idle. */
  const twice = async <A extends Answered>(call: KubeCall, ask: Ask<A>, wait: Wait): Promise<A> => {
    try {
      const answer = await once(call, ask, wait);
      if (answer.statusCode !== 401) return answer;
      await answer.body?.dump();
      log.info("cluster-login-refused", { cluster: call.cluster });
    } catch (error) {
      // Each of our requests may be repeated: it has preconditions or a name of its own.
      if (wait.signal.aborted || !CLOSED.has(codeOf(error) ?? "")) throw error;
    }
    return once(call, ask, wait);
  };

  const begin = async (call: KubeCall, wait: Wait): Promise<KubeAnswer<Dispatcher.ResponseData["body"]>> => {
    const { statusCode, headers, body } = await twice(call, askForLines, wait);
    if (statusCode === 200) return { object: body };
    const answer = await answerTo(
      call,
      { statusCode, headers, bytes: await boundedBody(body, MAX_OBJECT_BYTES) },
      wait,
    );
    if ("failure" in answer) return answer;
    throw new SyncError("KUBE_ANSWER_INVALID", `cluster ${call.cluster} answered a watch with HTTP ${statusCode}`);
  };

  return {
    async send(call, signal) {
      const wait = waiting(signal, timeoutMs);
      const sent = throttledCall(call, async () => answerTo(call, await twice(call, askForAll, wait), wait));
      try {
        return await pauses.run(call.cluster, sent, wait.signal);
      } catch (error) {
        throw wait.failureOf(call, error);
      } finally {
        wait.end();
      }
    },
    async stream(call, limitMs, signal) {
      const wait = waiting(signal, timeoutMs);
      try {
        const sent = throttledCall(call, () => begin(call, wait));
        const answer = await pauses.run(call.cluster, sent, wait.signal);
        if ("object" in answer) {
          wait.extend(limitMs);
          return { object: parsedLines(call, answer.object, wait, paced) };
        }
        wait.end();
        return answer;
      } catch (error) {
        wait.end();
        throw wait.failureOf(call, error);
      }
    },
    requests: counts,
    forget(cluster) {
      connections.forget(cluster);
      pauses.forget(cluster);
    },
    close: () => connections.close(),
  };
}

/** Asks over this connection, before any other request uses it, so it waits for no pause. */
function identityCheck(counted: (call: KubeCall) => void, timeoutMs: number): SessionOptions["mustBe"] {
  return async (cluster, connection, identity) => {
    const call = identityCall(cluster);
    counted(call);
    const wait = waiting(new AbortController().signal, timeoutMs);
    try {
      const { statusCode, headers, bytes } = await askForAll(call, connection, wait.signal);
      const object = accepted(call, read(call, statusCode, bytes, retryAfterOf(headers)));
      if (metadataOf(object, "namespace kube-system").uid !== identity) throw isAnother(cluster);
    } catch (error) {
      throw wait.failureOf(call, error);
    } finally {
      wait.end();
    }
  };
}

function isAnother(cluster: string): SyncError {
  return new SyncError(
    "CLUSTER_REPLACED",
    `cluster ${cluster} leads to another API server than before (another uid of kube-system): keyferry does not use it. If it was rebuilt on purpose, run with --accept-missing ${cluster}`,
  );
}

/** An answer whose body may be incomplete. */
interface Answered {
  readonly statusCode: number;
  readonly body?: Dispatcher.ResponseData["body"];
}

type Ask<A extends Answered> = (call: KubeCall, connection: Connection, signal: AbortSignal) => Promise<A>;

/** Codes of undici and Node for a connection closed by the other side. */
const CLOSED = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

const askForAll: Ask<WholeAnswer> = (call, connection, signal) =>
  wholeAnswer(connection.requests, requestOf(call, connection), maxBytesOf(call), signal);

const askForLines: Ask<Dispatcher.ResponseData> = async (call, connection, signal) => {
  // A request that waits for a connection does not notice an abort by itself.
  const answer = await orAborted(connection.watches.request({ ...requestOf(call, connection), signal }), signal);
  // An abandoned stream still emits an error; its reader gets the same error by reading.
  answer.body.on("error", () => undefined);
  return answer;
};

function requestOf(call: KubeCall, { origin, prefix, headers }: Connection): Dispatcher.DispatchOptions {
  return {
    origin,
    path: `${prefix}${pathOf(call)}`,
    method: methodOf(call),
    headers: {
      ...headers,
      "user-agent": USER_AGENT,
      accept: call.accept ?? "application/json",
      ...(call.body !== undefined && { "content-type": call.contentType ?? "application/json" }),
    },
    body: call.body === undefined ? null : JSON.stringify(call.body),
  };
}

function read(call: KubeCall, http: number, bytes: Buffer, retryAfterMs: number | undefined): KubeAnswer<Shape> {
  mustBeBounded(call, bytes);
  const text = bytes.toString("utf8");
  const body = parsed(text);
  if (http >= 200 && http < 300) {
    if (isShape(body)) return { object: body };
    throw new SyncError(
      "KUBE_ANSWER_INVALID",
      `cluster ${call.cluster} sent an answer that is not JSON: check its address`,
    );
  }
  return { failure: failureOf(http, body ?? text, retryAfterMs) };
}

function mustBeBounded(call: KubeCall, bytes: Uint8Array): void {
  const excess = jsonExcess(bytes, JSON_BOUNDS);
  if (excess !== undefined) throw tooLarge(call, `an answer ${excess}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Resolves early, without an error, when the signal aborts. */
async function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

async function* parsedLines(
  call: KubeCall,
  body: AsyncIterable<Uint8Array>,
  wait: Wait,
  paced: Pace,
): AsyncGenerator<Shape> {
  try {
    for await (const line of linesOf(body, MAX_OBJECT_BYTES)) {
      await paced.spend(call.cluster, line.byteLength + LINE_COST, wait.signal);
      mustBeBounded(call, line);
      const event = parsed(line.toString("utf8"));
      if (!isShape(event)) throw new SyncError("KUBE_ANSWER_INVALID", `${objectOf(call)}: a watch line is not JSON`);
      yield event;
    }
  } catch (error) {
    throw wait.failureOf(call, error);
  } finally {
    wait.end();
  }
}
