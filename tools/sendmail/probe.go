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
	for line := range strings.SplitSeq("From: "+address.Quote(sender)+"\nSubject: probe\n"+toHeader(r.recipients)+"\n", "\n") {
		record.Write(s, record.Text, line)
	}
}

// toHeader is a header with all recipients, in lines of reasonable length.
func toHeader(words []string) string {
	text, column := "To:", len("To:")
	for _, word := range words {
		for _, span := range address.Find(word) {
			switch {
			case text == "To:":
				text += " "
			case column+len(span.Address) > 66:
				text, column = text+",\n\t", 8
			default:
				text, column = text+", ", column+2
			}
			text, column = text+span.Address, column+len(span.Address)
		}
	}
	return text + "\n"
}
