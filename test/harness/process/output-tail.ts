import type { Readable } from "node:stream";

const KEPT_LINES = 50;

/** The last lines that a server printed, for the message that says why it did not start. */
export interface OutputTail {
  follow(stream: Readable): void;
  text(): string;
}

export function outputTail(): OutputTail {
  let lines: string[] = [];
  return {
    follow(stream) {
      let open = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        const parts = (open + chunk).split("\n");
        open = parts.pop() ?? "";
        lines = [...lines, ...parts].slice(-KEPT_LINES);
      });
      stream.on("end", () => {
        if (open !== "") lines = [...lines, open].slice(-KEPT_LINES);
      });
      // A server that nobody stops must not keep a finished test file open.
      if ("unref" in stream && typeof stream.unref === "function") stream.unref();
    },
    text: () => lines.join("\n"),
  };
}
