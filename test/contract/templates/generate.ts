import type { Rendering } from "../../../lib/ports/templates.ts";
import { parseLossless } from "../../../lib/util/lossless.ts";
import { OFFERED } from "./offered.ts";

/** The same numbers for the same seed. */
export type Chance = (below: number) => number;

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What all values of the data hold, and no template does. */
export const CANARY = "kanarienvogel";
export const CANARY_NUMBER = "918273645546372";

/** Another result each time, or a tenth of a second for each call. */
const NOT_ALIKE: ReadonlySet<string> = new Set(
  "randInt shuffle bcrypt htpasswd ago buildCustomCert keys values mustShuffle".split(" "),
);
const BUILT_IN = "and or not len index slice print printf println html js urlquery call eq ne lt le gt ge".split(" ");
const FUNCTIONS = [...OFFERED.filter((name) => !NOT_ALIKE.has(name)), ...BUILT_IN];

const FIELDS = ["user", "password", "nested", "list", "count", "none", "flag", "a.b", "_raw", "ümlaut", "missing"];
const CONSTANTS = [
  '"x"',
  '""',
  '", "',
  '"%v"',
  '"%d"',
  '"[a-z"',
  '"(k)(.*)"',
  '"-"',
  "0",
  "1",
  "2",
  "-1",
  "3.5",
  "true",
];
const MORE_CONSTANTS = [
  "nil",
  "'x'",
  '"2006-01-02"',
  '"1.2.3"',
  '"{\\"a\\":1}"',
  "`raw`",
  '"$1"',
  '"user"',
  "1e3",
  "0x1F",
];

function one<T>(chance: Chance, from: readonly T[]): T {
  const chosen = from[chance(from.length)];
  if (chosen === undefined) throw new Error("nothing to choose from");
  return chosen;
}

function argument(chance: Chance, depth: number): string {
  switch (chance(depth > 2 ? 6 : 8)) {
    case 0:
    case 1:
      return `.Secrets.${one(chance, ["user", "password", "nested", "list", "count", "none", "flag", "missing"])}`;
    case 2:
      return one(chance, [
        ".",
        "$",
        ".Secrets",
        ".Metadata",
        ".Labels",
        ".Annotations.owner",
        ".WrapData",
        "$v",
        ".Nope",
      ]);
    case 3:
      return one(chance, CONSTANTS);
    case 4:
      return one(chance, MORE_CONSTANTS);
    case 5:
      return `(get .Secrets "${one(chance, FIELDS)}")`;
    default:
      return `(${call(chance, depth + 1)})`;
  }
}

/** Calls that are right, with S for a text, N a number, L a list, D a map, B a truth and X for anything. */
const RIGHT = {
  S: `upper S;lower S;title S;untitle S;trim S;nospace S;initials S;swapcase S;snakecase S;camelcase S;kebabcase S;quote X
    squote X;b64enc S;b64dec (b64enc S);b32enc S;sha1sum S;sha256sum S;sha512sum S;adler32sum S;toString X;base S;dir S
    clean S;ext S;osBase S;urlquery S;html S;js S;print X X;regexQuoteMeta S;trunc 5 S;abbrev 7 S;abbrevboth 2 9 S
    substr 0 2 S;repeat 2 S;replace "a" S S;trimPrefix "k" S;trimSuffix S S;trimAll "k" S;indent 2 S;nindent 2 S;wrap 5 S
    wrapWith 5 "-" S;cat S S;default S X;coalesce X S;ternary S S B;join "," L;toJson X;toRawJson X;toPrettyJson X
    printf "%v-%s" X S;printf "%q %d %x" S N S;regexReplaceAll "[a-k]" S "x$0";regexFind "an." S;kindOf X;typeOf X
    seq 1 N;plural "one" "many" N;urlJoin (dict "host" S);regexReplaceAllLiteral "a" S "$1";index D "user";println S`,
  N: "len S;len L;add N N;add1 N;mul N N;sub N N;max N N;min N N;int S;int64 N;float64 N;round N 2;ceil N;floor N;mod N 3;div N 2;atoi S;biggest N N;addf N N;divf N 3",
  L: 'list X X;splitList "a" S;until 3;untilStep 0 5 2;sortAlpha L;uniq L;reverse L;append L X;prepend L X;concat L L;without L X;compact L;rest L;initial L;chunk 2 L;slice L 0 1;regexSplit "n" S -1;regexFindAll "[aeiou]" S -1;toStrings L;pluck "user" D;tuple X X',
  D: 'dict "a" X "user" S;set D "k" S;unset D "k";merge D D;mergeOverwrite D D;pick D "user";omit D "user";deepCopy D;fromJson (toJson D);split "a" S;urlParse S',
  B: 'eq S S;ne N N;lt N 3;hasPrefix "k" S;contains "an" S;empty X;has X L;hasKey D "user";kindIs "string" X;not B;and B B;or B X;semverCompare "^1.0" "1.2.3";regexMatch "v" S;any X X;all X X;deepEqual X X',
} as const;

type Type = keyof typeof RIGHT;

const shapes = (type: Type): readonly string[] => RIGHT[type].replaceAll(/\n\s+/g, ";").split(";");
const SHAPES: Readonly<Record<Type, readonly string[]>> = {
  S: shapes("S"),
  N: shapes("N"),
  L: shapes("L"),
  D: shapes("D"),
  B: shapes("B"),
};

const LEAVES: Readonly<Record<Type, readonly string[]>> = {
  S: [
    '"x"',
    '(get .Secrets "user" | toString)',
    "(.Secrets.password | toString)",
    '"Kan ari"',
    "(.Secrets | toString)",
  ],
  N: ["1", "0", "3", "-1", "2.5", "(len .Secrets)"],
  L: ['(list "b" "a")', "(list .Secrets.user 1)", "(list)"],
  D: [".Secrets", '(dict "user" "x")', ".Metadata", "(dict)"],
  B: ["true", "false", "(empty .Secrets.none)"],
};

function typed(chance: Chance, type: Type, depth: number): string {
  if (depth > 2 || chance(3) === 0) return one(chance, LEAVES[type]);
  const words = one(chance, SHAPES[type]).split(" ");
  const filled = words.map((word) => (/^[SNLDB]$/.test(word) ? typed(chance, word as Type, depth + 1) : word));
  const any = filled.map((word) =>
    word === "X" ? typed(chance, one(chance, ["S", "N", "L", "D", "B"]), depth + 1) : word,
  );
  return `(${any.join(" ")})`;
}

function call(chance: Chance, depth: number): string {
  const count = chance(4);
  return [one(chance, FUNCTIONS), ...Array.from({ length: count }, () => argument(chance, depth))].join(" ");
}

function pipeline(chance: Chance): string {
  if (chance(10) > 0) return typed(chance, one(chance, ["S", "S", "N", "L", "D", "B"]), 0);
  const first = chance(3) === 0 ? argument(chance, 0) : call(chance, 0);
  return [first, ...Array.from({ length: chance(3) }, () => call(chance, 1))].join(" | ");
}

function node(chance: Chance, depth: number): string {
  const inner = (): string => (depth > 2 ? "x" : body(chance, depth + 1));
  switch (chance(14)) {
    case 0:
      return `{{ if ${pipeline(chance)} }}${inner()}{{ else }}${inner()}{{ end }}`;
    case 1:
      return `{{ range $k, $v := ${chance(4) === 0 ? argument(chance, 1) : typed(chance, one(chance, ["L", "D"]), 1)} }}${inner()}{{ else }}-{{ end }}`;
    case 2:
      return `{{- with ${pipeline(chance)} -}} ${inner()} {{- end }}`;
    case 3:
      return `{{ $v := ${pipeline(chance)} }}${inner()}`;
    case 4:
      return one(chance, [
        "text ",
        "{{/* said */}}",
        "{{ template `helper` . }}",
        "{{ break }}",
        "{{ continue }}",
        "\n",
        "<&>",
      ]);
    case 5:
      return chance(20) === 0 ? "{{ template `self` . }}" : "{{ template `helper` .Secrets }}";
    default:
      return `{{ ${pipeline(chance)} }}`;
  }
}

function body(chance: Chance, depth: number): string {
  return Array.from({ length: 1 + chance(2) }, () => node(chance, depth)).join("");
}

const NOISE = [
  "{{",
  "}}",
  "(",
  ")",
  '"',
  "`",
  "|",
  ".",
  "$",
  " ",
  "\\",
  "\u0000",
  "é",
  "-",
  ":=",
  "end",
  "1",
  "\ud800",
  "%",
];

/** With a mistake in it, one time in four. */
function text(chance: Chance): string {
  const right = body(chance, 0);
  if (chance(4) > 0) return right;
  const at = chance(right.length + 1);
  return right.slice(0, at) + one(chance, NOISE) + right.slice(at + chance(3));
}

const PIECES = [
  "a",
  "ser",
  "^",
  "$",
  ".",
  "*",
  "+?",
  "(",
  ")",
  "[a-z",
  "]",
  "|",
  "\\",
  "\\d",
  "{2}",
  "(?i)",
  "é",
  "(?P<n>",
  "x{1000}",
  "\\pL",
];

function pattern(chance: Chance): string {
  return Array.from({ length: 1 + chance(4) }, () => one(chance, PIECES)).join("");
}

function patterns(chance: Chance): readonly string[] {
  return chance(3) > 0 ? [] : Array.from({ length: 1 + chance(2) }, () => pattern(chance));
}

function value(chance: Chance, depth: number): string {
  switch (chance(depth > 2 ? 4 : 7)) {
    case 0:
      return JSON.stringify(
        `${CANARY}${one(chance, ["", " ", "\n", "ü", "=", "%", "{{", "/", "🐤", "\u0000"])}${CANARY}`,
      );
    case 1:
      return one(chance, [
        CANARY_NUMBER,
        `-${CANARY_NUMBER}.50`,
        `${CANARY_NUMBER}${CANARY_NUMBER}`,
        `1.${CANARY_NUMBER}e3`,
      ]);
    case 2:
      return JSON.stringify(Buffer.from(CANARY).toString("base64"));
    case 3:
      return one(chance, ["null", "true", `"${CANARY}"`, `"${CANARY},${CANARY}"`, `"{\\"k\\":\\"${CANARY}\\"}"`]);
    case 4:
      return `[${Array.from({ length: chance(4) }, () => value(chance, depth + 1)).join(",")}]`;
    default:
      return `{${one(chance, ["", `"k":${value(chance, depth + 1)}`, `"user":${value(chance, depth + 1)},"z":"${CANARY}"`])}}`;
  }
}

/** A rendering that may be wrong in any way, of data that must not be told. */
export function aRendering(chance: Chance): Rendering {
  const members = FIELDS.filter(() => chance(3) > 0).map((name) => `${JSON.stringify(name)}:${value(chance, 0)}`);
  const helper = { name: "helper", text: "{{ . | toString | trunc 40 }}" };
  const self = { name: "self", text: "{{ template `self` . }}" };
  return {
    templates: [
      helper,
      self,
      { name: "made", key: "made", text: text(chance) },
      ...(chance(3) === 0 ? [{ name: "again", key: "again", text: text(chance) }] : []),
    ],
    includes: patterns(chance),
    excludes: patterns(chance),
    input: {
      secrets: parseLossless(`{${members.join(",")}}`) as Rendering["input"]["secrets"],
      metadata: parseLossless('{"version":3,"custom_metadata":null}') as Rendering["input"]["metadata"],
      annotations: { owner: "shop" },
      labels: { tier: "gold" },
    },
  };
}

/** As it is, in other cases, and as it may have been encoded on its way. */
const FORMS = [
  CANARY,
  [...CANARY].reverse().join(""),
  CANARY_NUMBER,
  Buffer.from(CANARY).toString("hex"),
  ...[0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), Buffer.from(CANARY)]).toString("base64");
    return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + CANARY.length) * 8) / 6)).toLowerCase();
  }),
];

export function holdsCanary(message: string): boolean {
  const lower = message.toLowerCase();
  return FORMS.some((form) => lower.includes(form));
}
