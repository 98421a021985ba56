import { type Clock, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { EventQuestion, EventSource, EventStream, RefusedEvents } from "../ports/vault-subscriptions.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import type { EventSocket } from "./event-socket.ts";
import { askShared } from "./shared-token.ts";
import type { Tokens } from "./tokens.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import { answerError } from "./vault-errors.ts";

export interface EventSourceDeps {
  readonly client: VaultClient;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** How often a ping is sent; default: PING_MS. */
  readonly pingMs?: number | undefined;
}

/** Below the idle time-outs of usual load balancers. */
const PING_MS = 20 * SECOND_MS;
/** How often an open subscription counts as a use of its token, which is then renewed in time. */
const TOKEN_USED_MS = MINUTE_MS;
const RENEWAL_MS = 10 * SECOND_MS;

/** Subscriptions to the events of Vault Enterprise. */
export function eventSource(deps: EventSourceDeps): EventSource {
  return {
    async open(asker, signal) {
      const question = questionOf(asker);
      const answer = await askShared(deps, asker, question, signal);
      const asked = askedOf(asker.identity.target, question);
      if (answer.socket !== undefined) return streamOf(deps, asker, answer.socket);
      return refusalOf(asked, answer, asker.types);
    },
  };
}

function questionOf({ identity, namespace, types }: EventQuestion): VaultQuestion {
  return {
    purpose: "events",
    method: "GET",
    repeatable: true,
    path: `sys/events/subscribe/${types}`,
    query: "?json=true",
    namespace: namespace ?? identity.namespace,
  };
}

/** What Vault Community and OpenBao answer, and proxies that know no WebSockets. */
const NO_EVENTS = new Set([400, 404, 405]);

const WHERE = "Only Vault Enterprise, from 1.16, has events; with other Vaults use the audit log (docs/events.md)";

/** Throws for an answer that says nothing about events. */
function refusalOf(asked: Asked, answer: VaultAnswer, types: string): RefusedEvents {
  const { status } = answer;
  if (status === 401 || status === 403) {
    const remedy = `its policies must have read on sys/events/subscribe/${types}, and list and subscribe on the path of the secret. ${WHERE}`;
    return { refused: "denied", message: `${describe(asked)} is not allowed (${status}): ${remedy}` };
  }
  if (NO_EVENTS.has(status)) {
    return { refused: "missing", message: `${describe(asked)} found nothing (${status}): ${WHERE}` };
  }
  const error = answerError(asked, answer);
  if (status >= 500 || status === 429 || status === 412) throw error;
  const what = `${describe(asked)} was not answered by a WebSocket (${status}): check what is between keyferry and Vault`;
  throw new SyncError("VAULT_ANSWER_INVALID", what, { cause: { status } });
}

function streamOf(
  { tokens, clock, pingMs = PING_MS }: EventSourceDeps,
  asker: EventQuestion,
  socket: EventSocket,
): EventStream {
  let usedAt = clock();
  return {
    async follow(onFrame, stop) {
      const timer = setInterval(() => {
        if (clock() - usedAt < TOKEN_USED_MS) return;
        usedAt = clock();
        // Vault closes the socket if its token ends nevertheless.
        tokens.token(asker, AbortSignal.timeout(RENEWAL_MS)).catch(() => undefined);
      }, pingMs);
      try {
        return await socket.follow(onFrame, { pingMs }, stop);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
