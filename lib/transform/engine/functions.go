package main

import (
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// The functions of sprig that templates may call, as in VSO, beside Go's built-in ones. What is not named here would
// read the environment or the network, or make another secret with every call.
const offered = `
abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc base
bcrypt biggest buildCustomCert camelcase cat ceil chunk clean coalesce compact concat contains deepCopy
deepEqual default dict dig dir div divf duration durationRound empty ext fail first float64 floor fromJson
get has hasKey hasPrefix hasSuffix htpasswd indent initial initials int int64 isAbs join kebabcase keys
kindIs kindOf last list lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk
mustCompact mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite
mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll
mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson
mustToPrettyJson mustToRawJson mustUniq mustWithout nindent nospace omit osBase osClean osDir osExt osIsAbs
pick pluck plural prepend push quote randInt regexFind regexFindAll regexMatch regexQuoteMeta regexReplaceAll
regexReplaceAllLiteral regexSplit repeat replace rest reverse round semver semverCompare seq set sha1sum
sha256sum sha512sum shuffle slice snakecase sortAlpha split splitList splitn squote sub subf substr swapcase
ternary title toDecimal toJson toPrettyJson toRawJson toString toStrings trim trimAll trimPrefix trimSuffix
trimall trunc tuple typeIs typeIsLike typeOf uniq unset until untilStep untitle upper urlJoin urlParse values
without wrap wrapWith
`

func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	chosen := make(template.FuncMap)
	for _, name := range strings.Fields(offered) {
		function, ok := all[name]
		if !ok {
			panic("sprig has no function " + name)
		}
		chosen[name] = function
	}
	return chosen
}
