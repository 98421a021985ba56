// Renders templates and applies includes and excludes for one Secret, by Go's own text/template, sprig and regexp. No I/O:
// what it knows is in the request, what it says is in the answer. Built to WebAssembly (exports.go); natively (native.go)
// for tests that hold the one against the other.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// What a Secret may hold (kubernetes-rules 13).
const maxOutput = 1 << 20

type source struct {
	Name string
	// The Secret's key; missing when the template is only called by others.
	Key  *string
	Text string
}

// What templates see as their dot.
type input struct {
	Secrets     map[string]any
	Metadata    map[string]any
	Annotations map[string]any
	Labels      map[string]any
	WrapData    any
}

type request struct {
	Templates []source
	Includes  []string
	Excludes  []string
	Input     input
	// "error": a field that is not there is a failure, as Go has it. Else it is written as <no value>.
	MissingKey string
}

type output struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

type answer struct {
	Outputs []output `json:"outputs"`
	// Source fields that the filters let through.
	Fields []string `json:"fields"`
	// Where a template wrote what is not there: Because is empty in each.
	Missing []problem `json:"missing"`
	Problem *problem  `json:"problem,omitempty"`
}

// Wherever it runs, as in a container without a time zone.
func init() { time.Local = time.UTC }

var (
	all  = functions()
	word = regexp.MustCompile(`[A-Za-z0-9_]+`)
)

// The functions whose names stand in the texts: a set that knows all of them takes ten times as long to make.
func calledIn(templates []source) template.FuncMap {
	called := make(template.FuncMap)
	for _, one := range templates {
		for _, name := range word.FindAllString(one.Text, -1) {
			if function, ok := all[name]; ok {
				called[name] = function
			}
		}
	}
	return called
}

func respond(text []byte) []byte {
	said, err := work(text)
	if err != nil {
		said = &answer{Problem: problemOf(err)}
	}
	encoded, err := json.Marshal(said)
	if err != nil {
		return []byte(`{"problem":{"because":"the answer could not be written"}}`)
	}
	return encoded
}

func work(text []byte) (*answer, error) {
	var asked request
	decoder := json.NewDecoder(bytes.NewReader(text))
	// Numbers stay as Vault wrote them.
	decoder.UseNumber()
	if err := decoder.Decode(&asked); err != nil {
		return nil, errors.New("the request could not be read")
	}
	// Before templates can change what they were given: set, unset and merge do.
	fields, err := filter(asked)
	if err != nil {
		return nil, err
	}
	outputs, missing, err := render(asked)
	if err != nil {
		return nil, err
	}
	return &answer{Outputs: outputs, Fields: fields, Missing: missing}, nil
}

const (
	maxKept = 64
	// A set with longer names and texts than this is parsed each time.
	maxKeptText = 16 << 10
)

// Sets as they were parsed, since a sync is rendered again with every refresh. Rendering leaves no mark on a set.
var kept = make(map[string]*family)

// A set of templates, and what watches over what they write.
type family struct {
	set   *template.Template
	watch *watch
}

func parsed(templates []source) (*family, error) {
	var text strings.Builder
	for _, one := range templates {
		fmt.Fprintf(&text, "%d %s %d %s ", len(one.Name), one.Name, len(one.Text), one.Text)
	}
	if known, ok := kept[text.String()]; ok {
		known.watch.met = nil
		return known, nil
	}
	set := template.New("").Funcs(calledIn(templates))
	for _, one := range templates {
		if _, err := set.New(one.Name).Parse(one.Text); err != nil {
			return nil, &parseProblem{name: one.Name, err: err}
		}
	}
	read := &family{set: set, watch: watchOver(set)}
	if text.Len() <= maxKeptText {
		if len(kept) >= maxKept {
			clear(kept)
		}
		kept[text.String()] = read
	}
	return read, nil
}

// All templates are one set, so that any may call another by its name; they are rendered in the order that they come in.
func render(asked request) ([]output, []problem, error) {
	outputs := []output{}
	if len(asked.Templates) == 0 {
		return outputs, []problem{}, nil
	}
	family, err := parsed(asked.Templates)
	if err != nil {
		return nil, nil, err
	}
	set := family.set.Option("missingkey=default")
	if asked.MissingKey == "error" {
		set.Option("missingkey=error")
	}
	left := maxOutput
	for _, one := range asked.Templates {
		if one.Key == nil {
			continue
		}
		writer := &limited{written: []byte{}, left: left}
		if err := set.ExecuteTemplate(writer, one.Name, asked.Input); err != nil {
			return nil, nil, &executeProblem{name: one.Name, err: err}
		}
		left = writer.left
		outputs = append(outputs, output{Key: *one.Key, Value: writer.written})
	}
	return outputs, family.watch.missing(), nil
}

var errTooLarge = errors.New("too large")

// Ends a template that writes more than a Secret can hold.
type limited struct {
	written []byte
	left    int
}

func (w *limited) Write(part []byte) (int, error) {
	if len(part) > w.left {
		return 0, errTooLarge
	}
	w.left -= len(part)
	w.written = append(w.written, part...)
	return len(part), nil
}

// Excludes first, then includes; patterns match anywhere in a name.
func filter(asked request) ([]string, error) {
	excludes, err := compile("excludes", asked.Excludes)
	if err != nil {
		return nil, err
	}
	includes, err := compile("includes", asked.Includes)
	if err != nil {
		return nil, err
	}
	left := []string{}
	for name := range asked.Input.Secrets {
		if matches(excludes, name) || (len(includes) > 0 && !matches(includes, name)) {
			continue
		}
		left = append(left, name)
	}
	return left, nil
}

func compile(list string, patterns []string) ([]*regexp.Regexp, error) {
	compiled := make([]*regexp.Regexp, 0, len(patterns))
	for _, pattern := range patterns {
		expression, err := regexp.Compile(pattern)
		if err != nil {
			return nil, &patternProblem{list: list, pattern: pattern, err: err}
		}
		compiled = append(compiled, expression)
	}
	return compiled, nil
}

func matches(expressions []*regexp.Regexp, name string) bool {
	for _, expression := range expressions {
		if expression.MatchString(name) {
			return true
		}
	}
	return false
}
