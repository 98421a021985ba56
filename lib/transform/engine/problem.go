package main

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"text/template"
)

// A failure as people are told it. Nothing in it was made of the data: Go's own messages can quote it, so they are never
// passed on as they are.
type problem struct {
	Template string `json:"template,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	// The part of the template that failed.
	At      string `json:"at,omitempty"`
	Because string `json:"because,omitempty"`
}

type parseProblem struct {
	name string
	err  error
}

type executeProblem struct {
	name string
	err  error
}

type patternProblem struct {
	list    string
	pattern string
	err     error
}

func (p *parseProblem) Error() string   { return "a template could not be read" }
func (p *executeProblem) Error() string { return "a template failed" }
func (p *patternProblem) Error() string { return "a pattern could not be read" }

func problemOf(err error) *problem {
	var parse *parseProblem
	if errors.As(err, &parse) {
		return parseProblemOf(parse)
	}
	var execute *executeProblem
	if errors.As(err, &execute) {
		return executeProblemOf(execute)
	}
	var pattern *patternProblem
	if errors.As(err, &pattern) {
		return &problem{Because: fmt.Sprintf("%s: %s is no regular expression: %s", pattern.list, quoted(pattern.pattern), patternReason(pattern.err))}
	}
	return &problem{Because: err.Error()}
}

const maxShown = 200

// One line of it, not too long.
func shown(text string) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if runes := []rune(line); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return line
}

func quoted(text string) string { return strconv.Quote(shown(text)) }

func patternReason(err error) string {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return wrong.Code.String()
	}
	return "it could not be read"
}

var parsePlace = regexp.MustCompile(`^:(\d+)(?::\d+)?: `)

// A parse error speaks of the template alone: data is not there yet.
func parseProblemOf(p *parseProblem) *problem {
	text := strings.TrimPrefix(p.err.Error(), "template: "+p.name)
	told := &problem{Template: p.name}
	if place := parsePlace.FindStringSubmatch(text); place != nil {
		told.Line, _ = strconv.Atoi(place[1])
		text = text[len(place[0]):]
	}
	told.Because = shown(strings.TrimPrefix(text, ": "))
	return told
}

var executePlace = regexp.MustCompile(`:(\d+):(\d+): executing "`)

// Where it failed is made of the template. Why is one of a few sentences of ours, chosen by the beginning of Go's.
func executeProblemOf(p *executeProblem) *problem {
	if errors.Is(p.err, errTooLarge) {
		return &problem{Template: p.name, Because: fmt.Sprintf("writes more than %d bytes, which is all that a Secret can hold", maxOutput)}
	}
	told := &problem{Template: p.name, Because: "failed"}
	var failed template.ExecError
	if !errors.As(p.err, &failed) {
		if strings.HasPrefix(p.err.Error(), "template: no template ") || strings.Contains(p.err.Error(), "incomplete or empty template") {
			told.Because = "is empty"
		}
		return told
	}
	told.Template = failed.Name
	text := failed.Error()
	if place := executePlace.FindStringSubmatchIndex(text); place != nil {
		told.Line, _ = strconv.Atoi(text[place[2]:place[3]])
		told.Column, _ = strconv.Atoi(text[place[4]:place[5]])
		text = text[place[1]:]
	}
	_, text, _ = strings.Cut(text, " at <")
	at, reason, _ := strings.Cut(text, ">: ")
	told.At = shown(asWritten(at))
	told.Because = reasonOf(reason)
	return told
}

var calling = regexp.MustCompile(`^error calling (\w+): `)

var reasons = []struct{ begins, because string }{
	{"exceeded maximum template depth", "templates call each other too deep"},
	{"range can't iterate over ", "it can't be ranged over"},
	{"can't evaluate field ", "there is no such field"},
	{"nil data; no entry for key ", "there is no data for it"},
	{"map has no entry for key ", "there is no such entry"},
	{"nil pointer evaluating ", "there is nothing to take it from"},
	{"wrong type for value", "a value of another type is needed"},
	{"wrong number of args for ", "it takes another number of arguments"},
	{"wrong number of arguments", "it takes another number of arguments"},
	{"invalid value", "a value of another type is needed"},
	{"can't handle ", "it can't be used here"},
	{"can't give argument to non-function ", "it takes no arguments"},
	{"if/with can't use ", "it can't be judged as true or false"},
	{"template ", "calls a template that is not there"},
}

func reasonOf(reason string) string {
	if call := calling.FindStringSubmatch(reason); call != nil {
		return "the function " + call[1] + " refused what it was given"
	}
	for _, known := range reasons {
		if strings.HasPrefix(reason, known.begins) {
			return known.because
		}
	}
	return "failed"
}
