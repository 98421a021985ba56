import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { webhook } from "../../lib/webhook/webhook.ts";
import { memorySink } from "../core/world/sink.ts";
import { startReceiver, type WebhookReceiver } from "../webhook-receiver.ts";
import { anEvent, eventSinkContract } from "./event-sink.contract.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const NOW = Date.UTC(2030, 0, 1, 0, 0, 7, 900);
const SOON = () => AbortSignal.timeout(60_000);

interface Sender extends AsyncDisposable {
  readonly send: ReturnType<typeof webhook>["send"];
  readonly pauses: number[];
}

function senderTo(url: string, key: () => string = () => KEY): Sender {
  const pauses: number[] = [];
  const hook = webhook({
    url: new URL(url),
    key: async () => Buffer.from(key()),
    installation: "here",
    clock: () => NOW,
    random: () => 0.5,
    sleep: async (ms) => void pauses.push(ms),
  });
  return { send: hook.send, pauses, [Symbol.asyncDispose]: hook.close };
}

eventSinkContract("a webhook", async () => {
  const receiver = await startReceiver();
  const sender = senderTo(receiver.url);
  return {
    sink: sender,
    arrived: async (count) =>
      (await receiver.eventsThat((events) => events.length >= count)).map(({ id, type }) => ({
        id,
        kind: type.replace(/^dev\.keyferry\./, ""),
      })),
    lose: () => receiver.close(),
    async [Symbol.asyncDispose]() {
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    },
  };
});

eventSinkContract("memory", async () => {
  const sink = memorySink();
  let isLost = false;
  return {
    sink: {
      send: async (events, signal) => {
        signal.throwIfAborted();
        if (isLost) throw Object.assign(new Error("lost"), { code: "EVENTS_NOT_ACCEPTED" });
        return sink.send(events, signal);
      },
    },
    arrived: async () => sink.events,
    lose: async () => {
      isLost = true;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
});

const status = (receiver: WebhookReceiver, code: number, headers: Record<string, string> = {}) =>
  receiver.answer((response) => void response.writeHead(code, headers).end());

describe("the webhook of domain events", () => {
  it("posts CloudEvents, signed over time and body", async () => {
    await using receiver = await startReceiver();
    await using sender = senderTo(`${receiver.url}/hook?of=keyferry`);
    await sender.send([anEvent("one")], SOON());
    const [{ path, headers, body } = assert.fail()] = receiver.posts;
    assert.deepEqual([path, headers["content-type"]], ["/hook?of=keyferry", "application/cloudevents-batch+json"]);
    assert.equal(headers["x-keyferry-timestamp"], String(Math.floor(NOW / 1_000)));
    const expected = createHmac("sha256", KEY)
      .update(`${Math.floor(NOW / 1_000)}.`)
      .update(body)
      .digest("hex");
    assert.equal(headers["x-keyferry-signature"], `sha256=${expected}`);
    const [event = assert.fail()] = receiver.events();
    const { data, ...envelope } = event;
    assert.deepEqual(envelope as object, {
      ...{ specversion: "1.0", id: "one", source: "/keyferry/here", type: "dev.keyferry.SecretSynced" },
      ...{ time: "2030-01-01T00:00:00.000Z", subject: "east/a/b/c", datacontenttype: "application/json" },
    });
    assert.deepEqual(data, anEvent("one").detail);
  });

  it("signs with the key as it is at each POST", async () => {
    await using receiver = await startReceiver();
    let key = KEY;
    await using sender = senderTo(receiver.url, () => key);
    await sender.send([anEvent("one")], SOON());
    key = `${KEY}${KEY}`;
    await sender.send([anEvent("one")], SOON());
    const [first, second] = receiver.posts.map(({ headers }) => headers["x-keyferry-signature"]);
    assert.notEqual(first, second);
  });

  for (const code of [500, 503, 429, 408]) {
    it(`sends the same events again after ${code}`, async () => {
      await using receiver = await startReceiver();
      await using sender = senderTo(receiver.url);
      receiver.answer((response) => {
        receiver.answer(undefined);
        response.writeHead(code).end();
      });
      assert.equal((await sender.send([anEvent("one")], SOON())).size, 1);
      assert.equal(receiver.posts.length, 2);
      assert.deepEqual(sender.pauses, [500]);
    });
  }

  it("gives up after three attempts, with the address and what to do, and without the path", async () => {
    await using receiver = await startReceiver();
    await using sender = senderTo(`${receiver.url}/token-in-path`);
    status(receiver, 502);
    await assert.rejects(sender.send([anEvent("one")], SOON()), ({ code, message }) => {
      assert.equal(code, "EVENTS_NOT_ACCEPTED");
      assert.match(message, /^http:\/\/127\.0\.0\.1:\d+ answers 502 to domain events: /);
      assert.doesNotMatch(message, /token-in-path/);
      return true;
    });
    assert.equal(receiver.posts.length, 3);
  });

  for (const code of [301, 307, 400, 401, 404, 413]) {
    it(`takes ${code} for an answer, and follows nothing`, async () => {
      await using receiver = await startReceiver();
      await using elsewhere = await startReceiver();
      await using sender = senderTo(receiver.url);
      status(receiver, code, { location: elsewhere.url });
      await assert.rejects(sender.send([anEvent("one")], SOON()), { code: "EVENTS_NOT_ACCEPTED" });
      assert.deepEqual([receiver.posts.length, elsewhere.posts.length], [1, 0]);
    });
  }

  it("waits as long as the receiver says, but for no more than seconds", async () => {
    await using receiver = await startReceiver();
    await using sender = senderTo(receiver.url);
    status(receiver, 503, { "retry-after": "2" });
    await assert.rejects(sender.send([anEvent("one")], SOON()));
    assert.deepEqual(sender.pauses, [2_000, 2_000]);
    status(receiver, 503, { "retry-after": "600" });
    await assert.rejects(sender.send([anEvent("one")], SOON()));
    assert.equal(receiver.posts.length, 4, "the sweep comes by itself");
  });

  it("waits for no silent receiver longer than it is told, and reads no endless answer", async () => {
    await using receiver = await startReceiver();
    await using sender = senderTo(receiver.url);
    receiver.answer(() => undefined);
    await assert.rejects(sender.send([anEvent("one")], AbortSignal.timeout(200)), { code: "EVENTS_NOT_ACCEPTED" });
    receiver.answer((response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        response.once("drain", more);
      };
      response.on("error", () => undefined);
      response.writeHead(200);
      more();
    });
    await assert.rejects(sender.send([anEvent("one")], SOON()), { code: "EVENTS_NOT_ACCEPTED" });
  });

  it("keeps what was accepted before a later POST failed", async () => {
    await using receiver = await startReceiver();
    await using sender = senderTo(receiver.url);
    const many = Array.from({ length: 60 }, (_, n) => anEvent(`n${n}`));
    receiver.answer((response) => {
      status(receiver, 400);
      response.writeHead(202).end();
    });
    assert.equal((await sender.send(many, SOON())).size, 50);
  });
});
