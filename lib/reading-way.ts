/** How to read a Secret: by an empty patch where keyferry has no permission to get (kubernetes-rules 9). */
export function readingWay(observe: "watch" | "apply"): "get" | "patch" {
  return observe === "watch" ? "get" : "patch";
}
