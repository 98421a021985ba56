import { MINUTE_MS, SECOND_MS } from "../../../../lib/clock.ts";
import { partsOf, type SyncKey } from "../../../../lib/keys.ts";
import { type Answer, bodyOf, type Question } from "../../world/vault/answers.ts";
import type { Disturbances } from "./disturbances.ts";
import type { Secrets } from "./secrets.ts";
import type { IssuedSetting } from "./setting.ts";

/** Watches how often syncs ask, and says when one asks too often, or is parked for what Vault did not issue. */
export interface Frequency {
  /** A request, by its own token. */
  onIssue(key: SyncKey): void;
  /** What its client got. */
  onAnswer(key: SyncKey, answer: Answer | "cut" | "swallowed"): void;
  /** A certificate was issued by a shared token. */
  onShared(question: Question): void;
  onParked(key: SyncKey): void;
  /** Its row is a new one from now on. */
  onForgotten(key: SyncKey): void;
}

const MOST = 6;
const WITHIN_MS = 10 * MINUTE_MS;
/** Between requests, after that many without an answer: a minute, and the way to Vault takes some of it. */
const LEAST_MS = 45 * SECOND_MS;

export function frequencyOf({
  setting: { trueTime },
  disturbances,
  secrets,
  say,
}: {
  readonly setting: IssuedSetting;
  readonly disturbances: Disturbances;
  readonly secrets: Secrets;
  readonly say: (violation: string) => void;
}): Frequency {
  /** When Vault issued, by sync, or by the name of a certificate. */
  const issued = new Map<string, number[]>();
  /** When requests were sent whose outcome nobody knows, since the last answer. */
  const unanswered = new Map<string, number[]>();
  const sentAt = new Map<SyncKey, number>();
  const now = trueTime.now;
  const add = (to: Map<string, number[]>, id: string, at: number): void => void to.set(id, [...(to.get(id) ?? []), at]);
  const idOf = (key: SyncKey): string => `${key} ${secrets.uidOf(key)}`;
  return {
    onIssue(key) {
      const times = unanswered.get(idOf(key)) ?? [];
      const isForced = disturbances.wasClockStepped() || disturbances.wasStalled();
      const last = times.at(-1) ?? 0;
      if (times.length >= MOST && now() - last < LEAST_MS && !isForced)
        say(
          `once a minute: ${key} asks again after ${now() - last} ms, and ${times.length} requests were not answered`,
        );
      sentAt.set(key, now());
    },
    onAnswer(key, answer) {
      const status = typeof answer === "object" ? answer.status : undefined;
      if (status !== undefined && status < 300) {
        add(issued, key, now());
        unanswered.delete(idOf(key));
      } else if (status === undefined || status >= 500) {
        add(unanswered, idOf(key), sentAt.get(key) ?? now());
      }
    },
    onShared(question) {
      add(issued, String(bodyOf(question).common_name), now());
    },
    onParked(key) {
      const names = [key, `${partsOf(key).name}.example.com`];
      const times = names.flatMap((name) => issued.get(name) ?? []).filter((at) => at > now() - WITHIN_MS - MINUTE_MS);
      if (times.length < MOST && !disturbances.wasClockStepped())
        say(`parked for nothing: Vault issued ${times.length} credentials of ${key} in ten minutes, and not ${MOST}`);
    },
    onForgotten: (key) => void unanswered.delete(idOf(key)),
  };
}
