import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Duplex } from "node:stream";
import { type Dispatcher, type ErrorEvent, type MessageEvent, ping, WebSocket } from "undici";
import { SECOND_MS } from "../clock.ts";

/** An open WebSocket to a Vault. */
export interface EventSocket {
  /**
   * Passes each text frame on, those before this call too, until the socket ends. Call it once. `closed`: by Vault or
   * the network. `silent`: not even a ping was answered. `stopped`: by the signal.
   */
  follow(onFrame: (text: string) => void, times: SocketTimes, stop: AbortSignal): Promise<SocketEnd>;
}

export type SocketEnd = "closed" | "silent" | "stopped";

export interface SocketTimes {
  /** How often a ping is sent. A socket without any sign of life for two of these times is dead. */
  readonly pingMs: number;
}

/** An answer other than an upgrade, or the socket. */
export type Handshake =
  | { readonly socket: EventSocket }
  | { readonly statusCode: number; readonly headers: Dispatcher.ResponseData["headers"]; readonly bytes: Buffer };

const REFUSAL_BYTES = 64 * 1_024;
/** Frames between the upgrade and `follow`, which begins at once. */
const MOST_EARLY = 1_000;
/** After a close frame, the peer has so long to end the connection. */
const CLOSING_MS = SECOND_MS;

/**
 * Asks for a WebSocket through this dispatcher, which decides what may be connected to. Follows no redirect. Rejects as
 * the dispatcher does, or with the signal's reason.
 */
export function openSocket(
  agent: Dispatcher,
  { url, headers }: { readonly url: URL; readonly headers: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Handshake> {
  const { promise, resolve, reject } = Promise.withResolvers<Handshake>();
  const seen: Seen = {};
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  signal.throwIfAborted();
  const socket = new WebSocket(address, { dispatcher: observed(agent, seen), headers: { ...headers } });
  const open = openedSocket(socket, seen);
  const onAbort = (): void => {
    reject(signal.reason);
    seen.controller?.abort(signal.reason);
    seen.raw?.destroy();
    socket.close();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  socket.addEventListener("open", () => resolve({ socket: open }));
  socket.addEventListener("error", (event: ErrorEvent) => {
    if (seen.refusal !== undefined) resolve(seen.refusal);
    else reject(seen.failure ?? event.error ?? new Error(event.message));
  });
  return promise.finally(() => signal.removeEventListener("abort", onAbort));
}

/** What the handshake met; a WebSocket itself tells only that it failed. */
interface Seen {
  controller?: Dispatcher.DispatchController;
  raw?: Duplex;
  refusal?: Exclude<Handshake, { readonly socket: EventSocket }>;
  failure?: Error;
}

/** The same dispatcher, whose answers are noted. */
function observed(agent: Dispatcher, seen: Seen): Dispatcher {
  return agent.compose((dispatch) => (options, handler) => dispatch(options, observing(handler, seen)));
}

function observing(handler: Dispatcher.DispatchHandler, seen: Seen): Dispatcher.DispatchHandler {
  let answer: { readonly statusCode: number; readonly headers: Dispatcher.ResponseData["headers"] } | undefined;
  let parts: Buffer[] = [];
  let length = 0;
  return {
    onRequestStart(controller, context) {
      seen.controller = controller;
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade(controller, statusCode, headers, socket) {
      seen.raw = socket;
      handler.onRequestUpgrade?.(controller, statusCode, headers, socket);
    },
    onResponseStart(_controller, statusCode, headers) {
      if (statusCode >= 200) answer = { statusCode, headers };
    },
    onResponseData(_controller, part) {
      length += part.byteLength;
      // What does not fit is no error of Vault.
      if (length <= REFUSAL_BYTES) parts.push(part);
      else parts = [];
    },
    onResponseEnd(controller) {
      if (answer !== undefined) seen.refusal = { ...answer, bytes: Buffer.concat(parts) };
      handler.onResponseError?.(controller, new Error("not upgraded"));
    },
    onResponseError(controller, error) {
      seen.failure = error;
      handler.onResponseError?.(controller, error);
    },
  };
}

function openedSocket(socket: WebSocket, seen: Seen): EventSocket {
  const early: string[] = [];
  let deliver = (text: string): void => {
    if (early.length < MOST_EARLY) early.push(text);
    else seen.raw?.destroy();
  };
  let alive = (): void => undefined;
  // A frame that is not text is none of ours: it counts as a bad one.
  socket.addEventListener("message", ({ data }: MessageEvent) => {
    alive();
    deliver(typeof data === "string" ? data : "");
  });
  return {
    async follow(onFrame, { pingMs }, stop) {
      const { promise, resolve } = Promise.withResolvers<SocketEnd>();
      deliver = onFrame;
      for (const text of early.splice(0)) onFrame(text);
      const untold = heartbeat(socket, pingMs, () => resolve("silent"));
      alive = untold.alive;
      const onStop = (): void => resolve("stopped");
      socket.addEventListener("close", () => resolve("closed"));
      stop.addEventListener("abort", onStop);
      if (stop.aborted) resolve("stopped");
      if (socket.readyState >= WebSocket.CLOSING) resolve("closed");
      const end = await promise;
      untold.end();
      stop.removeEventListener("abort", onStop);
      deliver = () => undefined;
      close(socket, seen.raw, end);
      return end;
    },
  };
}

/** Pings, and tells once when two pings in a row brought no sign of life. */
function heartbeat(socket: WebSocket, pingMs: number, onSilence: () => void) {
  let isAlive = true;
  let missed = 0;
  const onPong = (message: unknown): void => {
    if ((message as { readonly websocket?: unknown }).websocket === socket) isAlive = true;
  };
  subscribe(PONG, onPong);
  const timer = setInterval(() => {
    missed = isAlive ? 0 : missed + 1;
    isAlive = false;
    if (missed >= 2) onSilence();
    else if (socket.readyState === WebSocket.OPEN) ping(socket);
  }, pingMs);
  ping(socket);
  return {
    alive() {
      isAlive = true;
    },
    end() {
      clearInterval(timer);
      unsubscribe(PONG, onPong);
    },
  };
}

const PONG = "undici:websocket:pong";

function close(socket: WebSocket, raw: Duplex | undefined, end: SocketEnd): void {
  if (end === "silent") return void raw?.destroy();
  socket.close();
  raw?.end();
  setTimeout(() => raw?.destroy(), CLOSING_MS).unref();
}
