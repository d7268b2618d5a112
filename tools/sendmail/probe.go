package main

import (
	"strings"

	"postrider/lib/base/stream"
	"postrider/lib/mail/address"
	"postrider/lib/mail/record"
)

// probe writes the message of option -bv. It is never delivered, but returned
// with the report.
func probe(s *stream.Stream, r *request) {
	sender, _ := whoAmI(r)
	var to []string
	for _, word := range r.recipients {
		for _, span := range address.Find(word) {
			to = append(to, span.Address)
		}
	}
	lines := "From: " + address.Quote(sender) + "\nSubject: probe\nTo: " + strings.Join(to, ",\n\t") + "\n"
	for line := range strings.SplitSeq(lines, "\n") {
		record.Write(s, record.Text, line)
	}
}
