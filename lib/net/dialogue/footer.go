package dialogue

import "strings"

// Footer puts what the administrator wants to say at the end of a refusal: with "\c"
// at its start joined to the last line, else in lines of its own with the codes of
// the reply. "\n" begins another line. Source: postconf(5), smtpd_reject_footer.
func Footer(reply, words string) string {
	start := strings.LastIndexByte(reply, '\n') + 1
	last := reply[start:]
	if joined, ok := strings.CutPrefix(words, `\c`); ok {
		first, more, found := strings.Cut(joined, `\n`)
		reply += first
		if !found {
			return reply
		}
		words = more
	}
	codes := last[:min(3, len(last))] + " "
	if fields := strings.Fields(last); len(fields) > 1 && strings.Count(fields[1], ".") == 2 {
		codes += fields[1] + " "
	}
	lines := []string{reply[start:]}
	for line := range strings.SplitSeq(words, `\n`) {
		lines = append(lines, codes+line)
	}
	for i := range lines[:len(lines)-1] {
		lines[i] = lines[i][:3] + "-" + lines[i][min(4, len(lines[i])):]
	}
	return reply[:start] + strings.Join(lines, "\n")
}
