import { lineReader } from "../../lib/audit/line-meaning.ts";
import { sqsDeadLetters } from "../../lib/aws/dead-letters.ts";
import { s3Streams } from "../../lib/aws/object-stream.ts";
import { postKeyTexts } from "../../lib/aws/post-keys.ts";
import { systemSleep } from "../../lib/clock.ts";
import { type Accepted, acceptedPosts } from "../../lib/inlets/signed-post.ts";
import { sinkOf } from "../../lib/inlets/sink.ts";
import { createInlet } from "../../lib/nudging/inlet.ts";
import type { Inlet } from "../../lib/ports/inlet.ts";
import type { PostDeps } from "./audit-post.ts";
import type { AuditDeps } from "./audit-work.ts";
import type { Base } from "./base.ts";
import { REQUESTS } from "./requests.ts";
import { type Hearing, hearing } from "./silence.ts";

/** What vault-audit works with. Clients of S3, SSM and Secrets Manager are loaded for the first event that needs them. */
export function auditParts(base: Base, isLocal: boolean): AuditDeps & PostDeps & Pick<Hearing, "note"> {
  const { config, sqs, clock, leases, queue, log, metrics, fleet } = base;
  const readLine = lineReader();
  const notes = leases.ownCalls(clock);
  const opened = new Map<string, Inlet>();
  const accepted = new Map<string, Accepted>();
  const inletOf = (vault: string) =>
    among(opened, vault, () =>
      createInlet({ leases, queue, clock, log, metrics, readLine, isOwn: notes.isNoted, sleep: systemSleep }, vault),
    );
  const vaults = () => fleet.live().current().vaults;
  const heard = hearing(leases.heard, vaults, clock);
  return {
    log,
    metrics,
    clock,
    vaults,
    note: heard.note,
    sinkFor: (vault, inlet) => sinkOf(inletOf(vault), inlet, { log, metrics }, () => heard.lines(vault)),
    acceptedOf: (vault) => among(accepted, vault, acceptedPosts),
    posts: leases.posts,
    keyTexts: postKeyTexts({ parameters: parameterClient, secrets: secretClient, clock }),
    openObject: s3Streams(once(() => objectClient(isLocal))),
    deadLetters: sqsDeadLetters({ client: sqs, url: config.auditDeadLetters }),
  };
}

const parameterClient = once(async () => {
  const { SSMClient } = await import("@aws-sdk/client-ssm");
  return new SSMClient({ requestHandler: REQUESTS });
});

const secretClient = once(async () => {
  const { SecretsManagerClient } = await import("@aws-sdk/client-secrets-manager");
  return new SecretsManagerClient({ requestHandler: REQUESTS });
});

/** Outside AWS the bucket is not part of the host name. */
async function objectClient(forcePathStyle: boolean) {
  const { S3Client } = await import("@aws-sdk/client-s3");
  return new S3Client({ requestHandler: REQUESTS, forcePathStyle });
}

function among<T>(known: Map<string, T>, name: string, make: () => T): T {
  const found = known.get(name) ?? make();
  known.set(name, found);
  return found;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
