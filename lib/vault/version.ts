import packageJson from "../../package.json" with { type: "json" };

/** keyferry's version, as servers see it in `User-Agent`. */
export const VERSION: string = packageJson.version;
