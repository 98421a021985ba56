import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CreateEventBusCommand, EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { parse } from "yaml";
import { eventBus } from "../../../lib/aws/event-bus.ts";
import type { DomainEvent } from "../../../lib/ports/rows.ts";
import { anEvent, eventSinkContract } from "../../contract/event-sink.contract.ts";
import { blocks, pages } from "../../docs/pages.ts";
import { type Ministack, startMinistack, waitFor } from "../../harness/index.ts";
import { type Account, accountOf } from "./support/account.ts";

/** As EventBridge delivers it to a queue. */
interface Delivered {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: Readonly<Record<string, unknown>> & { readonly id: string };
}

let aws: Ministack;
let account: Account;

before(async () => {
  aws = await startMinistack();
  account = accountOf(aws);
});
after(() => aws?.[Symbol.asyncDispose]());

const busOf = (bus: string, client = new EventBridgeClient({ ...aws.clientConfig, maxAttempts: 1 })) =>
  eventBus({ client: async () => client, bus, random: () => 0.5, sleep: async () => undefined });

/** Each event is received and deleted by a request of its own. */
const DELIVERED_MS = 120_000;

/** Takes what a queue holds until there is so much. */
async function delivered(QueueUrl: string, count: number): Promise<readonly Delivered[]> {
  const found: Delivered[] = [];
  await waitFor(
    `${count} events in the queue`,
    async () => {
      const { Messages = [] } = await account.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
      );
      for (const { Body = "", ReceiptHandle } of Messages) {
        found.push(JSON.parse(Body) as Delivered);
        await account.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
      return found.length >= count || undefined;
    },
    DELIVERED_MS,
  );
  return found;
}

/** The template in the documentation. */
const template = (): { Resources: object; Parameters: object; Outputs: object } => {
  const page = pages().find(({ path }) => path === "docs/domain-events.md") ?? assert.fail("no page");
  const [text = assert.fail("no example")] = blocks(page, "yaml");
  return parse(text) as ReturnType<typeof template>;
};

let stacks = 0;

/** A bus, and the rule of the documentation on it, for all events if it is not said otherwise. */
async function aBus(
  change: (text: string) => string = forAll,
): Promise<{ readonly bus: string; readonly queue: string }> {
  const bus = `keyferry-${++stacks}`;
  await new EventBridgeClient(aws.clientConfig).send(new CreateEventBusCommand({ Name: bus }));
  const { Parameters: _given, ...rest } = template();
  const text = change(JSON.stringify(rest)).replaceAll('{"Ref":"Bus"}', JSON.stringify(bus));
  const { Queue = "" } = await account.createStack(`rule-${stacks}`, JSON.parse(text) as object);
  return { bus, queue: Queue };
}

const forAll = (text: string): string =>
  text.replace(/"detail-type":\[[^\]]*\],"detail":\{[^}]*\}/, '"detail-type":[{"prefix":""}]');

eventSinkContract("EventBridge", async () => {
  const { bus, queue } = await aBus();
  let sink = busOf(bus);
  return {
    sink: { send: (events, signal) => sink.send(events, signal) },
    arrived: async (count) =>
      (await delivered(queue, count)).map((one) => ({ id: one.detail.id, kind: one["detail-type"] })),
    lose: async () => {
      const deaf = { ...aws.clientConfig, endpoint: "http://127.0.0.1:9", maxAttempts: 1 };
      sink = busOf(bus, new EventBridgeClient(deaf));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
});

describe("the event bus", { timeout: 240_000 }, () => {
  it("the rule in the documentation sends the failures of one cluster to its queue, and nothing else", async () => {
    const { bus, queue } = await aBus((text) => text);
    const event = (id: string, kind: string, cluster: string): DomainEvent => {
      const { detail, ...rest } = anEvent(id);
      return { ...rest, kind, detail: { ...detail, cluster, code: "VAULT_DENIED" } };
    };
    const sent = [
      event("a", "SecretSynced", "prod-eu"),
      event("b", "SyncFailed", "prod-us"),
      event("c", "SyncFailed", "prod-eu"),
      event("d", "ClusterUnreachable", "prod-eu"),
    ];
    assert.equal((await busOf(bus).send(sent, AbortSignal.timeout(60_000))).size, 4);
    const found = await delivered(queue, 2);
    assert.deepEqual(found.map(({ detail }) => detail.id).sort(), ["c", "d"]);
    assert.deepEqual([...new Set(found.map(({ source }) => source))], ["keyferry"]);
  });

  it("sends rejected entries again, and answers with those that it has", async () => {
    const requests: number[] = [];
    const client = {
      send: async (command: { input: { Entries?: readonly { Detail?: string }[] } }) => {
        const { Entries = [] } = command.input;
        requests.push(Entries.length);
        const isRejected = (detail = "") =>
          detail.includes("bad") || (requests.length === 1 && detail.includes("slow"));
        return {
          Entries: Entries.map(({ Detail }) =>
            isRejected(Detail) ? { ErrorCode: "ThrottlingException" } : { EventId: "e" },
          ),
        };
      },
    } as unknown as Pick<EventBridgeClient, "send">;
    const sink = eventBus({ client: async () => client, bus: "b", random: () => 0.5, sleep: async () => undefined });
    const accepted = await sink.send([anEvent("good"), anEvent("slow"), anEvent("bad")], AbortSignal.timeout(60_000));
    assert.deepEqual([...accepted], ["good", "slow"]);
    assert.deepEqual(requests, [3, 2, 1]);
  });
});
