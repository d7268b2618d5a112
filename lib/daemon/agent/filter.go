package agent

import (
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/mail/dsn"
)

// openFilter opens the tables of the agent's status filter.
func (a *Agent) openFilter() {
	if a.StatusFilter == nil || *a.StatusFilter == "" {
		return
	}
	list, err := table.OpenList(*a.StatusFilter, 0)
	if err != nil {
		msg.Fatal("delivery status filter: %v", err)
	}
	a.filter = list
}

// filtered replaces the status and the reason of an outcome by what the tables
// say. Success and failure stay what they are.
func filtered(list *table.List, o Outcome) Outcome {
	if list.Empty() {
		return o
	}
	line := string(o.Status) + " " + o.Reason
	value, found, err := list.Lookup(line)
	if err != nil || !found {
		return o
	}
	status, reason := dsn.Split(value, "")
	switch {
	case !status.Valid() || strings.TrimSpace(reason) == "":
		msg.Warn("delivery status filter: bad result %q for %q: want a status code and text", value, line)
		return o
	case (status.Class() == '2') != (o.Status.Class() == '2'):
		msg.Warn("delivery status filter: result %q for %q: success and failure cannot be exchanged", value, line)
		return o
	}
	o.Status, o.Reason = status, reason
	return o
}
