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
	to := "To:\t" + strings.Join(r.recipients, ",\n\t")
	for line := range strings.SplitSeq("From: "+address.Quote(sender)+"\nSubject: probe\n"+to, "\n") {
		record.Write(s, record.Text, line)
	}
}
