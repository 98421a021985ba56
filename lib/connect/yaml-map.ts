import { parse } from "yaml";
import { isShape, type Shape } from "../kubernetes/shapes.ts";

/** A text of credentials as a YAML map; undefined if it is none. The parser's error would quote the text. */
export function yamlMap(text: string): Shape | undefined {
  try {
    const found: unknown = parse(text);
    return isShape(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
