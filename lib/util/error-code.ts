/** The code of a Node, TLS or undici error, or of what caused it. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = "code" in error ? error.code : undefined;
  if (typeof code === "string") return code;
  // undici gives its parser's errors a code only sometimes.
  return error.name === "HTTPParserError" ? "HPE_UNKNOWN" : codeOf(error.cause);
}
