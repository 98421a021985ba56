import type { EpochMs } from "../clock.ts";

/** A signed POST whose lines were taken. Nobody may send it again before `until`, when its time is too old anyway. */
export interface TakenPost {
  readonly id: string;
  readonly until: EpochMs;
}

/** The signed POSTs that an engine with several processes in turn has taken. */
export interface TakenPosts {
  /** Those of a Vault that could still be sent again. */
  takenPosts(vault: string, now: EpochMs): Promise<readonly TakenPost[]>;
  /** Also forgets all that are over. */
  rememberPost(vault: string, post: TakenPost, now: EpochMs): Promise<void>;
}
