package mailbox

import (
	"fmt"
	"testing"
)

// Where a message has been is known by its headers only. S2.7.
func TestDeliveredTo(t *testing.T) {
	source := content("Received: x", "DELIVERED-TO: Joe@Example", "Subject: Delivered-To: x", " Delivered-To: y",
		`delivered-to: "a \`, `b"@c`, "", "Delivered-To: body@x")
	seen, err := DeliveredTo(source, 2)
	if err != nil || len(seen) != 2 || !seen.Has("joe@EXAMPLE") || !seen.Has("A B@c") {
		t.Errorf("%v %v", seen, err)
	}
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("Delivered-To: %d", i))
	}
	if seen, err := DeliveredTo(content(many...), 2); len(seen) != 1000 || err != nil {
		t.Errorf("%d %v", len(seen), err)
	}
}
