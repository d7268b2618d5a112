package tools

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Taken away is what cannot be the same in two runs: where programs are,
// versions, times, process IDs. Queue IDs become numbers in the order in which
// they appear.
var always = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`/usr/lib/postfix/sbin|/usr/libexec/postfix`), "DAEMONS"},
	{regexp.MustCompile(`3\.7\.11|3\.11\.0-postrider1`), "VERSION"},
	{regexp.MustCompile(`[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d( mail)?`), "DATE"},
	{regexp.MustCompile(`[A-Z][a-z]{2}, +\d+ [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000 \(UTC\)`), "DATE"},
	{regexp.MustCompile(`\b1[789]\d{8}(\.\d+)?\b`), "EPOCH"},
	{regexp.MustCompile(`\[\d+\]`), "[PID]"},
	{regexp.MustCompile(`\.main\.cf\d+`), "main.cf.tmp"},
	{regexp.MustCompile(`\b(deferred|defer)/[0-9A-F]/`), "$1/H/"},
	{regexp.MustCompile(`PID: \d+`), "PID: PID"},
	// Stock's sendmail reads its options twice.
	{regexp.MustCompile(`(?m)^(.*: (?:invalid option|option requires an argument) -- '.'\n)(?:.*: (?:invalid option|option requires an argument) -- '.'\n)+`), "$1"},
}

var queueID = regexp.MustCompile(`\b[0-9A-F]{6,12}\b`)

func normal(r Result) Result {
	ids := map[string]string{}
	r.Stdout, r.Stderr = normalText(r.Stdout, ids), normalText(r.Stderr, ids)
	return r
}

// unordered are warnings that stock gives in any order.
var unordered = regexp.MustCompile(`(?m)(^.*: (unused|undefined) parameter: .*\n)+`)

func normalText(s string, ids map[string]string) string {
	s = unordered.ReplaceAllStringFunc(s, func(lines string) string {
		list := strings.SplitAfter(lines, "\n")
		slices.Sort(list)
		return strings.Join(list, "")
	})
	for _, a := range always {
		s = a.pattern.ReplaceAllString(s, a.by)
	}
	return queueID.ReplaceAllStringFunc(s, func(id string) string {
		if ids[id] == "" {
			ids[id] = fmt.Sprintf("ID%d", len(ids)+1)
		}
		return ids[id]
	})
}
