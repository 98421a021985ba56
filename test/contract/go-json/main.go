// Answers what Go's own encoding/json makes of each line, so that tests can hold ours to it.
// In: one JSON object a line, {"as": "any" | "bytes", "text": base64}. Out: base64 of the JSON written anew, or "refused".
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type question struct {
	As   string
	Text []byte
}

// Numbers stay as they were written, as in Vault's client.
func decode(text []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(value); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("more than one value")
	}
	return nil
}

func answer(asked question) ([]byte, error) {
	if asked.As == "bytes" {
		var value map[string][]byte
		if err := decode(asked.Text, &value); err != nil {
			return nil, err
		}
		return json.Marshal(value)
	}
	var value any
	if err := decode(asked.Text, &value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var asked question
			if err := json.Unmarshal(line, &asked); err != nil {
				panic(err)
			}
			text, err := answer(asked)
			if err != nil {
				fmt.Fprintln(out, "refused")
			} else {
				fmt.Fprintln(out, base64.StdEncoding.EncodeToString(text))
			}
		}
		if err != nil {
			return
		}
	}
}
