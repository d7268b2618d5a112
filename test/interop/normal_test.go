package interop

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// A rule replaces what differs between two runs of the same system.
type rule struct {
	pattern *regexp.Regexp
	text    string
}

func rules(pairs ...string) []rule {
	var list []rule
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, rule{regexp.MustCompile(pairs[i]), pairs[i+1]})
	}
	return list
}

var chance = rules(
	`\b20\d{12}\.[0-9A-F]+@`, `TIME.ID@`,
	`\b[0-9A-F]{7,14}\.\d{10}/`, `ID.EPOCH/`,
	`\b20\d{12}\.[0-9A-Za-z]+@`, `TIME.ID@`,
	`\b[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{1,8}\b(?:\.\d{10}/)?`, `ID`,
	`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [ \d]?\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d [+-]\d{4}(?: \([A-Z]+\))?`, `DATE`,
	`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?`, `DATE`,
	`(?m)^[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d mail `, ``,
	`\[\d+\]: `, `[]: `,
	`delay=[\d.]+, delays=[\d./]+`, `delay=D`,
	`"arrival_time": \d+`, `"arrival_time": T`,
	`(?m)^( *\S+[*!#]*) +\d+ (DATE)`, `$1 SIZE $2`,
	`(?m)^(args: .*) \d+$`, `$1 SIZE`,
	`-- \d+ Kbytes`, `-- N Kbytes`,
	// The words of notices are our own.
	`(?s)(This is the mail system at host [^\n]*\n).*?(\n +The mail system\r?\n)`, `$1$2`,
	`(?m)^.*warning: (file system clock is \d+ seconds ahead|resetting file time stamps).*\n`, ``, // a busy machine
	`(?m)^.*/master\[\]: terminating on signal 15\n`, ``, // postlogd may be gone
	`/(deferred|defer)/[0-9A-F]/`, `/$1/`,
	`(message_size: +)\d+ +\d+( +\d+ +\d+ +)\d+`, `${1}SIZE${2}SIZE`,
	`(message_arrival_time|create_time): .*`, `$1: TIME`,
	`create_time=\d+`, `create_time=TIME`,
	`(size=|SIZE=|"message_size": )\d+`, `${1}SIZE`,
	`(127\.0\.0\.\d)\]?:\d{5}\b`, `$1:PORT`,
	`version 3\.\d+[-.\w]*`, `version VERSION`,
	`pid \d+`, `pid PID`,
	`\(cannot be sent\)\n`, ``,
)

var idPattern = regexp.MustCompile(`\b[0-9A-F]{7,14}\b`)

// normal takes out of text what depends on time and chance. Queue IDs are
// replaced by what names says, or by "ID".
func normal(text string, names map[string]string) string {
	for _, r := range chance {
		text = r.pattern.ReplaceAllString(text, r.text)
	}
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		if name := names[id]; name != "" {
			return name
		}
		return "ID"
	})
}

var (
	madeID = regexp.MustCompile(`cleanup\[\d+\]: ([0-9A-F]+): message-id=<(?:tag-([^@]+))?`)
	notice = regexp.MustCompile(`\]: ([0-9A-F]+): (\w+) ([\w -]+) notification: ([0-9A-F]+)`)
)

// idNames gives the queue IDs of a log names that do not depend on chance: the
// tag of the message, or what notice it is about which message.
func idNames(log string) map[string]string {
	names := map[string]string{}
	for _, m := range madeID.FindAllStringSubmatch(log, -1) {
		if m[2] != "" {
			names[m[1]] = "[" + m[2] + "]"
		}
	}
	for _, m := range notice.FindAllStringSubmatch(log, -1) {
		names[m[4]] = fmt.Sprintf("[%s: %s %s]", strings.Trim(names[m[1]], "[]"), m[2], m[3])
	}
	return names
}

// A difference is a line that is there more often in one text than in the other.
type difference struct {
	line        string
	left, right int
}

// compareLines compares two texts as bags of lines.
func compareLines(left, right string) (same int, list []difference) {
	count := map[string][2]int{}
	for i, text := range []string{left, right} {
		for line := range strings.SplitSeq(text, "\n") {
			c := count[line]
			c[i]++
			count[line] = c
		}
	}
	for line, c := range count {
		same += min(c[0], c[1])
		if c[0] != c[1] {
			list = append(list, difference{line, c[0], c[1]})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].line < list[j].line })
	return same, list
}

// compareEvidence compares what two runs left behind. The names of queue IDs
// come from the logs.
func compareEvidence(left, right evidence) (same int, text string) {
	var list []string
	for name := range left {
		list = append(list, name)
	}
	for name := range right {
		if _, there := left[name]; !there {
			list = append(list, name)
		}
	}
	sort.Strings(list)
	leftIDs, rightIDs := idNames(left["log"]), idNames(right["log"])
	for _, name := range list {
		n, differences := compareLines(normal(left[name], leftIDs), normal(right[name], rightIDs))
		same += n
		if len(differences) > 0 {
			text += name + ":\n" + report(differences)
		}
	}
	return same, text
}

// report writes differences as lines with - for the left and + for the right.
func report(list []difference) string {
	var b strings.Builder
	for _, d := range list {
		if d.left > d.right {
			fmt.Fprintf(&b, "  - %s (%d, %d)\n", d.line, d.left, d.right)
		} else {
			fmt.Fprintf(&b, "  + %s (%d, %d)\n", d.line, d.left, d.right)
		}
	}
	return b.String()
}

// trouble are the lines of a log that nobody wants to see.
func trouble(log string) []string {
	var list []string
	for line := range strings.SplitSeq(normal(log, nil), "\n") {
		for _, word := range []string{"warning: ", "error: ", "fatal: ", "panic: "} {
			if strings.Contains(line, "]: "+word) && !slices.Contains(list, line) {
				list = append(list, line)
			}
		}
	}
	return list
}
