import type { WorldTime } from "../time.ts";
import type { Answer, Question } from "./answers.ts";
import type { VaultServer } from "./server.ts";

/** What happens to one request on its way. */
export interface Fault {
  /** How long Vault works on it, in ms. */
  readonly workMs?: number;
  /** Vault, or a proxy before it, answers so, and nothing is done. */
  readonly instead?: Answer;
  /** Vault does it; then nothing comes back, or the connection is cut, or a proxy answers so. */
  readonly answer?: "swallowed" | "cut" | Answer;
  /** The client meets that at once, while Vault goes on working. */
  readonly isEarly?: boolean;
}

export type Meddler = (question: Question) => Fault | undefined;

export interface Serving {
  readonly server: VaultServer;
  readonly time: WorldTime;
  readonly fault: Fault;
  /** A client that goes does not end its request: something between it and Vault keeps it open. */
  readonly keepsGoing: boolean;
}

/** What the client meets: an answer, a cut connection, or nothing within its time. */
export async function served(
  { server, time, fault, keepsGoing }: Serving,
  question: Question,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Answer | "cut" | "swallowed"> {
  if (fault.instead) return fault.instead;
  const begun = server.begin(question, fault.workMs);
  const finish = (): Answer => {
    server.underWay.delete(question);
    return begun.finish();
  };
  const { workMs } = begun;
  if (workMs > 0 && fault.isEarly) {
    server.underWay.add(question);
    time.after(workMs, finish);
    return fault.answer ?? "cut";
  }
  if (workMs > 0) {
    server.underWay.add(question);
    const began = time.now();
    await time.sleep(Math.min(workMs, timeoutMs), signal);
    if (signal.aborted || workMs > timeoutMs) {
      if (keepsGoing) time.after(workMs - (time.now() - began), finish);
      else server.underWay.delete(question);
      return "swallowed";
    }
  }
  const answer = finish();
  if (fault.answer === "swallowed") await time.sleep(Math.max(0, timeoutMs - workMs), signal);
  return fault.answer ?? answer;
}
