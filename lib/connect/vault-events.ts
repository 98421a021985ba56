import { Agent, ProxyAgent, WebSocket } from "undici";
import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Heard } from "../inlets/subscription.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { printableAddress } from "../vault/asked.ts";
import { askShared } from "../vault/shared-token.ts";
import type { Tokens } from "../vault/tokens.ts";
import type { VaultClient, VaultQuestion } from "../vault/vault-client.ts";

/** Vault Enterprise's event notifications (`sys/events/subscribe`), on one WebSocket. */

export interface SubscribeOptions {
  readonly client: VaultClient;
  readonly tokens: Tokens;
  readonly identity: VaultIdentity;
  /** The proxy to this Vault. */
  readonly proxy?: string | undefined;
}

const CONNECT_MS = 10 * SECOND_MS;
/** An event has paths and metadata: as much as an audit line. */
const MAX_FRAME_BYTES = 1_024 * 1_024;

/** All events of all namespaces below that of the identity. Which ones Vault sends is a matter of its policies. */
const PATH = "/v1/sys/events/subscribe/*?json=true&namespaces=*";

/** A refused token is found by this: a WebSocket does not tell why it was not opened. */
const WHO_AM_I: VaultQuestion = { purpose: "token", method: "GET", repeatable: true, path: "auth/token/lookup-self" };

/** Resolves when the socket has closed. Rejects when it can't be opened. */
export async function subscribeToEvents(
  { client, tokens, identity, proxy }: SubscribeOptions,
  heard: Heard,
  stop: AbortSignal,
): Promise<void> {
  const { target, namespace } = identity;
  const asking = AbortSignal.any([stop, AbortSignal.timeout(CONNECT_MS)]);
  // Logs in anew if Vault refuses the token.
  await askShared({ client, tokens }, { identity }, { ...WHO_AM_I, namespace }, asking);
  const { value } = await tokens.token({ identity }, asking);
  const trust = { ...(target.caPem === undefined ? {} : { ca: target.caPem }) };
  const options = { webSocket: { maxPayloadSize: MAX_FRAME_BYTES }, connect: { timeout: CONNECT_MS, ...trust } };
  const dispatcher =
    proxy === undefined ? new Agent(options) : new ProxyAgent({ ...options, uri: proxy, requestTls: trust });
  const headers = {
    "x-vault-token": value.reveal().toString(),
    ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
  };
  const url = new URL(`${target.address.replace(/^http/, "ws")}${PATH}`);
  try {
    const isOpened = await untilClosed(new WebSocket(url, { headers, dispatcher }), heard, stop);
    if (isOpened || stop.aborted) return;
  } finally {
    await dispatcher.destroy();
  }
  const what = `${printableAddress(target.address)} opens no subscription to its events`;
  throw new SyncError("VAULT_ANSWER_INVALID", what);
}

/** Whether it was open before. */
function untilClosed(socket: WebSocket, heard: Heard, stop: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let isOpened = false;
    const end = (): void => {
      clearTimeout(limit);
      stop.removeEventListener("abort", end);
      resolve(isOpened);
    };
    // Vault's goodbye is not waited for: it may never come.
    const limit = setTimeout(end, CONNECT_MS);
    stop.addEventListener("abort", end, { once: true });
    socket.addEventListener("open", () => {
      clearTimeout(limit);
      isOpened = true;
      heard.onOpen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") heard.onFrame(data);
    });
    // An error is followed by the close.
    socket.addEventListener("error", () => undefined);
    socket.addEventListener("close", end);
  });
}
