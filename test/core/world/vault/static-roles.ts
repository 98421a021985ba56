/** How often Vault looks for rotations that are due: one comes up to so much later than its time. */
const QUEUE_MS = 5_000;

/** A user whose password Vault changes by the clock. */
export interface StaticRole {
  readonly user: string;
  read(): {
    readonly username: string;
    readonly password: string;
    readonly last_vault_rotation: string;
    readonly rotation_period: number;
    readonly ttl: number;
  };
}

export function staticRole({
  now,
  user,
  periodMs,
}: {
  readonly now: () => number;
  readonly user: string;
  readonly periodMs: number;
}): StaticRole {
  const began = now();
  let rotatedAt = began;
  let times = 1;
  const catchUp = (): void => {
    for (;;) {
      const next = began + Math.ceil((rotatedAt + periodMs - began) / QUEUE_MS) * QUEUE_MS;
      if (next > now()) return;
      rotatedAt = next;
      times += 1;
    }
  };
  return {
    user,
    read() {
      catchUp();
      return {
        username: user,
        password: `static-password-${times}`,
        last_vault_rotation: new Date(rotatedAt).toISOString(),
        rotation_period: periodMs / 1_000,
        ttl: Math.max(0, Math.floor((rotatedAt + periodMs - now()) / 1_000)),
      };
    },
  };
}
