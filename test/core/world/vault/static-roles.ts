import { type Body, msOf } from "./answers.ts";

/** How often Vault looks for rotations that are due: one comes up to so much later than its time. */
const QUEUE_MS = 5_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A user whose password Vault changes by the clock. */
export interface StaticRole {
  readonly user: string;
  read(): {
    readonly username: string;
    readonly password: string;
    readonly last_vault_rotation: string;
    readonly rotation_period?: number;
    readonly rotation_schedule?: string;
    readonly ttl: number;
  };
  /** Another period or schedule rotates nothing by itself. */
  change(settings: StaticRoleSettings): void;
}

export interface StaticRoleSettings {
  readonly periodMs: number;
  /** In place of a period. */
  readonly schedule?: Schedule;
  /** How much later than its time Vault comes to a rotation, beside its queue. */
  readonly lateMs: number;
  /** Each attempt to rotate fails: the user is gone from the database, say. */
  readonly isStuck: boolean;
}

/** A cron expression whose days are all. */
export interface Schedule {
  readonly text: string;
  /** The first time after this one. */
  next(after: number): number;
}

/** Undefined: this Vault does not read such a role. */
export function settingsOf(body: Body): StaticRoleSettings | undefined {
  const periodMs = msOf(body.rotation_period);
  const late = { lateMs: msOf(body.rotation_late), isStuck: body.rotation_fails === true };
  if (body.rotation_schedule === undefined) return { periodMs, ...late };
  const schedule = scheduleOf(String(body.rotation_schedule));
  return schedule && { periodMs: 0, schedule, ...late };
}

function scheduleOf(text: string): Schedule | undefined {
  const [, minute = "*", hour = "*"] = /^(\S+) (\S+) \* \* \*$/.exec(text) ?? [];
  const [isMinute, isHour] = [matcherOf(minute, 60), matcherOf(hour, 24)];
  if (isMinute === undefined || isHour === undefined || minute === "*") return undefined;
  return {
    text,
    next(after) {
      let at = (Math.floor(after / MINUTE_MS) + 1) * MINUTE_MS;
      while (!isMinute(Math.floor(at / MINUTE_MS) % 60) || !isHour(Math.floor(at / HOUR_MS) % 24)) at += MINUTE_MS;
      return at;
    },
  };
}

/** Of one field: all, each n-th, or one. */
function matcherOf(field: string, below: number): ((value: number) => boolean) | undefined {
  if (field === "*") return () => true;
  const [, each, one] = /^(?:\*\/(\d+)|(\d+))$/.exec(field) ?? [];
  if (each !== undefined) return (value) => value % Math.max(1, Number(each)) === 0;
  return one === undefined || Number(one) >= below ? undefined : (value) => value === Number(one);
}

export function staticRole({
  now,
  user,
  settings: first,
}: {
  readonly now: () => number;
  readonly user: string;
  readonly settings: StaticRoleSettings;
}): StaticRole {
  const began = now();
  let settings = first;
  let changedAt = began;
  let rotatedAt = began;
  let times = 1;
  const dueAt = (): number => settings.schedule?.next(rotatedAt) ?? rotatedAt + settings.periodMs;
  const catchUp = (): void => {
    while (!settings.isStuck) {
      const ready = Math.max(dueAt() + settings.lateMs, changedAt);
      const next = began + Math.ceil((ready - began) / QUEUE_MS) * QUEUE_MS;
      if (next > now()) return;
      rotatedAt = next;
      times += 1;
    }
  };
  return {
    user,
    read() {
      catchUp();
      const { schedule, periodMs } = settings;
      // A schedule's ttl counts to its next time, also while the rotation of the last one has not come.
      const until = schedule?.next(now()) ?? rotatedAt + periodMs;
      return {
        username: user,
        password: `static-password-${times}`,
        last_vault_rotation: new Date(rotatedAt).toISOString(),
        ...(schedule === undefined ? { rotation_period: periodMs / 1_000 } : { rotation_schedule: schedule.text }),
        ttl: Math.max(0, Math.floor((until - now()) / 1_000)),
      };
    },
    change(next) {
      catchUp();
      settings = next;
      changedAt = now();
    },
  };
}
