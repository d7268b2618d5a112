// Package date writes dates as mail headers have them.
package date

import "time"

// layout is that of a header date with the zone's name as a comment; the day always
// has two digits, so that there is one blank in front of it. Source: RFC 5322,
// section 3.3.
const layout = "Mon, 02 Jan 2006 15:04:05 -0700 (MST)"

// Header returns the local date for a header: "Fri, 20 Nov 2026 23:05:37 +0000
// (UTC)".
func Header(t time.Time) string { return t.Format(layout) }
