import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { connect } from "../../../lib/kubernetes/connection.ts";

interface Changed {
  readonly server?: string;
  readonly "proxy-url"?: string;
  readonly token?: string;
}

function configOf({ token = "t", ...cluster }: Changed = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      "current-context": "it",
      clusters: [{ name: "it", cluster: { server: "https://api.example.com", ...cluster } }],
      users: [{ name: "it", user: { token } }],
      contexts: [{ name: "it", context: { cluster: "it", user: "it" } }],
    }),
  );
  return config;
}

describe("connections to an API server", () => {
  it("stay when only the login changes, and are new when the way to the server does", async () => {
    const before = await connect("east", configOf(), 1_000);
    const rotated = await connect("east", configOf({ token: "next" }), 1_000, before);
    assert.equal(rotated.requests, before.requests);
    assert.notDeepEqual(rotated.headers, before.headers);
    for (const changed of [
      { "proxy-url": "http://proxy.example.com:3128" },
      { "proxy-url": "socks5://proxy.example.com:1080" },
      { server: "https://api.example.com/other" },
    ]) {
      const next = await connect("east", configOf(changed), 1_000, before);
      assert.notEqual(next.tlsId, before.tlsId, JSON.stringify(changed));
      assert.notEqual(next.requests, before.requests);
      assert.notEqual(next.watches, before.watches);
      next.close();
    }
    const [one, two] = ["http://one.example.com:3128", "http://two.example.com:3128"] as const;
    const first = await connect("east", configOf({ "proxy-url": one }), 1_000);
    const second = await connect("east", configOf({ "proxy-url": two }), 1_000, first);
    assert.notEqual(second.tlsId, first.tlsId);
    for (const each of [before, first, second]) each.close();
  });
});
