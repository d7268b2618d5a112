package maptool

import (
	"io"
	"iter"

	"postrider/lib/base/text"
)

// batch is how many lines are handed over together.
const batch = 256

// ahead gives the logical lines of a file. A second goroutine reads them, and is
// some batches ahead. It ends with the process when the caller does not want all.
func ahead(in *text.Lines) iter.Seq2[text.Line, error] {
	full, empty := make(chan []text.Line, 4), make(chan []text.Line, 4)
	var failure error
	go func() {
		defer close(full)
		for failure == nil {
			var lines []text.Line
			select {
			case lines = <-empty:
			default:
				lines = make([]text.Line, 0, batch)
			}
			for len(lines) < batch && failure == nil {
				var line text.Line
				if line, failure = in.Next(); failure == nil {
					lines = append(lines, line)
				}
			}
			full <- lines
		}
	}()
	return func(yield func(text.Line, error) bool) {
		for lines := range full {
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
			select {
			case empty <- lines[:0]:
			default:
			}
		}
		if failure != io.EOF {
			yield(text.Line{}, failure)
		}
	}
}
