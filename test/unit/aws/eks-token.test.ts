import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import type { AwsKeys } from "../../../lib/aws/aws-keys.ts";
import { eksToken } from "../../../lib/aws/eks-token.ts";
import { MINUTE_MS } from "../../../lib/clock.ts";

const NOW = Date.parse("2026-03-01T12:34:56Z");
const KEYS: AwsKeys = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

async function tokenOf(region: string, keys: AwsKeys = KEYS) {
  const { token, expiresAt } = await eksToken(
    { cluster: "prod-eu", region },
    { clock: () => NOW, keys: async () => keys },
  );
  const text = token.reveal().toString("utf8");
  assert.match(text, /^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
  return { url: new URL(Buffer.from(text.slice("k8s-aws-v1.".length), "base64url").toString()), expiresAt };
}

describe("a token for EKS", () => {
  it("is a request to the regional token service, signed for the cluster and for a minute", async () => {
    const { url } = await tokenOf("eu-central-1");
    assert.equal(url.origin + url.pathname, "https://sts.eu-central-1.amazonaws.com/");
    const { "X-Amz-Signature": signature, ...rest } = Object.fromEntries(url.searchParams);
    assert.match(signature ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      Action: "GetCallerIdentity",
      Version: "2011-06-15",
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": "AKIDEXAMPLE/20260301/eu-central-1/sts/aws4_request",
      "X-Amz-Date": "20260301T123456Z",
      "X-Amz-Expires": "60",
      "X-Amz-SignedHeaders": "host;x-k8s-aws-id",
    });
  });

  it("has the signature that AWS's recipe gives for the header with the cluster's name", async () => {
    const { url } = await tokenOf("eu-central-1");
    const signature = url.searchParams.get("X-Amz-Signature");
    url.searchParams.delete("X-Amz-Signature");
    const query = [...url.searchParams]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .sort()
      .join("&");
    const headers = `host:${url.host}\nx-k8s-aws-id:prod-eu\n`;
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    const asked = ["GET", "/", query, headers, "host;x-k8s-aws-id", sha256("")].join("\n");
    const scope = "20260301/eu-central-1/sts/aws4_request";
    const toSign = ["AWS4-HMAC-SHA256", "20260301T123456Z", scope, sha256(asked)].join("\n");
    let key: string | Buffer = `AWS4${KEYS.secretAccessKey}`;
    for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
    assert.equal(signature, createHmac("sha256", key).update(toSign).digest("hex"));
  });

  it("goes to the token service of the region's partition", async () => {
    assert.equal((await tokenOf("cn-north-1")).url.host, "sts.cn-north-1.amazonaws.com.cn");
    assert.equal((await tokenOf("us-gov-west-1")).url.host, "sts.us-gov-west-1.amazonaws.com");
  });

  it("carries the session token of temporary keys", async () => {
    const { url } = await tokenOf("eu-central-1", { ...KEYS, sessionToken: "a/b+c=" });
    assert.equal(url.searchParams.get("X-Amz-Security-Token"), "a/b+c=");
  });

  it("expires 15 minutes after its signature, or with the keys that signed it", async () => {
    assert.equal((await tokenOf("eu-central-1")).expiresAt, NOW + 15 * MINUTE_MS);
    const until = (minutes: number) => ({ ...KEYS, expiration: new Date(NOW + minutes * MINUTE_MS) });
    assert.equal((await tokenOf("eu-central-1", until(60))).expiresAt, NOW + 15 * MINUTE_MS);
    assert.equal((await tokenOf("eu-central-1", until(5))).expiresAt, NOW + 5 * MINUTE_MS);
  });

  it("is not printed by accident", async () => {
    const made = await eksToken(
      { cluster: "prod-eu", region: "eu-central-1" },
      { clock: () => NOW, keys: async () => KEYS },
    );
    assert.doesNotMatch(JSON.stringify(made) + String(made.token), /k8s-aws/);
  });
});
