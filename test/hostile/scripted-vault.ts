import { createServer, type IncomingMessage } from "node:http";
import { standInPort } from "../e2e/support/stand-ins.ts";
import { dice } from "./dice.ts";
import { answerBadly, type Nasty } from "./garbage.ts";

/** What it gives to whoever logs in. */
export const HOSTILE_TOKEN = "hvs.given-by-a-hostile-vault";

const READ: Nasty = {
  request_id: "r",
  data: {
    data: { user: "u", n: 1 },
    metadata: { version: 3, created_time: "2026-01-01T00:00:00Z", deletion_time: "" },
  },
};
const LOGIN: Nasty = {
  auth: {
    client_token: HOSTILE_TOKEN,
    accessor: "a",
    lease_duration: 3_600,
    renewable: true,
    token_type: "service",
    num_uses: 0,
  },
};
const SEAL: Nasty = { sealed: false, initialized: true, t: 1, n: 1 };

function goodFor({ url = "" }: IncomingMessage): Nasty {
  if (url.includes("seal-status")) return SEAL;
  if (url.includes("/auth/")) return LOGIN;
  return READ;
}

/** A Vault that answers at random: well, badly, slowly, or not at all. */
export interface ScriptedVault extends AsyncDisposable {
  readonly address: string;
  readonly answers: number;
  /** Everything that it was sent: headers and bodies. */
  readonly received: readonly string[];
}

export async function scriptedVault(seed: number, elsewhere?: string): Promise<ScriptedVault> {
  const thrown = dice(seed);
  const received: string[] = [];
  let answers = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("error", () => undefined);
    request.on(
      "end",
      () => received.length < 50_000 && received.push(`${request.url} ${JSON.stringify(request.headers)} ${body}`),
    );
    response.on("error", () => undefined);
    answers++;
    answerBadly(thrown, response, goodFor(request), elsewhere);
  });
  const port = await standInPort();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${port}`,
    get answers() {
      return answers;
    },
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
