package match

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile is the size of the largest file of patterns.
const maxFile = 64 << 20

// readFile copies the lines of a file that are no comments.
func readFile(name string, to *strings.Builder) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxFile+1))
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			to.WriteString(line)
			to.WriteByte('\n')
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if to.Len() > maxFile {
		return fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return nil
}
