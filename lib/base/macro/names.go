package macro

import "strings"

// Names returns the names that text refers to, each once, in whatever branch
// they stand. Text with errors gives the names that can be recognised.
func Names(text string) []string {
	var names []string
	seen := make(map[string]bool)
	for {
		dollar := strings.IndexByte(text, '$')
		if dollar < 0 || dollar+1 == len(text) {
			return names
		}
		text = text[dollar+1:]
		if text[0] == '$' {
			text = text[1:]
			continue
		}
		inner := strings.TrimLeft(strings.TrimLeft(text, "{("), blank)
		if strings.HasPrefix(text, "{") && strings.HasPrefix(strings.TrimLeft(text[1:], blank), "{") {
			continue // a comparison: the names in it have a $ of their own
		}
		n := nameLength(inner)
		if n == 0 || strings.HasPrefix(inner[n:], "{") { // nothing, or a function
			continue
		}
		if name := inner[:n]; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
}
