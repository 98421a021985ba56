import packageJson from "../../package.json" with { type: "json" };

/** keyferry's version, for the `User-Agent` header. */
export const VERSION: string = packageJson.version;
