package table

import (
	"strings"

	"postrider/lib/base/text"
)

// Direct returns the tables of a list one by one, without the "proxy:" in front
// of them: for programs whose security depends on a table, and which therefore
// do not let another process look it up.
func Direct(list string) []string {
	specs := text.SplitBraces(list)
	for i, spec := range specs {
		for strings.HasPrefix(spec, "proxy:") {
			spec = spec[len("proxy:"):]
		}
		specs[i] = spec
	}
	return specs
}
