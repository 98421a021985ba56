//go:build wasip1

package main

import (
	"runtime/debug"
	"unsafe"
)

// The garbage collector works harder before the memory's own end (infra/build-engine.ts) is reached.
func init() { debug.SetMemoryLimit(96 << 20) }

func main() {}

// Held here, so that neither is moved or collected while the host reads or writes it.
var question, said []byte

//go:wasmexport allocate
func allocate(size uint32) unsafe.Pointer {
	question = make([]byte, size+1)
	return unsafe.Pointer(&question[0])
}

// Answers what was written to the allocated place: address and length of the answer.
//
//go:wasmexport answer
func answerOf(size uint32) uint64 {
	said = respond(question[:size])
	question = nil
	return uint64(uintptr(unsafe.Pointer(&said[0])))<<32 | uint64(len(said))
}
