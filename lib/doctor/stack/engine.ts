import { shellWord } from "../../util/shell.ts";
import { finding } from "../finding.ts";
import { commands } from "../remedies.ts";
import type { StackCheck } from "./context.ts";

/** Whether the engine works, by what the lease table says: it asks AWS nothing. */
export const engine: StackCheck = {
  subject: "engine",
  async find({ isWorking, name }) {
    if (isWorking) return [];
    const remedy = commands(
      [`aws events enable-rule --name ${shellWord(`${name}-tick`)}`],
      ["The rule of the ticks, if somebody disabled it. Otherwise read the log of the function tick."],
    );
    const what = "there was no tick and no watch pass for five minutes, or never";
    return [finding("ENGINE_STOPPED", { where: `stack ${name}`, what, remedy })];
  },
};
