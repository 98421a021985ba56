import type { InletPlace, ObjectPlace, Returned, SourceEnvelope } from "../../lib/aws/inlet-envelopes.ts";
import { inletName, placeText, type VaultWithInlets, vaultAt } from "../../lib/aws/inlet-places.ts";
import type { OpenObject } from "../../lib/aws/object-stream.ts";
import { described } from "../../lib/described.ts";
import { type Lines, linesOf } from "../../lib/inlets/lines.ts";
import type { Sink } from "../../lib/inlets/sink.ts";
import { streamLines } from "../../lib/inlets/stream-lines.ts";
import type { Log, Metrics } from "../../lib/ports/telemetry.ts";

/** Where the lines of one Vault's inlet go. */
export type InletSink = Omit<Sink, "way">;

export interface AuditDeps {
  /** By the fleet as it is now. */
  readonly vaults: () => readonly VaultWithInlets[];
  readonly sinkFor: (vault: string, inlet: string) => InletSink;
  readonly openObject: OpenObject;
  readonly deadLetters: (body: string, reason: string) => Promise<void>;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Takes the lines of one event. Throws when the table, the queue or S3 does not answer: the event comes again. */
export async function takeEvent(deps: AuditDeps, envelope: SourceEnvelope, signal: AbortSignal): Promise<void> {
  switch (envelope.kind) {
    case "lines":
      return takeTexts(deps, envelope.from, envelope.texts, signal);
    case "objects":
      for (const place of envelope.objects) await takeObject(deps, place, signal);
      return;
    case "nothing":
      return;
    case "foreign":
      deps.metrics.count("keyferry_events_refused_total", {});
      deps.log.error("event-refused", { because: envelope.because });
  }
}

/** Takes events from the queue of failures; answers the ids of those that failed again. */
export async function takeReturned(
  deps: AuditDeps,
  records: readonly Returned[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const record of records) {
    try {
      await takeOne(deps, record, signal);
    } catch (error) {
      deps.log.error("message-failed", { message: record.messageId, ...described(error) });
      failed.push(record.messageId);
    }
  }
  return failed;
}

async function takeOne(deps: AuditDeps, { envelope, isTooOld, body }: Returned, signal: AbortSignal): Promise<void> {
  if (envelope.kind === "foreign") {
    deps.log.error("message-refused", { because: envelope.because });
    return deps.deadLetters(body, envelope.because);
  }
  await takeEvent(deps, envelope, signal);
  if (!isTooOld) return;
  // Others of its time may have been lost altogether.
  const places = envelope.kind === "lines" ? [envelope.from] : envelope.kind === "objects" ? envelope.objects : [];
  for (const place of places) await sinkAt(deps, place)?.missed("too-old", signal);
}

async function takeTexts(
  deps: AuditDeps,
  place: InletPlace,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const sink = sinkAt(deps, place);
  await sink?.take(linesOf(Buffer.from(texts.join("\n"))), signal);
}

async function takeObject(deps: AuditDeps, place: ObjectPlace, signal: AbortSignal): Promise<void> {
  const sink = sinkAt(deps, place);
  if (sink === undefined) return;
  const take = async (lines: Lines): Promise<void> => void (await sink.take(lines, signal));
  const opened = await deps.openObject(
    place,
    async (body) => ({ leftOut: await streamLines(body, take, signal) }),
    signal,
  );
  const because = opened === undefined ? "it is gone" : opened.leftOut;
  if (because === undefined) return;
  deps.log.error("object-not-read", { vault: sink.vault, bucket: place.bucket, because });
  await sink.missed(opened === undefined ? "offset-gone" : "overflow", signal);
}

function sinkAt({ vaults, sinkFor, log, metrics }: AuditDeps, place: InletPlace): InletSink | undefined {
  const vault = vaultAt(vaults(), place);
  if (vault !== undefined) return sinkFor(vault.name, inletName(place));
  metrics.count("keyferry_inlet_unclaimed_total", {});
  log.error("inlet-unclaimed", {
    inlet: placeText(place),
    message: "no Vault of fleet.yaml has this inlet: add it to its events, or take it out of the settings",
  });
  return undefined;
}
