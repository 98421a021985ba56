package main

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// Go writes <no value> for a field that is not there, and nobody is told. So each place where a template writes a value is
// asked on the way; the value goes on as it is, and so does every byte that is written.
type watch struct {
	places []watched
	// Indexes of those where nothing was there, the first time each.
	met []int
}

type watched struct {
	tree *parse.Tree
	node parse.Node
	text string
}

// Of one rendering.
const maxMissing = 10

// No text can call it: it is known only after all texts were read.
const watcher = "keyferryWritten"

// Functions that make a text of whatever they are given, so that nothing becomes <nil> or <no value>. Others refuse it, leave
// it out, or are there to deal with it (default, coalesce, if).
var writers = map[string]bool{"print": true, "printf": true, "println": true, "html": true, "js": true, "urlquery": true, "toString": true}

func watchOver(set *template.Template) *watch {
	w := &watch{}
	for _, one := range set.Templates() {
		if one.Tree != nil {
			w.list(one.Tree, one.Tree.Root)
		}
	}
	set.Funcs(template.FuncMap{watcher: w.written})
	return w
}

func (w *watch) written(at int, value reflect.Value) reflect.Value {
	isNothing := !value.IsValid() || (value.Kind() == reflect.Interface && value.IsNil())
	if !isNothing || len(w.met) >= maxMissing {
		return value
	}
	for _, known := range w.met {
		if known == at {
			return value
		}
	}
	w.met = append(w.met, at)
	return value
}

func (w *watch) list(tree *parse.Tree, list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			w.pipe(tree, node.Pipe, len(node.Pipe.Decl) == 0)
		case *parse.IfNode:
			w.branch(tree, &node.BranchNode)
		case *parse.RangeNode:
			w.branch(tree, &node.BranchNode)
		case *parse.WithNode:
			w.branch(tree, &node.BranchNode)
		case *parse.TemplateNode:
			w.pipe(tree, node.Pipe, false)
		case *parse.ListNode:
			w.list(tree, node)
		}
	}
}

func (w *watch) branch(tree *parse.Tree, node *parse.BranchNode) {
	w.pipe(tree, node.Pipe, false)
	w.list(tree, node.List)
	w.list(tree, node.ElseList)
}

func (w *watch) pipe(tree *parse.Tree, pipe *parse.PipeNode, isWritten bool) {
	if pipe == nil || len(pipe.Cmds) == 0 {
		return
	}
	whole := w.ask(tree, onlyOne(pipe), isWritten)
	commands := make([]*parse.CommandNode, 0, len(pipe.Cmds)+1)
	for at, command := range pipe.Cmds {
		isWriter := isWriter(command)
		if isWriter && at > 0 {
			commands = append(commands, w.ask(tree, pipe.Cmds[at-1], true))
		}
		for place, argument := range command.Args {
			isWritten := isWriter && place > 0
			if inner, ok := argument.(*parse.PipeNode); ok {
				w.pipe(tree, inner, isWritten)
				continue
			}
			if chain, ok := argument.(*parse.ChainNode); ok {
				w.chain(tree, chain)
			}
			if isWritten && mayBeNothing(argument) {
				command.Args[place] = w.asked(tree, argument)
			}
		}
		commands = append(commands, command)
	}
	if whole != nil {
		commands = append(commands, whole)
	}
	pipe.Cmds = commands
}

// What stands in parentheses before a field.
func (w *watch) chain(tree *parse.Tree, chain *parse.ChainNode) {
	if pipe, ok := chain.Node.(*parse.PipeNode); ok {
		w.pipe(tree, pipe, false)
	}
}

func isWriter(command *parse.CommandNode) bool {
	name, ok := command.Args[0].(*parse.IdentifierNode)
	return ok && writers[name.Ident]
}

func mayBeNothing(node parse.Node) bool {
	switch node.(type) {
	case *parse.FieldNode, *parse.VariableNode, *parse.ChainNode, *parse.DotNode:
		return true
	}
	return false
}

// The value itself where a pipeline is no more than that: its place is the more exact one, and Go's own errors name it as well.
func onlyOne(pipe *parse.PipeNode) parse.Node {
	if len(pipe.Cmds) == 1 && len(pipe.Cmds[0].Args) == 1 {
		return pipe.Cmds[0].Args[0]
	}
	return pipe
}

func (w *watch) ask(tree *parse.Tree, node parse.Node, isWritten bool) *parse.CommandNode {
	if !isWritten {
		return nil
	}
	at := len(w.places)
	text := asWritten(node.String())
	w.places = append(w.places, watched{tree: tree, node: node, text: text})
	// Go's errors quote the last that was looked at, which may be this: then it reads as what it asks about.
	number := &parse.NumberNode{NodeType: parse.NodeNumber, Pos: node.Position(), IsInt: true, Int64: int64(at), Text: mark + text + mark}
	name := parse.NewIdentifier(watcher).SetPos(node.Position()).SetTree(tree)
	return command(node.Position(), name, number)
}

// `(.Secrets.a | keyferryWritten 1)` in place of `.Secrets.a`.
func (w *watch) asked(tree *parse.Tree, argument parse.Node) parse.Node {
	ask := w.ask(tree, argument, true)
	commands := []*parse.CommandNode{command(argument.Position(), argument), ask}
	return &parse.PipeNode{NodeType: parse.NodePipe, Pos: argument.Position(), Cmds: commands}
}

func command(at parse.Pos, arguments ...parse.Node) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: arguments}
}

// Where nothing was there. Made of the templates' texts alone.
func (w *watch) missing() []problem {
	told := make([]problem, 0, len(w.met))
	for _, at := range w.met {
		place := w.places[at]
		one := problem{Template: place.tree.Name, At: shown(place.text)}
		location, _ := place.tree.ErrorContext(place.node)
		if parts := strings.Split(location, ":"); len(parts) >= 3 {
			one.Line, _ = strconv.Atoi(parts[len(parts)-2])
			one.Column, _ = strconv.Atoi(parts[len(parts)-1])
		}
		told = append(told, one)
	}
	return told
}

// Around what a question of ours stands for.
const mark = "\x00"

var asking = regexp.MustCompile(` \| ` + watcher + " " + mark + "[^" + mark + "]*" + mark)

// A part of a template as its author wrote it.
func asWritten(text string) string {
	return strings.ReplaceAll(asking.ReplaceAllString(text, ""), mark, "")
}
