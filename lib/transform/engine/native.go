//go:build !wasip1

package main

import (
	"bufio"
	"fmt"
	"os"
)

// One request a line in, one answer a line out.
func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			fmt.Fprintf(out, "%s\n", respond(line))
		}
		if err != nil {
			return
		}
	}
}
